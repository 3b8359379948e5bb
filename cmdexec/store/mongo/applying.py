"""Writing changes of jobs, each on its own condition.

The changes of one job that one call brings are a chain: as far as they follow upon each other they are one write of one
document, conditional on the revision and on the rows of output that the first of them needs. What those rows are is
mostly known without a look: an attempt that begins has none, and one that ends was measured. Only a write whose
condition did not hold is looked into, and then it is known whether it conflicts.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from bson import ObjectId
from pymongo import UpdateOne

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job
from cmdexec.store.contract.jobs_write import Applied, JobWrite, NotWritten
from cmdexec.store.contract.output import OutputRow
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import job_of, stamp_field, stamped, update
from cmdexec.store.mongo.output import MongoOutput, Piece, changed_by, field_of, row_of, set_row, still

_TRIES = 20
"""How often a change is written anew whose output row was changed by others."""

Outcome = Applied | NotWritten


class _Chain(msgspec.Struct):
    """The writes of one call for one job that have no outcome yet; `outcomes` in their order."""

    writes: list[JobWrite]
    outcomes: list[Outcome] = []

    def judge(self, stands: "_Stands") -> bool:
        """Say what came of those that are decided by how the job stands; whether that is so of all."""
        while self.writes:
            write = self.writes[0]
            if stands.job is not None and stands.rev == write.rev:
                lengths = stands.lengths(write)
                if lengths is None:
                    return False
                self._conflicts(stands.job, lengths)
            elif stands.job is not None and any(one.change_id == stands.change_id for one in self.writes):
                self.applied(1)
            else:
                self._conflicts(stands.job)
        return True

    def applied(self, count: int) -> None:
        """The first so many were written."""
        self.outcomes += [Applied(write.job) for write in self.writes[:count]]
        del self.writes[:count]

    def _conflicts(self, current: Job | None, lengths: tuple[int, int] | None = None) -> None:
        """The first does, and so do those that were decided upon it."""
        self.outcomes += [NotWritten(current, lengths), *(NotWritten(current) for _ in self.writes[1:])]
        self.writes.clear()


class _Stands(msgspec.Struct, frozen=True):
    """How a job stood a moment ago. `document` None: its output was not read."""

    job: Job | None
    rev: int = 0
    change_id: str | None = None
    document: Document | None = None

    def lengths(self, write: JobWrite) -> tuple[int, int] | None:
        """How long the output is that the change closes, if it is known and not what the change was decided on."""
        if write.closes is None or write.measured is None or self.document is None:
            return None
        return _other_length(write, row_of(self.document, write.job.job_id, write.closes))


class _Step(msgspec.Struct, frozen=True):
    """One write of one document: what the first `count` of a chain's writes make of the job."""

    chain: _Chain
    count: int
    which: Document
    update: Document
    pieces: tuple[Piece, ...]

    @property
    def last(self) -> JobWrite:
        return self.chain.writes[self.count - 1]


class Applying:
    """Writes the changes of several calls together."""

    def __init__(self, connection: Connection, output: MongoOutput) -> None:
        self._connection = connection
        self._output = output

    async def apply(self, calls: Sequence[Sequence[JobWrite]]) -> list[list[Outcome]]:
        """For each call in turn an outcome for each write."""
        chains = [_chains(call) for call in calls]
        lines: dict[str, deque[_Chain]] = {}
        for of_call in chains:
            for job_id, chain in of_call.items():
                lines.setdefault(job_id, deque()).append(chain)
        stands: dict[str, _Stands] = {}
        tries = len(chains) + _TRIES
        while lines:
            if tries == 0:
                raise Unavailable("overloaded", "Jobs are being changed by others all the time.", mend="Try again.")
            tries -= 1
            await self._round(lines, stands)
        told = [{job_id: iter(chain.outcomes) for job_id, chain in of_call.items()} for of_call in chains]
        return [[next(of_call[write.job.job_id]) for write in call] for call, of_call in zip(calls, told, strict=True)]

    async def _round(self, lines: dict[str, deque[_Chain]], stands: dict[str, _Stands]) -> None:
        """Judge what can be judged, and write the first chain of each job that is left."""
        unknown = [job_id for job_id, line in lines.items() if _has_to_be_read(line[0].writes[0], stands.get(job_id))]
        stands |= await self._read(unknown)
        for job_id in list(lines):
            line = lines[job_id]
            while line and job_id in stands and line[0].judge(stands[job_id]):
                line.popleft()
            if not line:
                del lines[job_id]
        steps = {
            job_id: _step(line[0], stands.get(job_id))
            for job_id, line in lines.items()
            if not _has_to_be_read(line[0].writes[0], stands.get(job_id))
        }
        written = await self._write(steps, stands)
        for job_id in written:
            step = steps[job_id]
            last = step.last
            stands[job_id] = _Stands(last.job, last.job.rev, last.change_id)
            step.chain.applied(step.count)
            if not step.chain.writes:
                lines[job_id].popleft()
                if not lines[job_id]:
                    del lines[job_id]

    async def _write(self, steps: Mapping[str, _Step], stands: dict[str, _Stands]) -> Iterable[str]:
        """Write them; the jobs of which the condition held. How the others stand is noted."""
        if not steps:
            return ()
        pieces = [piece for step in steps.values() for piece in step.pieces]
        if pieces:
            await self._output.put(pieces)
        stamp = ObjectId()
        writes = []
        for step in steps.values():
            step.update["$set"][stamp_field(step.last.job.rev)] = stamp
            writes.append(UpdateOne(step.which, step.update))
        done = await self._connection.write(lambda: self._connection.jobs.bulk_write(writes, ordered=False))
        if done.matched_count == len(writes):
            return list(steps)
        await self._connection.catch_up()
        found = await self._find(list(steps))
        written = [
            job_id for job_id, step in steps.items() if stamped(found.get(job_id, {}), step.last.job.rev) == stamp
        ]
        stands |= {job_id: _standing(found.get(job_id)) for job_id in steps.keys() - set(written)}
        return written

    async def _read(self, job_ids: Sequence[str]) -> dict[str, _Stands]:
        if not job_ids:
            return {}
        found = await self._find(job_ids)
        return {job_id: _standing(found.get(job_id)) for job_id in job_ids}

    async def _find(self, job_ids: Sequence[str]) -> dict[str, Document]:
        which = {"_id": {"$in": list(job_ids)}}
        fields = {"rev": 1, "changeId": 1, "stamps": 1, "outputs": 1, "doc": 1}
        found = await self._connection.read(lambda: self._connection.jobs.find(which, fields).to_list(None))
        return {one["_id"]: one for one in found}


