"""The output of attempts. Each attempt has a row under `outputs` in its job's document: who may append, and how far
each stream has come. The bytes are in `jobLogs`, in pieces.

Bytes are put there first, and count once the row says so: conditionally on what it said before. One position of a
stream always holds the same byte, whoever sends it (it comes from the one spool of the session); so bytes that were put
there for a row that was not changed after all are the right ones for whoever comes next.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from cmdexec.errors import Unavailable
from cmdexec.store.contract.jobs_write import JobWrite
from cmdexec.store.contract.output import STREAMS, Append, Appended, OutputRow
from cmdexec.store.mongo.connection import Bounds, Connection, Document
from cmdexec.store.mongo.together import Together

PIECE_BYTES = 256 * 1024
"""The most that one document of `jobLogs` holds: reading a part of a piece loads all of it."""

_TURN_ITEMS = 1024
_TURN_BYTES = 4 << 20
_TRIES = 20
"""How often an append is made anew that other servers were ahead of."""

Key = tuple[str, int]
"""Job and attempt."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Bytes that belong at `start` of one stream."""

    job_id: str
    attempt: int
    stream: str
    start: int
    data: bytes


class MongoOutput:
    """`cmdexec.store.contract.output.Output`, and what changes of jobs need of it."""

    def __init__(self, connection: Connection, bounds: Bounds) -> None:
        self._connection = connection
        self._together: Together[Sequence[Append], list[Appended]] = Together(
            self._append_all, waiting_max=bounds.calls, items=_TURN_ITEMS, size=_TURN_BYTES
        )

    async def rows(self, keys: Sequence[Key]) -> list[OutputRow | None]:
        fields = {field_of(attempt): 1 for _, attempt in keys}
        ids = list(dict.fromkeys(job_id for job_id, _ in keys))
        found = await self._connection.read(
            lambda: self._connection.jobs.find({"_id": {"$in": ids}}, fields).to_list(None)
        )
        documents = {one["_id"]: one for one in found}
        return [row_of(documents.get(job_id), job_id, attempt) for job_id, attempt in keys]

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        return await self._together.run(appends, sum(len(one.data) for one in appends))

    async def read(self, job_id: str, attempt: int, stream: str, offset: int, limit: int) -> bytes:
        (row,) = await self.rows([(job_id, attempt)])
        if row is None or limit <= 0 or offset >= row.end(stream):
            return b""
        stop = min(row.end(stream), offset + limit)
        logs = self._connection.job_logs
        first, at, last = (_id(job_id, attempt, stream, place) for place in (0, offset, stop))
        before, after = {"_id": {"$gte": first, "$lte": at}}, {"_id": {"$gt": at, "$lt": last}}
        holding, following = await asyncio.gather(
            self._connection.read(lambda: logs.find(before).sort("_id", -1).limit(1).to_list(1)),
            self._connection.read(lambda: logs.find(after).sort("_id", 1).to_list(None)),
        )
        return _joined([*holding, *following], offset, stop)

    async def put(self, pieces: Iterable[Piece]) -> None:
        """See that these bytes are there, before a row says so. What is there already stays."""
        waiting = [cut for piece in pieces for cut in _cut(piece)]
        while waiting:
            there = await self._insert([_document(piece) for piece in waiting])
            if not there:
                return
            await self._connection.catch_up()
            which = {"_id": {"$in": there}}
            found = await self._connection.read(partial(self._found, which))
            lengths = {one["_id"]: len(one["data"]) for one in found}
            waiting = [
                msgspec.structs.replace(piece, start=piece.start + length, data=piece.data[length:])
                for piece in waiting
                if 0 < (length := lengths.get(_document_id(piece), 0)) < len(piece.data)
            ]

    async def _insert(self, documents: Sequence[Document]) -> list[str]:
        """Insert them; the ids of those that were there already."""
        try:
            await self._connection.write(lambda: self._connection.job_logs.insert_many(documents, ordered=False))
        except BulkWriteError as fault:
            return [wrong["op"]["_id"] for wrong in (fault.details or {})["writeErrors"]]
        return []

    async def _found(self, which: Document) -> list[Document]:
        return await self._connection.job_logs.find(which).to_list(None)

    async def _append_all(self, calls: Sequence[Sequence[Append]]) -> list[list[Appended]]:
        """The calls of one turn: each append conditional on its row alone."""
        appends = [one for call in calls for one in call]
        outcomes: dict[int, Appended] = {}
        for _ in range(_TRIES):
            left = [index for index in range(len(appends)) if index not in outcomes]
            if not left:
                break
            outcomes |= await self._try({index: appends[index] for index in left})
        else:
            raise Unavailable("overloaded", "This output is being stored by others all the time.", mend="Try again.")
        told = iter(range(len(appends)))
        return [[outcomes[next(told)] for _ in call] for call in calls]

    async def _try(self, appends: Mapping[int, Append]) -> dict[int, Appended]:
        """Outcomes by index, but for those whose row was changed meanwhile."""
        keys = list(dict.fromkeys((one.job_id, one.attempt) for one in appends.values()))
        before = dict(zip(keys, await self.rows(keys), strict=True))
        rows, outcomes, pieces = dict(before), {}, list[Piece]()
        for index, one in appends.items():
            key = (one.job_id, one.attempt)
            outcomes[index], piece = appended(rows[key], one)
            rows[key] = outcomes[index].row
            if piece is not None:
                pieces.append(piece)
        moved = {key: (old, new) for key, new in rows.items() if (old := before[key]) and new and new != old}
        if not moved:
            return outcomes
        await self.put(pieces)
        changes = [UpdateOne(still(old), {"$set": set_row(new)}) for old, new in moved.values()]
        done = await self._connection.write(lambda: self._connection.jobs.bulk_write(changes, ordered=False))
        if done.matched_count == len(changes):
            return outcomes
        await self._connection.catch_up()
        now = dict(zip(moved, await self.rows(list(moved)), strict=True))
        return {
            index: outcome
            for index, outcome in outcomes.items()
            if (key := (appends[index].job_id, appends[index].attempt)) not in moved or now[key] == moved[key][1]
        }


