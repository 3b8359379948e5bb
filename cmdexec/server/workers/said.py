"""What a worker says without a socket: one call is one turn, judged like that of a socket."""

from collections.abc import Sequence
from typing import Literal

from cmdexec.errors import Refused
from cmdexec.protocol.messages import (
    Beat,
    Done,
    Heartbeat,
    Held,
    OutputAck,
    OutputHeader,
    Register,
    Registered,
    Released,
    Told,
)
from cmdexec.server import jobs
from cmdexec.server.jobs import Ask, Holder, Outcome
from cmdexec.server.workers.desk import Desk, buried
from cmdexec.server.workers.turn import ASKS_AT_ONCE


class Said:
    """Each call names the worker, whose credential has been judged; its session is the one it registered last."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def register(self, worker_id: str, message: Register) -> Registered:
        """Who it is. Raises CmdexecError if it may not work."""
        return self._desk.welcome(await self._desk.admit(worker_id, message))

    async def heartbeat(self, worker_id: str, beat: Heartbeat) -> Beat:
        """Renew the lease, and answer all that it says of attempts."""
        holder = await self._holder(worker_id)
        await self._desk.renew(worker_id)
        released = [(item, self._release(holder, item)) for item in beat.released]
        held = [(item, jobs.resume(holder, item)) for item in beat.jobs or ()]
        starts = [(item, jobs.start(holder, item)) for item in beat.start]
        lacking = [] if beat.jobs is None else await self._lacking(holder, beat.jobs)
        asks = [*(ask for _, ask in released), *(ask for _, ask in held), *(ask for _, ask in starts), *lacking]
        outcomes = iter(await self._turn(asks))
        let_go = tuple(jobs.released(item, next(outcomes)) for item, _ in released)
        named = [jobs.resumed(item, next(outcomes)) for item, _ in held]
        begun = tuple(jobs.started(item, next(outcomes)) for item, _ in starts)
        return Beat(
            lease_sec=self._desk.lease.lease_sec,
            heartbeat_sec=self._desk.lease.heartbeat_sec,
            held=tuple(said for said in named if isinstance(said, Told)),
            start=begun,
            released=let_go,
            cancel=tuple(said for said in named if said is not None and not isinstance(said, Told)),
        )

    async def stops(self, worker_id: str, job_id: str, attempt: int) -> Literal["cancelled", "stale"] | None:
        """Why the attempt is to be ended; None: it is not."""
        holder = await self._holder(worker_id)
        job = await self._desk.job(job_id)
        if job is None or job.attempt != attempt or job.session != holder.session or job.ended:
            return "stale"
        return "cancelled" if job.cancel_requested else None

    async def start(self, worker_id: str, items: Sequence[Held]) -> list[Told]:
        """May it make the processes of these?"""
        holder = await self._holder(worker_id)
        outcomes = await self._turn([jobs.start(holder, item) for item in items])
        return [jobs.started(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]

    async def release(self, worker_id: str, items: Sequence[Released]) -> list[Told]:
        """It has these no more."""
        holder = await self._holder(worker_id)
        outcomes = await self._turn([self._release(holder, item) for item in items])
        return [jobs.released(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]

    async def done(self, worker_id: str, items: Sequence[Done]) -> list[Told]:
        """These have ended so."""
        holder = await self._holder(worker_id)
        asks = []
        for item in items:
            measure = self._desk.stored.known(item.job_id, item.attempt)
            if measure is None:
                measure = await self._desk.measured(item.job_id, item.attempt)
            asks.append(jobs.report(holder, item, measure, self._desk.output_limit))
        outcomes = await self._turn(asks)
        return [
            jobs.reported(ask, item, outcome) for ask, item, outcome in zip(asks, items, outcomes, strict=True)
        ]  # fmt: skip

    async def output(self, worker_id: str, header: OutputHeader, data: bytes) -> OutputAck:
        """Bytes of a stream; without any, how far it is stored."""
        holder = await self._holder(worker_id)
        return await self._desk.store(holder, header, data)

    def _release(self, holder: Holder, item: Released) -> Ask:
        return jobs.release(holder, item, workers=self._desk.members.keys())

    async def _lacking(self, holder: Holder, held: Sequence[Held]) -> list[Ask]:
        """What a complete list lacks of that which was given more than a heartbeat ago; and what an older spool had."""
        named = {(item.job_id, item.attempt) for item in held}
        before = self._desk.wall() - int(self._desk.lease.heartbeat_sec * 1000)
        return [
            jobs.missing(holder, job.job_id, job.attempt) if job.session == holder.session else buried(job)
            async for job in self._desk.held(holder.worker_id)
            if job.session != holder.session
            or ((job.job_id, job.attempt) not in named and (job.assigned_at or 0) <= before)
        ]

    async def _holder(self, worker_id: str) -> Holder:
        row = await self._desk.row(worker_id)
        if row is None:
            raise Refused("bad_request", "This worker has not registered.", mend="Send `register` first.")
        return Holder(worker_id, row.session)

    async def _turn(self, asks: Sequence[Ask]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while some := asks[len(outcomes) : len(outcomes) + ASKS_AT_ONCE]:
            outcomes += await self._desk.jobs.turn(some)
        return outcomes
