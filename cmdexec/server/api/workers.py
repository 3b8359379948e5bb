"""Listing workers, and how the fleet stands."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from cmdexec.clock import Clock, rfc3339
from cmdexec.model.job import Job, Status
from cmdexec.protocol.requests import RunningView, WorkersView, WorkerView
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.workers import LiveWorker, Member, Part, Presence, lacking, part_of
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow

_PAGE = 1000
_SHOWN_JOBS = 1000
_GOOD_FOR_SEC = 0.2
_KEPT_MAX = 1000

_State = Literal["online", "offline", "lost", "draining", "revoked"]


class WorkersApi:
    """`workers.list`."""

    def __init__(self, reads: Reads, presence: Presence, clock: Clock) -> None:
        self._reads = reads
        self._presence = presence
        self._clock = clock

    def handlers(self) -> Handlers:
        return {"workers.list": self.list}

    async def list(self, _call: Call) -> Reply:
        live = self._presence.view()
        views: list[WorkerView] = []
        after = ""
        while page := await self._reads.workers.all(after, _PAGE):
            for row in page:
                known = live.get(row.worker_id)
                jobs = _given(known) if known else await self._held(row.worker_id)
                views.append(self._view(row, known, jobs))
            after = page[-1].worker_id
        return Reply(WorkersView(workers=tuple(views)))

    async def _held(self, worker_id: str) -> tuple[RunningView, ...]:
        held = await self._reads.jobs.held_by(worker_id, "", _SHOWN_JOBS)
        return tuple(RunningView(job_id=job.job_id, attempt=job.attempt, status=job.status.value) for job in held)

    def _view(self, row: WorkerRow, live: LiveWorker | None, jobs: tuple[RunningView, ...]) -> WorkerView:
        seen = self._clock.now() if live else row.seen_at
        return WorkerView(
            worker_id=row.worker_id,
            name=row.name,
            state=_state(row, live),
            version=row.version,
            platform=row.platform,
            slots=live.slots if live else row.slots,
            free_slots=live.free_slots if live else None,
            executors=row.executors,
            labels=row.labels,
            cpu=row.cpu,
            ram_mb=row.ram_mb,
            limits=row.limits,
            transport=live.transport if live else None,
            load=msgspec.to_builtins(live.stats) if live and live.stats else None,
            registered_at=rfc3339(row.registered_at) or "",
            last_seen_at=rfc3339(seen) if seen else None,
            jobs=jobs,
        )


def _given(live: LiveWorker) -> tuple[RunningView, ...]:
    return tuple(
        RunningView(job_id=job_id, attempt=attempt, status="running" if started else "assigned")
        for job_id, attempt, started in live.held[:_SHOWN_JOBS]
    )


def _state(row: WorkerRow, live: LiveWorker | None) -> _State:
    if row.revoked:
        return "revoked"
    if row.lost:
        return "lost"  # also while its socket is still open: a frozen machine's is
    if live is not None:
        return "draining" if live.draining else "online"
    return "offline"


class Fleet:
    """Why a job waits for a worker, or with one, in words; worked out anew a few times a second at most for all
    that ask the same of a machine, since many may ask."""

    def __init__(self, presence: Presence, clock: Clock, draining: Callable[[], bool]) -> None:
        self._members = presence.desk.members
        self._clock = clock
        self._draining = draining
        self._words: dict[tuple[Part | None, tuple[str, ...]], str] = {}
        self._until = -1.0

    def __call__(self, job: Job) -> str:
        """Of a job that is queued or assigned."""
        if job.status is Status.ASSIGNED:
            return self._with_one(job)
        now = self._clock.elapsed()
        if now >= self._until or len(self._words) >= _KEPT_MAX:
            self._words.clear()
            self._until = now + _GOOD_FOR_SEC
        asks = part_of(job.spec), job.avoid
        if asks not in self._words:
            self._words[asks] = self._look(*asks)
        return self._words[asks]

    def _with_one(self, job: Job) -> str:
        member = self._members.get(job.worker_id or "")
        why = member.crowded.get(job.job_id) if member is not None and member.has(job.job_id, job.attempt) else None
        return f"next on worker {job.worker_id}" if why is None else f"room on worker {job.worker_id}: {why}"

    def _look(self, part: Part | None, avoid: tuple[str, ...]) -> str:
        if self._draining():
            return "the server is stopping; it goes on when the server is back"
        members = list(self._members.values())
        if not members:
            return "no worker is connected"
        taking = [member for member in members if member.takes]
        if not taking:
            return "all connected workers are draining"
        nobody = None if part is None else lacking(part, [member.capacity for member in taking])
        if nobody is not None:
            return f"{nobody} (of those that are connected)"
        able = [one for one in taking if one.holder.avoided_as not in avoid and one.capacity.refusal(part) is None]
        return _state_of(able, part) if able else "every connected worker that could run it has declined it"


def _state_of(able: Sequence[Member], part: Part | None) -> str:
    """Of those that might run it."""
    if any(member.open_slots for member in able):
        return "a worker has room for it and is about to get it"
    if any(member.free_slots for member in able):
        return "a worker has room for it and gets it when it asks for jobs again"
    if part is None:
        return "the one worker is busy" if len(able) == 1 else f"all {len(able)} workers are busy"
    which = f"that could let it use {part}"
    return f"the one worker {which} is busy" if len(able) == 1 else f"all {len(able)} workers {which} are busy"
