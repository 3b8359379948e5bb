"""Looking at workers, and what people want of them."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from cmdexec.clock import Clock, rfc3339
from cmdexec.errors import Conflict, Refused
from cmdexec.model.absence import said_of
from cmdexec.notify.contract import There
from cmdexec.protocol.fleet import ChangeWorker, WorkerId
from cmdexec.protocol.requests import AbsenceView, RunningView, WorkersView, WorkerView, WorkerWarning
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.workers import LiveWorker, Presence
from cmdexec.server.workers.rows import never_registered
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow

_PAGE = 1000
_SHOWN_JOBS = 1000

_SUSPECT = "It is connected and has free slots, and begins nothing that it is given, so it is given nothing."
_START_ANEW = "Look at its log and start it anew. It is tried again by itself, with one job now and then."

_State = Literal["online", "offline", "lost", "draining", "suspect", "revoked"]


class WorkersApi:
    """`workers.list`, `workers.get`, `workers.change`, `workers.revoke`."""

    def __init__(self, reads: Reads, presence: Presence, clock: Clock) -> None:
        self._reads = reads
        self._presence = presence
        self._clock = clock

    def handlers(self) -> Handlers:
        return {
            "workers.list": self.list, "workers.get": self.get, "workers.change": self.change,
            "workers.revoke": self.revoke,
        }  # fmt: skip

    async def list(self, _call: Call) -> Reply:
        return Reply(WorkersView(workers=await self.all()))

    async def all(self) -> tuple[WorkerView, ...]:
        """All workers, by id. Raises Unavailable."""
        views: tuple[WorkerView, ...] = ()
        after = ""
        while page := await self._reads.workers.all(after, _PAGE):
            views += await self._views(page)
            after = page[-1].worker_id
        return views

    async def get(self, call: Call) -> Reply:
        asked: WorkerId = call.request
        (row,) = await self._reads.workers.get([asked.worker_id])
        if row is None:
            joined = await self._reads.credentials.of(asked.worker_id)
            row = never_registered(joined) if joined is not None else None
        return await self._answer(asked.worker_id, row)

    async def change(self, call: Call) -> Reply:
        asked: ChangeWorker = call.request
        (row,) = await self._reads.workers.get([asked.worker_id])
        if row is not None and row.revoked:
            raise Conflict(
                "conflict", f"Worker {row.called} is revoked: nothing of it can be changed any more.",
                expected={"state": "revoked"}, mend="Let the machine join again, with a new join token.",
            )  # fmt: skip
        if row is None and await self._reads.credentials.of(asked.worker_id) is not None:
            raise Conflict(
                "conflict", f"Worker {asked.worker_id} has joined and has not registered yet.",
                expected={"state": "offline"}, mend="Start the worker once, then change it.",
            )  # fmt: skip
        if row is not None:
            row = await self._reads.workers.change(
                asked.worker_id, draining=asked.draining, name=asked.name, labels=asked.labels
            )
            await self._presence.changed(asked.worker_id)
        return await self._answer(asked.worker_id, row)

    async def revoke(self, call: Call) -> Reply:
        asked: WorkerId = call.request
        by = call.who.email or call.who.id or ""
        return await self._answer(asked.worker_id, await self._presence.revoke(asked.worker_id, by))

    async def _answer(self, worker_id: str, row: WorkerRow | None) -> Reply:
        if row is None:
            raise Refused("not_found", f"There is no worker {worker_id}.", field="workerId")
        return Reply((await self._views([row]))[0])

    async def _views(self, rows: Sequence[WorkerRow]) -> tuple[WorkerView, ...]:
        live = self._presence.view()
        views = []
        for row in rows:
            known = live.get(row.worker_id)
            jobs = _given(known) if known else await self._held(row.worker_id)
            views.append(self._view(row, known or self._presence.elsewhere(row.worker_id), jobs))
        return tuple(views)

    async def _held(self, worker_id: str) -> tuple[RunningView, ...]:
        held = await self._reads.jobs.held_by(worker_id, "", _SHOWN_JOBS)
        return tuple(RunningView(job_id=job.job_id, attempt=job.attempt, status=job.status.value) for job in held)

    def _view(self, row: WorkerRow, live: LiveWorker | There | None, jobs: tuple[RunningView, ...]) -> WorkerView:
        seen = self._clock.now() if live else row.seen_at
        return WorkerView(
            worker_id=row.worker_id,
            name=row.called,
            state=_state(row, live),
            version=row.version,
            platform=row.platform,
            slots=live.slots if live else row.slots,
            free_slots=live.free_slots if live else None,
            executors=row.executors,
            labels=row.all_labels,
            cpu=row.cpu,
            ram_mb=row.ram_mb,
            limits=row.limits,
            transport=live.transport if live else None,
            load=msgspec.to_builtins(live.stats) if live and live.stats else None,
            registered_at=rfc3339(row.registered_at) or "",
            last_seen_at=rfc3339(seen) if seen and row.instance_id else None,
            jobs=jobs,
            draining=row.given.draining,
            given_labels=row.given.labels,
            warning=self._warning(row, live),
            absences=tuple(
                AbsenceView(
                    since=rfc3339(one.since) or "", until=rfc3339(one.until) or "", cause=one.cause,
                    why=said_of(one.cause),
                )
                for one in row.absences
            ),
        )  # fmt: skip

    def _warning(self, row: WorkerRow, live: LiveWorker | There | None) -> WorkerWarning | None:
        cloned = None if row.revoked else self._presence.warning(row.worker_id)
        if cloned is not None:
            return WorkerWarning("cloned", *cloned)
        if live is None or not live.suspect or row.revoked:
            return None
        return WorkerWarning("suspect", _SUSPECT, _START_ANEW)


def _given(live: LiveWorker) -> tuple[RunningView, ...]:
    return tuple(
        RunningView(job_id=job_id, attempt=attempt, status="running" if started else "assigned")
        for job_id, attempt, started in live.held[:_SHOWN_JOBS]
    )


def _state(row: WorkerRow, live: LiveWorker | There | None) -> _State:
    if row.revoked:
        return "revoked"
    if row.lost:
        return "lost"  # also while its socket is still open: a frozen machine's is
    if live is not None:
        return "draining" if live.draining else "suspect" if live.suspect else "online"
    return "offline"
