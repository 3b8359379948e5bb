"""What the connections of workers share: who is there, who owns which session, and all that works for their sockets."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import msgspec

from cmdexec.errors import CmdexecError, Conflict, Refused, Unavailable
from cmdexec.link.socket import Close
from cmdexec.model.job import Job
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import Failure, Lease, OutputAck, Register, Registered
from cmdexec.runtime import Runtime
from cmdexec.server import jobs as work
from cmdexec.server.jobs import Holder, Jobs
from cmdexec.server.output import Appender, Measured, Measures
from cmdexec.server.workers.admitting import Admission
from cmdexec.server.workers.clones import moved
from cmdexec.server.workers.courier import Courier
from cmdexec.server.workers.elsewhere import Elsewhere
from cmdexec.server.workers.explaining import explain
from cmdexec.server.workers.holdings import Holdings
from cmdexec.server.workers.intake import Budget, Gone, Intake, acknowledged, joined_pieces
from cmdexec.server.workers.mailbox import Mailbox
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.offers import Offers
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.places import Places
from cmdexec.server.workers.renewals import Renewals
from cmdexec.server.workers.rows import drain_order, instance_of, registered, revoked
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.output import Append
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow
from cmdexec.version import __version__

Make = Callable[[Holder, str, Register, Outbox, float], Member]
"""Makes a member: of a holder, its instance, what it registered, where it is told things, and when."""


class Desk:
    """`members`: the connected workers, by id; `elsewhere`: those of other servers; `offers`: those that might run a
    job that one declines; `holdings`: what the store says that they hold. `joined` is told of each whose process has
    taken its place here."""

    def __init__(
        self,
        *,
        reads: Reads,
        jobs: Jobs,
        appender: Appender,
        measures: Measures,
        runtime: Runtime,
        settings: ServerSettings,
        server: str = "",
        joined: Callable[[str], None] | None = None,
    ) -> None:
        self.jobs = jobs
        self.stored = measures
        self.output_limit = settings.max_output_bytes
        self.lease = Lease(lease_sec=settings.lease_sec, heartbeat_sec=settings.heartbeat_sec)
        self.members: dict[str, Member] = {}
        self.capacity = asyncio.Event()
        self._reads = reads
        self._appender = appender
        self._runtime = runtime
        self._settings = settings
        self.budget = Budget(settings.output_queue_bytes)
        self.holdings = Holdings(reads.jobs, jobs)
        self._renewals = Renewals(reads.workers)
        self.elsewhere = Elsewhere(self.members, runtime.clock, server)
        self._admission = Admission(reads, self.holdings, runtime.clock, settings, self._connected)
        self.clones = self._admission.clones
        self.offers = Offers(self.members, reads.workers, runtime.clock, self.elsewhere)
        self._tell_joined = joined
        self._courier = Courier(
            reads.jobs, jobs, self.offers, runtime.clock, spawn=self.spawn, sent_all=self.capacity.set
        )
        self._joining = Places()
        self._doubtful: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Work for all sockets until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._renewals.run()
        finally:
            self._tasks = None

    def now(self) -> float:
        """Seconds of the clock that counts suspended time."""
        return self._runtime.clock.elapsed()

    def heard(self, member: Member) -> None:
        """It said something."""
        member.heard(self.now(), self.lease.lease_sec / 2)

    def asked(self) -> Lease:
        """What a worker is told of its lease: with many workers its heartbeats may come less often."""
        lease, each_sec = self.lease, len(self.members) / self._settings.heartbeat_rate_max
        if each_sec <= lease.heartbeat_sec:
            return lease
        longest = max(lease.heartbeat_sec, lease.lease_sec / 3)
        return Lease(lease_sec=lease.lease_sec, heartbeat_sec=min(each_sec, longest))

    async def let_others(self) -> None:
        """Let all others have their turn, in the midst of much work for one worker."""
        await self._runtime.clock.sleep(0)

    def wall(self) -> int:
        """Milliseconds of the wall clock."""
        return self._runtime.clock.now()

    def spawn(self, work: Coroutine[Any, Any, None], outbox: Outbox) -> None:
        """Do `work` for a socket. What it raises closes the socket and nothing else."""
        if self._tasks is None:
            work.close()
            outbox.close(Close.GOING_AWAY, "The server is stopping.")
            return
        self._tasks.create_task(self._guarded(work, outbox))

    async def renew(self, worker_id: str) -> None:
        """Renew its lease; raises Unavailable if that could not be kept."""
        await self._renewals.renew(worker_id)

    def mailbox(self) -> Mailbox:
        """For a worker without a socket."""
        settings = self._settings
        return Mailbox(most_bytes=settings.socket_queue_bytes, most_orders=settings.socket_queue_items)

    def welcome(self, holder: Holder) -> Registered:
        """How it shall run."""
        worker_id, lease = holder.worker_id, self.asked()
        return Registered(
            worker_id=worker_id, session=holder.session, lease_sec=lease.lease_sec, heartbeat_sec=lease.heartbeat_sec,
            max_frame_bytes=self._settings.max_frame_bytes, output_limit_bytes=self.output_limit,
            server_version=__version__,
            draining=worker_id in self.members and self.members[worker_id].drained,
        )  # fmt: skip

    def intake(self, member: Member) -> Intake:
        """Where its output goes."""

        async def explain(attempts: Sequence[tuple[str, int]]) -> list[OutputAck]:
            return await self._explain(member.holder, attempts)

        return Intake(
            member.holder, member.outbox, appender=self._appender, budget=self.budget, explain=explain,
            runtime=self._runtime, limit=self.output_limit,
        )  # fmt: skip

    async def store(
        self, holder: Holder, job_id: str, attempt: int, pieces: Sequence[tuple[str, int, bytes]], gone: Gone
    ) -> OutputAck:
        """Store pieces (stream, offset, bytes) that came without a socket, in their order; without any, how far the
        output is stored. Raises Unavailable, also when whoever sent them is gone before it is their turn."""
        key = (job_id, attempt)
        if not pieces:
            return (await self._explain(holder, [key]))[0]
        appends = [
            Append(job_id, attempt, holder.session, stream, offset, data, self.output_limit)
            for stream, offset, data in pieces
        ]
        size = sum(len(data) for _, _, data in pieces)
        if not await self.budget.take(size, holder.worker_id, gone):
            raise Unavailable("overloaded", "Nobody waits for this answer any more.")
        try:
            stored = await self._appender.append(joined_pieces(appends))
        finally:
            self.budget.give(size, holder.worker_id)
        acks = [acknowledged(key, one) for one in stored]
        if None in acks:
            return (await self._explain(holder, [key]))[0]
        known = [ack for ack in acks if ack is not None]
        first = next((ack for ack in known if ack.tell != "ok"), known[-1])
        return msgspec.structs.replace(first, stdout=known[-1].stdout, stderr=known[-1].stderr)

    async def measured(self, job_id: str, attempt: int) -> Measured:
        """The output of an attempt, read again if need be; of one that has a result already, nothing has to be."""
        (job,) = await self._reads.jobs.get([job_id])
        run = job.attempt_named(attempt) if job is not None else None
        if job is None or job.attempt != attempt or (run is not None and run.result is not None):
            return Measured()
        return await self.stored.measure(job_id, attempt)

    def give_again(self, member: Member, job_ids: Sequence[str]) -> None:
        """Send assignments again that were lost with an earlier connection."""
        self._courier.send_later(member, [(job_id, member.attempt_of(job_id)) for job_id in job_ids])

    def assign(self, member: Member, jobs: Sequence[Job], *, foreseen: bool = False) -> None:
        """Hand jobs to their worker. If that has left, or is just coming again, its next list shows what it lacks; if
        it has come again with a new spool, they are dead. `foreseen`: they are not its own yet, so nothing is done that
        has to look them up."""
        away = member.gone or member.worker_id in self._joining
        if not jobs or (foreseen and (away or not self._courier.at_once(member, jobs))):
            return
        if away:
            self.doubt(member)
            self.spawn(self._settle(member), member.outbox)
        member.give(jobs, self.now())
        self._courier.send(member, jobs)

    def doubt(self, member: Member) -> None:
        """It may have been given jobs that nobody here knows of: its next list shows what it lacks."""
        self._doubtful.add(member.worker_id)

    async def look_up(self, member: Member) -> None:
        """See what else it ought to have, if that is in doubt."""
        worker_id = member.worker_id
        if worker_id not in self._doubtful:
            return
        self._doubtful.discard(worker_id)
        try:
            held = [job async for job in self.holdings.of(worker_id)]
            await self.holdings.bury(held, member.holder.session)
        except BaseException:
            self._doubtful.add(worker_id)
            raise
        mine = [job for job in held if job.session == member.holder.session]
        member.give([job for job in mine if not member.has(job.job_id, job.attempt)], self.now())

    async def _settle(self, member: Member) -> None:
        """Jobs were given to a session that may not be its worker's any more. If the store is away, the worker's next
        list settles it."""
        with contextlib.suppress(Unavailable):
            row = await self.row(member.worker_id)
            if row is None or (row.session == member.holder.session and not row.revoked):
                return
            if row.revoked:
                await self.holdings.end(member.worker_id)
            else:
                await self.holdings.bury([job async for job in self.holdings.of(member.worker_id)], row.session)

    async def row(self, worker_id: str) -> WorkerRow | None:
        """The worker as the store has it; None if it never registered."""
        (row,) = await self._reads.workers.get([worker_id])
        return row

    async def job(self, job_id: str) -> Job | None:
        """The job as the store has it."""
        (job,) = await self.look([job_id])
        return job

    async def look(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs as the store has them, in the order asked."""
        return await self._reads.jobs.get(job_ids)

    # Coming and going

    async def join(self, worker_id: str, message: Register, outbox: Outbox, make: Make = Member) -> Member:
        """The worker's process takes its place. Raises CmdexecError if it may not."""
        async with self._joining.taking(worker_id):
            member = await self._take_place(worker_id, message, outbox, make)
        if self._tell_joined is not None:
            self._tell_joined(worker_id)
        return member

    async def rejoin(self, worker_id: str, make_outbox: Callable[[], tuple[Outbox, Make]]) -> Member:
        """The member of a worker that has no need to register: the one that is there, or one as it registered last.
        Raises CmdexecError if it never did."""
        async with self._joining.taking(worker_id):
            there = self.members.get(worker_id)
            if there is not None:
                return there
            row = await self.row(worker_id)
            if row is None:
                raise Conflict(
                    "not_registered", "This worker has not registered.", mend="Send POST /api/workers/register first."
                )
            outbox, make = make_outbox()
            return await self._take_place(worker_id, registered(row), outbox, make)

    async def take_back(
        self, member: Member, connection: int, make_outbox: Callable[[], tuple[Outbox, Make]]
    ) -> Member:
        """The process of `member` has this connection, too: if it is newer than the one that has its place, it takes
        that. Raises CmdexecError if it may not."""
        worker_id = member.worker_id
        async with self._joining.taking(worker_id):
            there = self.members.get(worker_id, member)
            if there.process is not member.process:
                raise Conflict("replaced", "Another process of this worker has taken its place.")
            if connection <= there.process.connection:
                return there
            outbox, make = make_outbox()
            message = msgspec.structs.replace(there.register, connection=connection, absences=())
            return await self._take_place(worker_id, message, outbox, make)

    async def _take_place(self, worker_id: str, message: Register, outbox: Outbox, make: Make) -> Member:
        try:
            process = self._joining.judge(worker_id, message)
            holder, held, row = await self._admission.admit(worker_id, message)
        except (Conflict, Refused) as refused:
            _turn_away(outbox, refused)
            raise
        member = make(holder, instance_of(holder, message), message, outbox, self.now())
        member.process = process
        member.shall(row)
        self._joining.keep(worker_id, message, process)
        older = self.members.get(worker_id)
        if older is not None:
            self._replace(older, member)
        mine = [job for job in held if job.session == holder.session]
        member.give(mine, self.now())
        self.members[worker_id] = member
        self.elsewhere.moves.set()
        self._courier.turn_back(member, mine)
        return member

    async def changed(self, worker_id: str, revoke: Callable[[], Awaitable[WorkerRow | None]] | None = None) -> None:
        """People want something else of the worker: what it may not begin any more goes back to the queue. `revoke`: do
        that, and it has no place any more when this returns."""
        async with self._joining.taking(worker_id):
            row = await (self.row(worker_id) if revoke is None else revoke())
            member = self.members.get(worker_id)
            if row is not None and row.revoked:
                self.shut_out(row)
                return
            if row is None or member is None:
                return
            if member.shall(row):
                member.outbox.put(ask("drain", [drain_order(row)]))
            waiting = [job_id for job_id, given in member.given() if given.started_at is None]
            found = [job for job in await self.look(waiting) if job is not None and not member.may_begin(job)]
            if found:
                await self.jobs.turn(work.recall([job.job_id for job in found]))
        self.elsewhere.moves.set()
        self.capacity.set()

    def moved(self, member: Member) -> None:
        """Its process, or a newer one, has connected to another server."""
        self.leave(member)
        member.outbox.close(Close.GOING_AWAY, "The worker has connected to another server.")

    def shut_out(self, row: WorkerRow) -> None:
        """Its row says that it was revoked: it is given nothing more."""
        member = self.members.get(row.worker_id)
        if member is not None:
            self.leave(member, for_good=True)
            member.outbox.close(Close.FORBIDDEN, revoked(row))

    def takes_no_more(self, member: Member) -> None:
        """It says so: what it was given, and not told of yet, goes back to the queue."""
        member.draining = True
        self._courier.give_back(member, member.untold())

    def leave(self, member: Member, *, for_good: bool = False) -> None:
        """Its socket has ended, or is about to."""
        member.gone = True
        if self.members.get(member.worker_id) is member:
            del self.members[member.worker_id]
            self.elsewhere.left(member.worker_id)
            self.offers.left(member, for_good=for_good)

    def _replace(self, older: Member, newer: Member) -> None:
        """The process whose own connection is newer is not told to end."""
        self.leave(older)
        same = older.instance_id == newer.instance_id
        if same and older.register.instance_id is not None:
            older.outbox.close(Close.GOING_AWAY, "The worker has connected again.")
        elif moved(older.register, newer.register):  # if it lives, it comes again and is judged
            older.outbox.close(Close.GOING_AWAY, "This worker has connected from another place.")
        else:
            if not same and None in (older.register.place, newer.register.place):
                self.clones.replaced(older.worker_id)
            older.process.replaced = not same
            older.outbox.close(Close.REPLACED, "Another process of this worker has taken its place.")

    def _connected(self, worker_id: str) -> bool:
        return worker_id in self.members or self.elsewhere.of(worker_id) is not None

    async def _explain(self, holder: Holder, attempts: Sequence[tuple[str, int]]) -> list[OutputAck]:
        return await explain(self.jobs, self._reads.output, holder, attempts)

    async def _guarded(self, work: Coroutine[Any, Any, None], outbox: Outbox) -> None:
        try:
            await work
        except CmdexecError as wrong:
            outbox.close(Close.because_of(wrong), wrong.message)
        except Exception as fault:
            self._runtime.log.error("work for a worker's socket failed", exc=fault)
            outbox.close(Close.INTERNAL, "The message could not be handled; the cause is in the log.")


def _turn_away(outbox: Outbox, refused: CmdexecError) -> None:
    """Tell a process that may not have the place why, and end its connection as it shall take that."""
    close = {"replaced": Close.REPLACED, "cloned": Close.REPLACED, "forbidden": Close.FORBIDDEN}.get(refused.code)
    if close is not None or isinstance(refused, Conflict):
        outbox.put(ask("error", [Failure(refused.code, refused.message, refused.field, refused.mend)]))
        outbox.close(close or Close.GOING_AWAY, refused.message)
