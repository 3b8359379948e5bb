"""The files of the window's page: a fixed list, read once. No path of a request is ever made into one of a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.link.webui import WINDOW, webui_root

_KINDS = {
    ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}  # fmt: skip
_SHARED = (
    "html.js", "strings.js", "tokens.css", "icons/cmdexec.svg", "css/base.css", "css/parts.css", "css/forms.css",
    "css/status.css", "css/log.css", "log/ansi.js", "log/buffer.js", "words/time.js", "parts/icons.js",
    "parts/basics.js", "parts/field.js", "parts/dialog.js", "data/api.js",
)  # fmt: skip
"""What it shares with the server's pages, beside all of `vendor/`."""


@dataclass(frozen=True, slots=True)
class File:
    """What is answered."""

    body: bytes
    kind: str


Files = Mapping[str, File]
"""By path of the request."""


def read_files() -> Files:
    """Blocking. Raises CmdexecError(`no_window`) where this installation has no pages."""
    root = webui_root()
    if root is None:
        raise CmdexecError("no_window", "this installation has no pages")
    own = [path for path in (root / WINDOW).iterdir() if path.suffix in _KINDS]
    vendored = [path for path in (root / "vendor").iterdir() if path.suffix in _KINDS]
    found = {_address(root, path): path for path in (*own, *vendored, *(root / name for name in _SHARED))}
    files = {address: File(path.read_bytes(), _KINDS[path.suffix]) for address, path in found.items()}
    return {**files, "/": files[f"/{WINDOW}/index.html"]}


def _address(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root).as_posix()}"
