"""What starts a worker with the session: which command, and what its entry is called."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cmdexec.settings.declare import Setting
from cmdexec.settings.shared import SHARED

_DATA_DIR: Setting = next(setting for setting in SHARED if setting.name == "DATA_DIR")


def entry_name(folder: Path) -> str:
    """`cmdexec-worker`; of a data folder that is not the usual one, with letters of its own behind it."""
    if folder == _DATA_DIR.default_for("worker"):
        return "cmdexec-worker"
    return f"cmdexec-worker-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def line_of(command: Sequence[str], folder: Path, config: Path | None) -> list[str]:
    """What is started: the worker of that data folder, with the settings file that was named, if one was."""
    named = [] if config is None else ["--config", str(config.expanduser().absolute())]
    return [*command, "worker", "--data-dir", str(folder), *named]


def home() -> Path:
    """This user's folder; of a user who has none, one in which there is nothing and can be nothing."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


def remove(path: Path) -> None:
    """Blocking: have it gone. Raises OSError where it is there and stays; what cannot be looked for is not there."""
    if os.path.lexists(path):
        path.unlink(missing_ok=True)


def write(path: Path, content: str) -> None:
    """Blocking: make that the file's whole content, with its folders. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(content, "utf-8")
    os.replace(fresh, path)