def field_of(attempt: int) -> str:
    """Where an attempt's row stands in the document of its job."""
    return f"outputs.{attempt}"


def row_of(document: Document | None, job_id: str, attempt: int) -> OutputRow | None:
    """An attempt's row as a job's document holds it."""
    row: Mapping[str, Any] | None = None if document is None else document.get("outputs", {}).get(str(attempt))
    if row is None:
        return None
    return OutputRow(job_id, attempt, row["session"], row["open"], row["stdout"], row["stderr"])


def set_row(row: OutputRow) -> Document:
    """What `$set` writes for that row."""
    told = {"session": row.session, "open": row.open, "stdout": row.stdout, "stderr": row.stderr}
    return {field_of(row.attempt): told}


def still(row: OutputRow) -> Document:
    """The condition that the row is as it was read."""
    told = {"session": row.session, "open": row.open, "stdout": row.stdout, "stderr": row.stderr}
    return {"_id": row.job_id, **{f"{field_of(row.attempt)}.{name}": value for name, value in told.items()}}


def appended(row: OutputRow | None, append: Append) -> tuple[Appended, Piece | None]:
    """What becomes of an append to that row, and the bytes that have to be put down for it."""
    if row is None:
        return Appended(None, refused="no_row"), None
    end = row.end(append.stream)
    new = append.offset + len(append.data) - end
    refused = _refusal(row, append, end, new)
    if refused or new <= 0:
        return Appended(row, refused=refused), None
    piece = Piece(append.job_id, append.attempt, append.stream, end, append.data[-new:])
    return Appended(_advanced(row, append.stream, new), stored=new), piece


def changed_by(write: JobWrite, document: Document | None) -> tuple[list[OutputRow], list[Piece]]:
    """The rows that a change of the job leaves behind (to be written in the change itself, by `set_row`), and the bytes
    that have to be `put` before it. `document`: the job's, with the rows as they stand; the change has to be
    conditional on them, by `still` (a row that is not there yet: on `field_of` not being there)."""
    job_id, session = write.job.job_id, write.job.session or ""
    rows: dict[int, OutputRow] = {}
    pieces: list[Piece] = []

    def row(attempt: int) -> OutputRow | None:
        return rows.get(attempt) or row_of(document, job_id, attempt)

    if write.opens is not None:
        old = row(write.opens)
        ends = (0, 0) if old is None else (old.stdout, old.stderr)
        rows[write.opens] = OutputRow(job_id, write.opens, session, True, *ends)
    into = None if write.append_to is None else row(write.append_to)
    if write.append_to is not None and into is not None:
        for one in write.append:
            append = Append(job_id, write.append_to, session, one.stream, one.offset, one.data, 1 << 62)
            outcome, piece = appended(into, append)
            into = outcome.row or into
            if piece is not None:
                pieces.append(piece)
        if pieces:
            rows[write.append_to] = into
    closed = None if write.closes is None else row(write.closes)
    if write.closes is not None and closed is not None and closed.open:
        rows[write.closes] = msgspec.structs.replace(closed, open=False)
    return list(rows.values()), pieces


def _advanced(row: OutputRow, stream: str, new: int) -> OutputRow:
    if stream == STREAMS[0]:
        return msgspec.structs.replace(row, stdout=row.stdout + new)
    return msgspec.structs.replace(row, stderr=row.stderr + new)


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


def _id(job_id: str, attempt: int, stream: str, start: int) -> str:
    """Of a piece: so that the pieces of a stream lie beside each other, in order."""
    return f"{job_id}/{attempt:08x}/{stream}/{start:014x}"


def _document_id(piece: Piece) -> str:
    return _id(piece.job_id, piece.attempt, piece.stream, piece.start)


def _document(piece: Piece) -> Document:
    return {
        "_id": _document_id(piece), "jobId": piece.job_id, "attempt": piece.attempt, "stream": piece.stream,
        "start": piece.start, "data": piece.data,
    }  # fmt: skip


def _cut(piece: Piece) -> Iterable[Piece]:
    for start in range(0, len(piece.data), PIECE_BYTES):
        data = piece.data[start : start + PIECE_BYTES]
        yield Piece(piece.job_id, piece.attempt, piece.stream, piece.start + start, data)


def _joined(documents: Iterable[Document], offset: int, stop: int) -> bytes:
    """The bytes between two offsets, of pieces in order, which may overlap."""
    parts: list[bytes] = []
    for one in documents:
        start, data = one["start"], one["data"]
        if start > offset:
            break
        part = data[offset - start : stop - start]
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
