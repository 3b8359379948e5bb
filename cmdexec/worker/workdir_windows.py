"""Where jobs have their own folders: on disk, as Windows has no file system in memory."""

import hashlib
import os
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.worker.tidying import remove_folders


def work_dir(named: Path | None, data_dir: Path, log: Log) -> Path:
    """Blocking: the folder of the jobs' folders, emptied of what an earlier process left: in the folder that was named,
    else in the data folder. Raises CmdexecError."""
    folder = data_dir / "work" if named is None else _own(named, data_dir)
    _make(folder)
    remove_folders([entry.path for entry in os.scandir(folder)], lambda _folder, _wrong: None)
    return folder


def try_work_dir(named: Path, data_dir: Path) -> None:
    """Blocking: see that `work_dir` could be had there, and leave alone what is in it. Raises CmdexecError."""
    _make(_own(named, data_dir))


def _own(named: Path, data_dir: Path) -> Path:
    """Two workers may share the folder that was named."""
    return named / f"cmdexec-{hashlib.sha256(str(data_dir.absolute()).encode()).hexdigest()[:12]}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir", f"The folder {folder} for the jobs' folders cannot be used: {wrong.strerror}.",
            field="WORK_DIR", mend="Name a folder that this user may write to as WORK_DIR (--work-dir).",
        ) from wrong  # fmt: skip
