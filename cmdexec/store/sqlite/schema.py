"""Whose file it is, which version of the tables it holds, and how an older one is brought up to date."""

import errno
import os
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.store.sqlite.connection import Connection, StorageFault
from cmdexec.system.files import CLOSED_ON_EXEC, NO_LINKS, close_to_others, sync_folder

APPLICATION_ID = 0x636D6478
"""`cmdx`, at byte 68 of the file (sqlite.org, "Database File Format", 1.3.13): whose database it is."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_FIELD = "DATA_DIR"
_BESIDE = ("-wal", "-shm", "-journal")
"""The ends of the names of the files that SQLite keeps beside the database (sqlite.org, "Temporary Files"); where a
folder is in their place it says little, or nothing before the first write."""

_RESTORE = "Move it away with all files whose names begin with its own, put a backup in its place, and start again."
_RIGHTS = "See to the disk, and to the file's owner and mode."
_FULL = ("There is no room left on the disk for {}.", "Make room there, and start again.")
_CAUSES = {
    errno.EISDIR: ("{} is a folder, where the store's file would be.", "Move it away, and start again."),
    errno.ELOOP: (
        "{} is a link, and the store follows none.",
        "Put the file itself there, or name the folder that holds it as DATA_DIR (--data-dir).",
    ),
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
}
"""What is said of the file, and what to do, by what the system says."""


def make_file(path: Path) -> None:
    """Make the empty database file, readable by its owner alone, if it is not there; its name is on disk afterwards."""
    for beside in (path.with_name(f"{path.name}{end}") for end in _BESIDE):
        if beside.is_dir():
            raise _bad(*_CAUSES[errno.EISDIR], beside)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | NO_LINKS | CLOSED_ON_EXEC, 0o600)
        os.close(descriptor)
        close_to_others(path)
        sync_folder(path.parent)
    except OSError as fault:
        raise _bad(
            *_CAUSES.get(fault.errno or 0, (f"{{}} cannot be opened: {fault.strerror}.", _RIGHTS)), path
        ) from fault


def refused(path: Path, fault: StorageFault) -> CmdexecError:
    """The sentence for a file that cannot be opened."""
    if fault.damaged:
        return _bad("{} is damaged, or is not a store of cmdexec.", _RESTORE, path)
    if fault.busy:
        mend = "End that program and start again."
        return CmdexecError("in_use", f"{path} is held by another program.", field=_FIELD, mend=mend)
    if fault.full:
        return _bad(*_FULL, path)
    return _bad("{} cannot be read and written.", _RIGHTS, path)


def _bad(message: str, mend: str, path: Path) -> CmdexecError:
    return CmdexecError("bad_data_dir", message.format(path), field=_FIELD, mend=mend)


def newest() -> int:
    """The version that this program makes and reads."""
    return len(_scripts())


def check(connection: Connection, path: Path) -> int:
    """The version of the tables, 0 for an empty file. Changes nothing.

    Raises CmdexecError `bad_data_dir` for a file that is not ours or that a newer version has written.
    """
    if connection.row("SELECT count(*) FROM sqlite_schema") == (0,):
        return 0
    if connection.pragma("application_id") != APPLICATION_ID:
        raise _bad("{} is not a store of cmdexec.", _RESTORE, path)
    version = int(connection.pragma("user_version"))
    if version > newest():
        written = f"was written by a newer cmdexec (its tables are version {version}, known here are {newest()})."
        raise _bad("{} " + written, "Update cmdexec, or restore a backup from before the update.", path)
    return version


def check_whole(connection: Connection, path: Path, up_to_bytes: int | None) -> None:
    """Look through the whole file, unless it is larger than that (None: however large): a page that has gone bad is
    found before anything rests on it, not when somebody asks for what it held. Changes nothing.

    Raises CmdexecError `bad_data_dir` for a damaged one.
    """
    size = int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
    if (up_to_bytes is None or size <= up_to_bytes) and connection.rows("PRAGMA quick_check(1)") != [("ok",)]:
        raise _bad("{} is damaged.", _RESTORE, path)


def bring_up_to_date(connection: Connection, version: int) -> None:
    """Make the tables, or change those of `version` step by step, each step in one transaction."""
    for number, script in enumerate(_scripts()[version:], start=version + 1):
        connection.run("BEGIN IMMEDIATE")
        try:
            connection.run(script.read_text("utf-8"))
            connection.run(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}")
            connection.run("COMMIT")
        finally:
            connection.roll_back()


def _scripts() -> list[Path]:
    return sorted(_MIGRATIONS.glob("*.sql"))
