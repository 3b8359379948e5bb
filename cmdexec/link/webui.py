"""Where the files of the pages are, in a wheel, an executable, or a checkout."""

from pathlib import Path

import cmdexec

WINDOW = "window"
"""The folder in there of what a worker's window shows; no server hands that out."""

_INDEX = "index.html"


def webui_root() -> Path | None:
    """The folder of the pages: the package's own, as in a wheel, or else that of the checkout. None: there is none."""
    package = Path(cmdexec.__file__).parent
    return next((one for one in (package / "webui", package.parent / "webui") if (one / _INDEX).is_file()), None)


def in_checkout(root: Path) -> bool:
    """Whether that folder is a checkout's, where its files may change while it is used."""
    return root.parent != Path(cmdexec.__file__).parent
