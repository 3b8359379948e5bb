"""Whose file it is, which version of the tables it holds, and how an older one is brought up to date."""

import os
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.store.sqlite.connection import Connection, StorageFault

APPLICATION_ID = 0x636D6478
"""`cmdx`, at byte 68 of the file (sqlite.org, "Database File Format", 1.3.13): whose database it is."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_RESTORE = "Move it away, or put a backup in its place, and start again."


def make_file(path: Path) -> None:
    """Make the empty database file, readable by its owner alone, if it is not there; its name is on disk afterwards."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as fault:
        raise CmdexecError(
            "bad_data_dir",
            f"The store cannot be opened: {path}: {fault.strerror}.",
            mend="Give a data folder that this user may read and write.",
        ) from fault


def refused(path: Path, fault: StorageFault) -> CmdexecError:
    """The sentence for a file that cannot be opened."""
    if fault.damaged:
        return CmdexecError("bad_data_dir", f"{path} is damaged, or is not a store of cmdexec.", mend=_RESTORE)
    if fault.busy:
        return CmdexecError("in_use", f"{path} is held by another program.", mend="End that program and start again.")
    if fault.full:
        return CmdexecError("bad_data_dir", f"There is no room left for {path}.", mend="Make room on that disk.")
    return CmdexecError("bad_data_dir", f"{path} cannot be read and written.", mend="Check the disk and its rights.")


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
        raise CmdexecError("bad_data_dir", f"{path} is not a store of cmdexec.", mend=_RESTORE)
    version = int(connection.pragma("user_version"))
    if version > newest():
        raise CmdexecError(
            "bad_data_dir",
            f"{path} was written by a newer cmdexec (its tables are version {version}, known here are {newest()}).",
            mend="Update cmdexec, or restore a backup from before the update.",
        )
    return version


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
