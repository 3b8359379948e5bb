"""One connection to the database file. The only file that names the driver."""

import contextlib
import errno
import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw

from cmdexec.system.files import CLOSED_ON_EXEC, NO_LINKS, free_bytes, write_at

Value = str | bytes | memoryview | int | float | None
Row = tuple[Any, ...]

PAGE_BYTES = 4096
"""The unit of the file and of the log."""

BUSY_CODES = (apsw.BusyError, apsw.LockedError)
DAMAGED_CODES = (apsw.NotADBError, apsw.CorruptError)
_STEP_BYTES = 1 << 20
_MUCH_ROOM = 64
"""So many times as much has to be free."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Of a write SQLite calls only ENOSPC full, of a flush and of the log's index nothing (sqlite.org, os_unix.c)."""


TAKES_TABLES = "ENABLE_CARRAY" in apsw.compile_options
"""Whether `run_over` can be had: of a library that a distribution has built by itself it may not."""


class StorageFault(Exception):
    """The file could not be read or written. `full`: there was no room, or no quota; `busy`: another program held it
    for too long; `damaged`: what is there is not a sound database. The message is for the log, never for a caller."""

    def __init__(self, message: str, *, full: bool = False, busy: bool = False, damaged: bool = False) -> None:
        super().__init__(message)
        self.full = full
        self.busy = busy
        self.damaged = damaged


class ConstraintBroken(Exception):
    """A row with that unique key is there already."""


def _translated(fault: apsw.Error, system_errno: int) -> Exception:
    """The fault of the driver as what this package speaks of. `system_errno`: the connection's, which says of what
    came from the system why it failed."""
    if isinstance(fault, apsw.ConstraintError):
        return ConstraintBroken(str(fault))
    if isinstance(fault, apsw.SQLError | apsw.BindingsError | apsw.MisuseError | apsw.ThreadingViolationError):
        return fault
    return StorageFault(
        f"{type(fault).__name__}: {fault}",
        full=isinstance(fault, apsw.FullError)
        or (isinstance(fault, apsw.IOError | apsw.CantOpenError) and system_errno in _NO_ROOM),
        busy=isinstance(fault, BUSY_CODES),
        damaged=isinstance(fault, DAMAGED_CODES),
    )


