"""What starts a worker with the session: which command, and what its entry is called."""

import hashlib
import os
from pathlib import Path

from cmdexec.settings.declare import Setting
from cmdexec.settings.shared import SHARED

_DATA_DIR: Setting = next(setting for setting in SHARED if setting.name == "DATA_DIR")


def entry_name(folder: Path) -> str:
    """`cmdexec-worker`; of a data folder that is not the usual one, with letters of its own behind it."""
    if folder == _DATA_DIR.default_for("worker"):
        return "cmdexec-worker"
    return f"cmdexec-worker-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def write(path: Path, content: str) -> None:
    """Blocking: make that the file's whole content, with its folders. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(content, "utf-8")
    os.replace(fresh, path)
