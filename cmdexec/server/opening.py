"""Opening the server's data folder: its owner's alone, one server at a time."""

import os
from functools import partial
from pathlib import Path

from cmdexec.link.data_folder import take
from cmdexec.server.folder import Folder

LOCK = "server.lock"

_LAID_READY = frozenset({"cmdexec.toml", "lost+found"})
"""What may lie in a folder before the first server (`lost+found`: the root of a file system)."""


def open_folder(path: Path) -> Folder:
    """Open `path` for this process alone; it is made, with mode 0700, if it is not there.

    Raises CmdexecError: `in_use` if a server runs in it, `bad_data_dir` if it cannot be used.
    """
    return Folder(path, partial(os.close, take(path, LOCK, who="server", laid_ready=_LAID_READY)))