class Connection:
    """A connection with the settings that the promises rest on.

    WAL and `synchronous=FULL`: after COMMIT returns, what was written survives a power cut (promise 1; sqlite.org,
    "PRAGMA synchronous"). Checkpoints run only where `checkpoint` is called: by the one connection that writes.
    """

    def __init__(self, path: Path, *, cache_kib: int, busy_ms: int) -> None:
        """`cache_kib`: the page cache; memory stays below it. `busy_ms`: how long another program is waited for.

        The file itself may be no link; that the way to its folder leads over some is the system's business.
        """
        path = Path(os.path.realpath(path.parent), path.name)  # SQLITE_OPEN_NOFOLLOW minds a link in any part
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
        self.log_pages = 0
        self._log = path.with_name(f"{path.name}-wal")
        try:
            self._db = apsw.Connection(os.fspath(path), flags=flags, statementcachesize=64)
            self._db.set_busy_timeout(busy_ms)
            self._db.wal_autocheckpoint(0)
            self._db.pragma("page_size", PAGE_BYTES)
            self._db.pragma("cache_size", -cache_kib)
            self._db.pragma("mmap_size", 0)
            self._db.pragma("trusted_schema", 0)
        except apsw.Error as fault:
            raise _translated(fault, 0) from fault

    def _fault(self, fault: apsw.Error) -> Exception:
        return _translated(fault, self._db.system_errno)

    def leave_as_it_is(self, really: bool) -> None:
        """Whether closing may not even move what the log holds into the file: so for one that is only looked at."""
        self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(really))

    def only_read(self) -> None:
        """Refuse every write from here on."""
        self.run("PRAGMA query_only = 1")

    def write_durably(self, log_keep_bytes: int) -> None:
        """The settings of the one connection that writes. `log_keep_bytes`: how large the log file may stay when it is
        empty. On macOS a plain flush leaves the data in the drive's cache: hence `fullfsync`."""
        self.run("PRAGMA journal_mode = wal")
        self.run("PRAGMA synchronous = FULL")
        self.run("PRAGMA fullfsync = 1")
        self.run("PRAGMA checkpoint_fullfsync = 1")
        self.run(f"PRAGMA journal_size_limit = {log_keep_bytes}")
        self._db.set_wal_hook(self._log_grew)

    def _log_grew(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self.log_pages = pages
        return apsw.SQLITE_OK

    def run(self, sql: str, bindings: Sequence[Value] = ()) -> int:
        """Run a statement, or several; how many rows the last one changed, if it changes rows."""
        try:
            self._db.execute(sql, bindings)
        except apsw.Error as fault:
            raise self._fault(fault) from fault
        return self._db.changes()

    def run_each(self, sql: str, bindings: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each of the bindings."""
        try:
            self._db.executemany(sql, bindings)
        except apsw.Error as fault:
            raise self._fault(fault) from fault

    def run_over(self, sql: str, bindings: Sequence[Value], values: Sequence[bytes]) -> None:
        """Run a statement whose last parameter is a table of these values, of the column `value`: `carray(?)`. The
        interpreter is free meanwhile (sqlite.org, "The Carray() Table-Valued Function")."""
        try:
            self._db.execute(sql, (*bindings, apsw.carray(tuple(values))))
        except apsw.Error as fault:
            raise self._fault(fault) from fault

    def row(self, sql: str, bindings: Sequence[Value] = ()) -> Row | None:
        """The first row."""
        rows = self.rows(sql, bindings)
        return rows[0] if rows else None

    def rows(self, sql: str, bindings: Sequence[Value] = ()) -> list[Row]:
        """All rows."""
        try:
            return self._db.execute(sql, bindings).fetchall()
        except apsw.Error as fault:
            raise self._fault(fault) from fault

    def each(self, sql: str, bindings: Sequence[Value] = ()) -> Generator[Row, None, None]:
        """The rows one by one. The statement ends with the iterator: close it before the transaction ends."""
        try:
            cursor = self._db.execute(sql, bindings)
            try:
                yield from cursor
            finally:
                cursor.close(True)
        except apsw.Error as fault:
            raise self._fault(fault) from fault

    def pragma(self, name: str) -> Any:
        """The value of a pragma."""
        try:
            return self._db.pragma(name)
        except apsw.Error as fault:
            raise self._fault(fault) from fault

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def roll_back(self) -> None:
        """Undo what is not committed. After some faults the engine has done so already."""
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except apsw.Error as fault:
                raise self._fault(fault) from fault

    def checkpoint(self, *, truncate: bool) -> bool:
        """Move what is committed from the log into the file; whether all of it was moved.

        A log that was moved is written from its beginning again, into room that its file has already: a commit is
        flushed in half the time then. `truncate` waits for readers (as long as `busy_ms`) and empties the file.
        """
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if truncate else apsw.SQLITE_CHECKPOINT_PASSIVE
        try:
            pages, moved = self._db.wal_checkpoint(mode=mode)
        except BUSY_CODES:
            return False
        except apsw.Error as fault:
            raise self._fault(fault) from fault
        if pages == moved:
            self.log_pages = 0
        return bool(pages == moved)

    def make_room_in_log(self, size: int) -> None:
        """Make the log's file that long, on disk, for what will be written there: while a file grows, a flush has to
        write down its length as well, which takes as long again. Does nothing where there is not much room.

        What is behind the log's end counts for nothing: each of its frames is good only with the checksum and the salt
        of this log (sqlite.org, "Database File Format", 4.1).
        """
        with contextlib.suppress(OSError):  # then flushes take longer, and nothing else
            descriptor = os.open(self._log, os.O_WRONLY | NO_LINKS | CLOSED_ON_EXEC)
            try:
                if free_bytes(self._log) < size * _MUCH_ROOM:
                    return
                while (end := os.fstat(descriptor).st_size) < size:
                    write_at(descriptor, bytes(min(_STEP_BYTES, size - end)), end)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        try:
            self._db.close()
        except apsw.Error as fault:
            raise self._fault(fault) from fault
