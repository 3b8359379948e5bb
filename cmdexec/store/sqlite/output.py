"""The output of attempts: a row with the cursors, and the bytes in pieces."""

from collections.abc import Sequence
from contextlib import closing

from cmdexec.store.contract.jobs_write import InlineOutput
from cmdexec.store.contract.output import STREAMS, Append, Appended, OutputRow
from cmdexec.store.sqlite.connection import Connection, Row
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Writer

_SQL = load("output")

PIECE_BYTES = 256 * 1024
"""The most that one row of `chunks` holds: reading a part of a piece loads all of it."""


class SqliteStoredOutput:
    """`cmdexec.store.contract.output.StoredOutput`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def rows(self, keys: Sequence[tuple[str, int]]) -> list[OutputRow | None]:
        def read(db: Connection) -> list[OutputRow | None]:
            return [_row(db, _seq(db, job_id), job_id, attempt) for job_id, attempt in keys]

        return await self._readers.run(read)

    async def read(self, job_id: str, attempt: int, stream: str, offset: int, limit: int) -> bytes:
        def read(db: Connection) -> bytes:
            job, number = _seq(db, job_id), STREAMS.index(stream)
            holding = db.row(_SQL["holding"], (job, attempt, number, offset))
            if holding is None:
                return b""
            parts: list[bytes] = []
            end = offset
            with closing(db.each(_SQL["pieces"], (offset, offset + limit, job, attempt, number, holding[0]))) as pieces:
                for place, piece in pieces:
                    if place > end:
                        break  # what lies between is gone: what follows would be taken for it
                    parts.append(piece)
                    end += len(piece)
            return b"".join(parts)

        return await self._readers.run(read) if limit > 0 else b""


class SqliteOutput(SqliteStoredOutput):
    """`cmdexec.store.contract.output.Output`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        super().__init__(readers)
        self._writer = writer

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        def write(transaction: Transaction) -> list[Appended]:
            db = transaction.db
            return [store(db, _seq(db, append.job_id), append) for append in appends]

        return await self._writer.run(write, sum(len(append.data) for append in appends))


def open_row(db: Connection, job: int, attempt: int, session: str) -> None:
    """Make the row of (job number, attempt) for that session, or open it again."""
    db.run(_SQL["open"], (job, attempt, session))


def close_row(db: Connection, job: int, attempt: int) -> None:
    """Take no more for (job number, attempt)."""
    db.run(_SQL["close"], (job, attempt))


def row_of(db: Connection, job: int, attempt: int) -> Row | None:
    """The row of (job number, attempt): the session, whether more is taken, and how many bytes of stdout and stderr are
    stored."""
    return db.row(_SQL["row"], (job, attempt))


def store(db: Connection, job: int | None, append: Append) -> Appended:
    """Store what is new of one append to the job of that number, and say what became of it."""
    row = _row(db, job, append.job_id, append.attempt)
    if row is None or job is None:
        return Appended(None, refused="no_row")
    end = row.end(append.stream)
    new = append.offset + len(append.data) - end
    refused = _refusal(row, append, end, new)
    if refused or new <= 0:
        return Appended(row, refused=refused)
    _add(db, job, append.attempt, append.stream, end, memoryview(append.data)[-new:])
    stdout, stderr = (row.stdout + new, row.stderr) if append.stream == STREAMS[0] else (row.stdout, row.stderr + new)
    db.run(_SQL["advance"], (stdout, stderr, row.open, job, append.attempt))
    return Appended(OutputRow(row.job_id, row.attempt, row.session, row.open, stdout, stderr), stored=new)


def store_inline(
    db: Connection, job: int, attempt: int, row: Row | None, session: str, pieces: Sequence[InlineOutput], *,
    closes: bool,
) -> None:  # fmt: skip
    """Store what is new of the pieces that came with a change, as `store` would, and close the row with it. `row`: as
    `row_of` says."""
    if row is None or row[0] != session or not row[1]:
        return close_row(db, job, attempt) if closes else None
    ends = dict(zip(STREAMS, row[2:], strict=True))
    for piece in pieces:
        end = ends[piece.stream]
        new = piece.offset + len(piece.data) - end
        if new > 0 and piece.offset <= end:
            _add(db, job, attempt, piece.stream, end, memoryview(piece.data)[-new:])
            ends[piece.stream] = end + new
    db.run(_SQL["advance"], (*ends.values(), not closes, job, attempt))


def _add(db: Connection, job: int, attempt: int, stream: str, end: int, data: memoryview) -> None:
    number = STREAMS.index(stream)
    for start in range(0, len(data), PIECE_BYTES):
        db.run(_SQL["add"], (job, attempt, number, end + start, data[start : start + PIECE_BYTES]))


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
