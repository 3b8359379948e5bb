"""Opens the store in a folder, and closes it."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cmdexec.errors import Unavailable
from cmdexec.runtime import Runtime
from cmdexec.store.contract.jobs_write import JobWrites
from cmdexec.store.contract.reads import Reads
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.classes import SqliteClasses
from cmdexec.store.sqlite.connection import PAGE_BYTES, Connection, StorageFault
from cmdexec.store.sqlite.health import SqliteHealth, free_bytes
from cmdexec.store.sqlite.identity import SqliteCredentials, SqliteJoinTokens, SqliteSessions, SqliteUsers
from cmdexec.store.sqlite.jobs import SqliteJobReads
from cmdexec.store.sqlite.jobs_write import SqliteJobWrites
from cmdexec.store.sqlite.listing import SqliteJobLists
from cmdexec.store.sqlite.output import SqliteOutput
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.workers import SqliteWorkers, grant
from cmdexec.store.sqlite.writer import Bounds, Writer

FILE = "jobs.sqlite"
_WRITER_CACHE_KIB = 6 * 1024
_READER_CACHE_KIB = 1024


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """An open store. `reads` is for everybody, `jobs_write` for `cmdexec.server.jobs` alone."""

    reads: Reads
    jobs_write: JobWrites
    _workers: SqliteWorkers
    _writer: Writer
    _readers: Readers

    async def close(self) -> None:
        """Write what waits, then close the file. Closing twice is fine."""
        with suppress(Unavailable):  # for display only: no reason to leave the file open
            await self._workers.save_seen()
        self._readers.close()
        await self._writer.close()


def open_sqlite(
    folder: Path,
    runtime: Runtime,
    *,
    queue_items: int,
    disk_reserve_bytes: int,
    lease_sec: float = 60.0,
    queue_bytes: int = 32 << 20,
    log_bytes: int = 8 << 20,
    idle_sec: float = 5.0,
    busy_sec: float = 5.0,
    seen_save_sec: float = 60.0,
    full_retry_sec: float = 2.0,
    check_bytes: int = 64 << 20,
) -> SqliteStore:
    """Open the store in `folder`, which one process at a time may do; make it if it is not there.

    queue_items, queue_bytes   calls and bytes that may wait; more is answered `overloaded`
    disk_reserve_bytes         with less free than this, new jobs are refused as `disk_full`
    lease_sec                  how long the leases are that are granted over it
    log_bytes                  how long the log may grow before it is moved into the file
    idle_sec                   how long nothing is written before the log is moved into the file
    busy_sec                   how long a program that holds the file is waited for
    seen_save_sec              how often the times at which workers were seen are written
    full_retry_sec             when whoever needs room on a full disk is told to come again
    check_bytes                a file up to this size is checked from end to end

    Blocks for as long as that takes (recovery and migrations read the disk). Raises CmdexecError (`bad_data_dir`,
    `in_use`) with a sentence for a file that is not ours, is damaged, or is of a newer version.
    """
    path = folder / FILE
    busy_ms = round(busy_sec * 1000)
    schema.make_file(path)
    try:
        connection = _connect_writer(path, busy_ms, log_bytes, check_bytes)
        known = grant(connection, lease_sec)
    except StorageFault as fault:
        if not (fault.damaged or fault.busy or fault.full):  # of these the sentence says all that is known
            runtime.log.error("the store cannot be opened", why=str(fault))
        raise schema.refused(path, fault) from fault
    bounds = Bounds(
        queue_items=queue_items, queue_bytes=queue_bytes, log_pages=log_bytes // PAGE_BYTES, idle_sec=idle_sec,
        full_retry_sec=full_retry_sec,
    )  # fmt: skip
    writer = Writer(connection, runtime, bounds)
    readers = Readers(lambda: _connect_reader(path, busy_ms), runtime, queue_items)
    workers = SqliteWorkers(writer, readers, runtime, known, seen_save_sec)

    def has_room() -> bool:
        free = free_bytes(folder)
        return free is None or free >= disk_reserve_bytes

    reads = _reads(writer, readers, workers, SqliteHealth(writer, runtime, folder))
    return SqliteStore(reads, SqliteJobWrites(writer, has_room), workers, writer, readers)


def _reads(writer: Writer, readers: Readers, workers: SqliteWorkers, health: SqliteHealth) -> Reads:
    return Reads(
        jobs=SqliteJobReads(readers),
        classes=SqliteClasses(readers),
        lists=SqliteJobLists(readers),
        output=SqliteOutput(writer, readers),
        workers=workers,
        users=SqliteUsers(writer, readers),
        sessions=SqliteSessions(writer, readers),
        credentials=SqliteCredentials(writer, readers),
        join_tokens=SqliteJoinTokens(writer, readers),
        health=health,
    )


def _connect_writer(path: Path, busy_ms: int, log_bytes: int, check_bytes: int) -> Connection:
    connection = Connection(path, cache_kib=_WRITER_CACHE_KIB, busy_ms=busy_ms)
    try:
        connection.leave_as_it_is(True)
        version = schema.check(connection, path)
        schema.check_whole(connection, path, check_bytes)
        connection.leave_as_it_is(False)
        connection.write_durably(log_keep_bytes=log_bytes)
        schema.bring_up_to_date(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_reader(path: Path, busy_ms: int) -> Connection:
    connection = Connection(path, cache_kib=_READER_CACHE_KIB, busy_ms=busy_ms)
    connection.only_read()
    return connection
