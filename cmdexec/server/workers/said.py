"""What a worker says without a socket: one call is one turn, judged like that of a socket.

Such a worker is a member like the others, with a mailbox in place of a socket. It leaves when it has said nothing for a
lease; any call makes it again, as it registered last, so a server that was started again needs no new `register`. While
a socket of the worker lives, calls that come late are carried out in its name and change nothing else.

Each attempt has a lease of its own here: if for so long the worker has said nothing of it, in a list, with output, a
question or a result, its lease is over, though that of the worker is not. So what was given in an answer that never
arrived is not held for ever, even by a worker that sends no lists; and any word of one that runs takes it up again.
While another server has the worker too it is not judged: what is said of it may be said there.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError, Conflict, Unavailable
from cmdexec.link.socket import Close
from cmdexec.model.job import Status
from cmdexec.protocol.messages import (
    Beat,
    Chunks,
    Done,
    Heartbeat,
    Held,
    OutputAck,
    Register,
    Registered,
    Released,
    Told,
)
from cmdexec.server import jobs
from cmdexec.server.jobs import Holder
from cmdexec.server.workers.carry import carry_out, listen
from cmdexec.server.workers.desk import Desk, Make
from cmdexec.server.workers.intake import Gone
from cmdexec.server.workers.mailbox import Key, Mailbox
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.polling import PollingMember
from cmdexec.server.workers.turn import Reply, Turn


class Said:
    """A Service. Each call names the worker, whose credential has been judged, and raises CmdexecError if it cannot be
    carried out."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    async def run(self) -> None:
        """See who has become silent, until cancelled."""
        desk = self._desk
        while True:
            await self._clock.sleep(desk.lease.heartbeat_sec)
            for member in list(desk.members.values()):
                if isinstance(member, PollingMember):
                    await self._see_to(member)

    async def register(self, worker_id: str, message: Register) -> Registered:
        """Who it is. It takes the place of whatever connection the worker had."""
        mailbox, make = self._connection()
        member = await self._desk.join(worker_id, message, mailbox, make)
        return self._desk.welcome(member.holder)

    async def heard(self, worker_id: str, instance: str | None = None) -> Member:
        """The member that the worker is, its lease renewed. `instance`: which process says so, if that is known."""
        desk = self._desk
        member = desk.members.get(worker_id)
        if member is None:
            member = await desk.rejoin(worker_id, self._connection)
        if instance is not None and instance != member.instance_id:
            raise Conflict("replaced", "Another process of this worker has taken its place.")
        desk.heard(member)
        await desk.renew(worker_id)
        return member

    async def asks(self, worker_id: str, instance: str | None = None, connection: int = 0) -> PollingMember | None:
        """The member that asks for jobs. While a socket of its process lives that is none, unless it asks over a newer
        connection (0: it does not say), which proves that it has that socket no more; and none if it asked over an
        older one, so that the question comes late."""
        member = await self.heard(worker_id, instance)
        process = member.process
        if instance is not None and connection > process.connection:
            if isinstance(member, PollingMember):
                process.connection = connection
            else:
                member = await self._desk.take_back(member, connection, self._connection)
        late = 0 < connection < process.connection
        return member if isinstance(member, PollingMember) and not late else None

    async def heartbeat(
        self, member: Member, beat: Heartbeat, *, unheard: bool = False
    ) -> tuple[Beat, list[Key], list[Key]]:
        """The answer to all that it says of attempts; and the orders that waited, to stop and to cancel. `unheard`: the
        worker may not read the answer, so orders go on waiting as well."""
        turn, reply = self._turn(member), Reply(None, 1)
        missing: list[Key] = []
        if isinstance(member, PollingMember):
            member.heard_of(beat.start, self._desk.now())
            missing = await listen(self._desk, member, beat)
        turn.heartbeat(beat, missing, reply, 0)
        self._done(await carry_out(self._desk, member, turn))
        if not isinstance(member, PollingMember):
            return reply.items[0], [], []
        member.ready = True
        stop, cancel = member.mailbox.orders() if unheard else member.mailbox.take_orders()
        return reply.items[0], stop, cancel

    async def stops(self, member: Member, job_id: str, attempt: int) -> Literal["cancelled", "stale"] | None:
        """Why the attempt is to be ended; None: it is not. What nobody knows is stale."""
        await self._word(member, Held(job_id=job_id, attempt=attempt))
        job = await self._desk.job(job_id)
        if job is None or job.attempt != attempt or job.session != member.holder.session or job.ended:
            return "stale"
        return "cancelled" if job.cancel_requested else None

    async def start(self, member: Member, items: Sequence[Held]) -> list[Told]:
        """May it make the processes of these?"""
        turn, reply = self._turn(member), Reply(None, len(items))
        member.wants_start(items)
        if isinstance(member, PollingMember):
            member.heard_of(items, self._desk.now())
        turn.start(items, reply)
        await carry_out(self._desk, member, turn)
        return reply.items

    async def release(self, member: Member, items: Sequence[Released]) -> list[Told]:
        """It has these no more."""
        turn, reply = self._turn(member), Reply(None, len(items))
        turn.released(items, reply)
        await carry_out(self._desk, member, turn)
        return reply.items

    async def done(self, member: Member, items: Sequence[Done]) -> list[Told]:
        """These have ended so."""
        desk = self._desk
        turn, reply = self._turn(member), Reply(None, len(items))
        for index, item in enumerate(items):
            measure = desk.stored.known(item.job_id, item.attempt)
            if measure is None:
                measure = await desk.measured(item.job_id, item.attempt)
            turn.done(item, reply, index, measure, desk.output_limit)
        await carry_out(desk, member, turn)
        return reply.items

    async def output(self, member: Member, said: Chunks, gone: Gone | None = None) -> OutputAck:
        """Bytes of its streams; without any, how far they are stored. `gone`: returns when nobody waits for that any
        more."""
        gone = gone or asyncio.Event().wait
        held = Held(job_id=said.job_id, attempt=said.attempt)
        await self._word(member, held)
        pieces = [(chunk.stream, chunk.offset, chunk.data) for chunk in said.chunks]
        ack = await self._desk.store(member.holder, said.job_id, said.attempt, pieces, gone)
        if ack.code != "resume_first":
            return ack
        await self._resume(member, held)
        return await self._desk.store(member.holder, said.job_id, said.attempt, pieces, gone)

    def _turn(self, member: Member) -> Turn:
        return Turn(member, self._desk.offers)

    def _done(self, away: CmdexecError | None) -> None:
        if away is not None:
            raise away

    async def _word(self, member: Member, held: Held) -> None:
        """It speaks of an attempt, which proves that it has it: one that was given up is taken up."""
        desk = self._desk
        if not isinstance(member, PollingMember):
            return
        if member.heard_of([held], desk.now(), desk.lease.lease_sec / 2):
            job = await desk.job(held.job_id)
            if job is not None and job.status is Status.UNKNOWN and job.session == member.holder.session:
                await self._resume(member, held)

    async def _resume(self, member: Member, held: Held) -> None:
        (outcome,) = await self._desk.jobs.turn([jobs.resume(member.holder, held)])
        member.stands(held.job_id, held.attempt, outcome.job, self._desk.now())

    def _connection(self) -> tuple[Mailbox, Make]:
        mailbox = self._desk.mailbox()
        heartbeat_sec = self._desk.lease.heartbeat_sec

        def make(holder: Holder, instance_id: str, message: Register, _outbox: Outbox, now: float) -> Member:
            return PollingMember(holder, instance_id, message, mailbox, now, heartbeat_sec)

        return mailbox, make

    async def _see_to(self, member: PollingMember) -> None:
        desk = self._desk
        now, patience = desk.now(), desk.lease.lease_sec
        if now - member.heard_at >= patience:
            desk.leave(member)
            member.mailbox.close(Close.GOING_AWAY, "The worker is silent.")
            return
        silent = member.silent(now, patience)
        if not silent or desk.elsewhere.also(member.worker_id):
            return
        try:
            await desk.jobs.turn(jobs.lease_over([job_id for job_id, _ in silent], member.holder.session))
        except Unavailable:
            return  # the next look finds them again
        for job_id, attempt in silent:
            member.take(job_id, attempt)
            member.mailbox.forget(job_id, attempt)
        desk.capacity.set()