def _chains(call: Sequence[JobWrite]) -> dict[str, _Chain]:
    chains: dict[str, _Chain] = {}
    for write in call:
        chains.setdefault(write.job.job_id, _Chain([])).writes.append(write)
    return chains


def _standing(found: Document | None) -> _Stands:
    if found is None:
        return _Stands(None)
    return _Stands(job_of(found), found["rev"], found.get("changeId"), found)


def _other_length(write: JobWrite, row: OutputRow | None) -> tuple[int, int] | None:
    """How long the output is that the change closes, if it was decided on another length."""
    if write.closes is None or write.measured is None:
        return None
    stored = (0, 0) if row is None else (row.stdout, row.stderr)
    return None if stored == write.measured else stored


def _touched(write: JobWrite) -> list[int]:
    """The attempts whose output rows the change looks at."""
    named = (write.opens, write.append_to, write.closes)
    return list(dict.fromkeys(attempt for attempt in named if attempt is not None))


def _assumed(write: JobWrite, attempt: int) -> tuple[bool, OutputRow | None]:
    """Whether a row is as good as known, and what it is then: none where the attempt begins, and as it was measured
    where it ends."""
    if attempt == write.opens:
        return attempt != write.closes or write.measured in (None, (0, 0)), None
    if attempt == write.closes and write.measured is not None and write.job.session is not None:
        return True, OutputRow(write.job.job_id, attempt, write.job.session, True, *write.measured)
    return False, None


def _has_to_be_read(write: JobWrite, stands: _Stands | None) -> bool:
    """Whether nothing can be written before it was seen how the output of the job stands."""
    if stands is not None and (stands.document is not None or stands.rev != write.rev):
        return False
    return not all(_assumed(write, attempt)[0] for attempt in _touched(write))


def _step(chain: _Chain, stands: _Stands | None) -> _Step:
    """As many of the chain's writes as follow upon each other, as one."""
    first = chain.writes[0]
    which: Document = {"_id": first.job.job_id, "rev": first.rev}
    known = {} if stands is None or stands.document is None else stands.document
    outputs: Document = {}
    rows: dict[int, OutputRow] = {}
    pieces: list[Piece] = []
    count = 0
    for write in chain.writes:
        if count and write.rev != chain.writes[count - 1].job.rev:
            break
        seen = _seen(write, known, outputs)
        if seen is None:
            break
        now = {**outputs, **{str(attempt): _told(row) for attempt, row in seen.items() if row is not None}}
        closed = row_of({"outputs": now}, write.job.job_id, write.closes or 0)
        if count and _other_length(write, closed) is not None:
            break
        for attempt, row in seen.items():
            which |= {field_of(attempt): {"$exists": False}} if row is None else still(row)
        changed, new = changed_by(write, {"outputs": now})
        rows |= {row.attempt: row for row in changed}
        outputs = {**now, **{str(row.attempt): _told(row) for row in changed}}
        pieces += new
        count += 1
    last = chain.writes[count - 1]
    more: Document = {"changeId": last.change_id}
    for row in rows.values():
        more |= set_row(row)
    return _Step(chain, count, which, update(last.job, more), tuple(pieces))


def _seen(write: JobWrite, known: Document, outputs: Document) -> dict[int, OutputRow | None] | None:
    """The rows that the change looks at and those before it in its chain do not, as they are known or assumed to be;
    None if one is not."""
    seen: dict[int, OutputRow | None] = {}
    for attempt in _touched(write):
        if str(attempt) in outputs:
            continue
        sure, seen[attempt] = (
            (True, row_of(known, write.job.job_id, attempt)) if known else _assumed(write, attempt)
        )  # fmt: skip
        if not sure:
            return None
    return seen


def _told(row: OutputRow) -> Document:
    (told,) = set_row(row).values()
    found: Document = told
    return found
