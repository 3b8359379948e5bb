"""Opens the file of a store to look at it, while a server may go on with it. Nothing is written, nor moved."""

from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.connection import Connection, StorageFault
from cmdexec.store.sqlite.engine import FILE
from cmdexec.store.sqlite.jobs import SqliteJobReads
from cmdexec.store.sqlite.listing import SqliteJobLists
from cmdexec.store.sqlite.output import SqliteStoredOutput
from cmdexec.store.sqlite.readers import Readers

_CACHE_KIB = 4 * 1024
_CALLS = 1000


def inspect_sqlite(
    folder: Path, runtime: Runtime, *, busy_sec: float = 5.0, check_bytes: int | None = None
) -> Inspection:
    """The store in `folder`. `check_bytes`: a file up to this size is checked from end to end first; None: any.

    Blocks for as long as that takes. Raises CmdexecError (`bad_data_dir`, `in_use`) with a sentence where there is no
    store, or one that is damaged, not ours, or of another version.
    """
    path = folder / FILE
    try:
        path.lstat()
    except FileNotFoundError:
        raise _bad(f"There is no store in {folder}.", "Name another folder.") from None
    except OSError as wrong:
        raise _bad(f"{path} cannot be looked at: {wrong.strerror}.", "Be the user who runs the server.") from wrong
    busy_ms = round(busy_sec * 1000)
    try:
        connection = _connect(path, busy_ms)
        try:
            version = schema.check(connection, path)
            schema.check_whole(connection, path, check_bytes)
        finally:
            connection.close()
    except StorageFault as fault:
        raise schema.refused(path, fault) from fault
    if not version:
        raise _bad(f"{path} is empty, and no store.", "Put a backup in its place, or start a server, which makes one.")
    if version != schema.newest():
        mend = "Start its server once with this version, which brings it up to date."
        raise _bad(f"{path} was written by an older cmdexec.", mend)
    readers = Readers(lambda: _connect(path, busy_ms), runtime, _CALLS)

    async def close() -> None:
        readers.close()

    return Inspection(SqliteJobReads(readers), SqliteJobLists(readers), SqliteStoredOutput(readers), close)


def _bad(message: str, mend: str) -> CmdexecError:
    return CmdexecError("bad_data_dir", message, field="DATA_DIR", mend=mend)


def _connect(path: Path, busy_ms: int) -> Connection:
    connection = Connection(path, cache_kib=_CACHE_KIB, busy_ms=busy_ms)
    connection.leave_as_it_is(True)
    connection.only_read()
    return connection
