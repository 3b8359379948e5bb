"""The output of attempts: a row with the cursors, and the bytes in pieces."""

from collections.abc import Sequence

from cmdexec.store.contract.output import STREAMS, Append, Appended, OutputRow
from cmdexec.store.sqlite.connection import Connection
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Writer

_SQL = load("output")

PIECE_BYTES = 256 * 1024
"""The most that one row of `chunks` holds: reading a part of a piece loads all of it."""


class SqliteOutput:
    """`cmdexec.store.contract.output.Output`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def rows(self, keys: Sequence[tuple[str, int]]) -> list[OutputRow | None]:
        def read(db: Connection) -> list[OutputRow | None]:
            return [_row(db, _seq(db, job_id), job_id, attempt) for job_id, attempt in keys]

        return await self._readers.run(read)

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        def write(transaction: Transaction) -> list[Appended]:
            db = transaction.db
            return [store(db, _seq(db, append.job_id), append) for append in appends]

        return await self._writer.run(write, sum(len(append.data) for append in appends))

    async def read(self, job_id: str, attempt: int, stream: str, offset: int, limit: int) -> bytes:
        def read(db: Connection) -> bytes:
            job, number = _seq(db, job_id), STREAMS.index(stream)
            holding = db.row(_SQL["holding"], (job, attempt, number, offset))
            if holding is None:
                return b""
            pieces = db.each(_SQL["pieces"], (offset, offset + limit, job, attempt, number, holding[0]))
            return b"".join(piece for (piece,) in pieces)

        return await self._readers.run(read) if limit > 0 else b""


def open_row(db: Connection, job: int, attempt: int, session: str) -> None:
    """Make the row of (job number, attempt) for that session, or open it again."""
    db.run(_SQL["open"], (job, attempt, session))


def close_row(db: Connection, job: int, attempt: int) -> None:
    """Take no more for (job number, attempt)."""
    db.run(_SQL["close"], (job, attempt))


def store(db: Connection, job: int | None, append: Append) -> Appended:
    """Store what is new of one append to the job of that number, and say what became of it."""
    row = _row(db, job, append.job_id, append.attempt)
    if row is None:
        return Appended(None, refused="no_row")
    end, size = row.end(append.stream), len(append.data)
    new = append.offset + size - end
    refused = _refusal(row, append, end, new)
    if refused or new <= 0:
        return Appended(row, refused=refused)
    number = STREAMS.index(append.stream)
    data = memoryview(append.data)[size - new :]
    for start in range(0, new, PIECE_BYTES):
        piece = data[start : start + PIECE_BYTES]
        db.run(_SQL["add"], (job, append.attempt, number, end + start, piece))
    stdout, stderr = (row.stdout + new, row.stderr) if number == 0 else (row.stdout, row.stderr + new)
    db.run(_SQL["advance"], (stdout, stderr, job, append.attempt))
    after = OutputRow(row.job_id, row.attempt, row.session, row.open, stdout, stderr)
    return Appended(after, stored=new)


def _refusal(row: OutputRow, append: Append, end: int, new: int) -> str | None:
    if row.session != append.session:
        return "foreign"
    if not row.open:
        return "closed"
    if append.offset > end:
        return "gap"
    if new > 0 and row.stdout + row.stderr + new > append.limit:
        return "limit"
    return None


def _seq(db: Connection, job_id: str) -> int | None:
    found = db.row(_SQL["seq_of"], (job_id,))
    return found[0] if found else None


def _row(db: Connection, job: int | None, job_id: str, attempt: int) -> OutputRow | None:
    if job is None:
        return None
    row = db.row(_SQL["row"], (job, attempt))
    if row is None:
        return None
    session, is_open, stdout, stderr = row
    return OutputRow(job_id, attempt, session, bool(is_open), stdout, stderr)
