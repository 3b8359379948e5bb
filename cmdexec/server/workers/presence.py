"""Who is connected, for the rest of the server: sockets come in here, and what hints tell workers goes out."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from cmdexec.link.socket import Close
from cmdexec.notify.contract import Notify, Revoked, TellWorker, There, WorkerChanged, WorkerJoined, WorkersThere
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import CancelOrder, Drain, Held, Stats, StopOrder
from cmdexec.runtime import Runtime
from cmdexec.server import jobs
from cmdexec.server.jobs import Jobs
from cmdexec.server.output import Appender, Measures
from cmdexec.server.workers.classes import Classes
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.link import WorkerLink
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.polls import Polls
from cmdexec.server.workers.rows import never_registered
from cmdexec.server.workers.said import Said
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow


class LiveWorker(msgspec.Struct, frozen=True):
    """A connected worker, or one that polls. `draining`: it takes no jobs, as it says or as somebody wants. `held`:
    (job id, attempt, whether its start was granted). `suspect`: it begins nothing that it is given."""

    worker_id: str
    session: str
    slots: int
    free_slots: int
    draining: bool
    transport: Literal["socket", "polling"]
    stats: Stats | None
    held: tuple[tuple[str, int, bool], ...]
    suspect: bool = False


class Presence:
    """A Service: it works for the sockets that `connect` was told of. `server`: the id of this one among those that
    share the store."""

    def __init__(
        self,
        *,
        reads: Reads,
        jobs: Jobs,
        appender: Appender,
        measures: Measures,
        notify: Notify,
        runtime: Runtime,
        settings: ServerSettings,
        server: str = "",
    ) -> None:
        self.server = server
        self.desk = Desk(
            reads=reads, jobs=jobs, appender=appender, measures=measures, runtime=runtime, settings=settings,
            server=server, joined=lambda worker_id: notify.publish(WorkerJoined(worker_id, server)),
        )  # fmt: skip
        self.said = Said(self.desk, runtime.clock)
        self.polls = Polls(self.desk)
        self.classes = Classes(reads.classes)
        self._workers = reads.workers
        self._credentials = reads.credentials
        self._notify = notify
        notify.listen(TellWorker, self._tell)
        notify.listen(Revoked, self._revoked)
        notify.listen(WorkerChanged, self._changed)
        notify.listen(WorkerJoined, self._joined)
        notify.listen(WorkersThere, self.desk.elsewhere.heard)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.desk.run()

    def connect(self, worker_id: str, *, send: Outbox) -> WorkerLink:
        """A socket of that worker, whose credential has been judged."""
        return WorkerLink(self.desk, worker_id, send)

    def drain(self, message: str = "The server is stopping.") -> None:
        """Tell all workers that the server goes away."""
        for member in self.desk.members.values():
            member.outbox.put(ask("drain", [Drain(message=message)]))

    def view(self) -> dict[str, LiveWorker]:
        """All connected workers, by id."""
        return {
            member.worker_id: LiveWorker(
                member.worker_id, member.holder.session, member.slots, member.free_slots,
                member.draining or member.drained,
                member.transport, member.stats,
                tuple((job_id, given.attempt, given.started_at is not None) for job_id, given in member.given()),
                member.suspect,
            )
            for member in self.desk.members.values()
        }  # fmt: skip

    async def changed(self, worker_id: str) -> None:
        """People want something else of the worker, and its row says so. Raises Unavailable."""
        await self.desk.changed(worker_id)
        if worker_id not in self.desk.members:
            self._notify.publish(WorkerChanged(worker_id))

    def warning(self, worker_id: str) -> tuple[str, str] | None:
        """What is known here of copies of the worker, and what to do about it."""
        return self.desk.clones.warning(worker_id)

    def elsewhere(self, worker_id: str) -> There | None:
        """The worker as another server has it to which it is connected."""
        return self.desk.elsewhere.of(worker_id)

    async def revoke(self, worker_id: str, by: str) -> WorkerRow | None:
        """Shut the worker out for good, at once, also one that has joined and never came; what it holds is as if its
        lease were over. The row after that, None if there is none. Raises Unavailable: then it may be asked again."""
        row: WorkerRow | None = None

        async def revoke() -> WorkerRow | None:
            nonlocal row
            joined = await self._credentials.of(worker_id)
            if joined is not None and (await self._workers.get([worker_id])) == [None]:
                await self._workers.register(never_registered(joined))
            row = await self._workers.revoke(worker_id, by)
            if row is not None:
                self.desk.shut_out(row)
                self.desk.offers.revoked(worker_id, row.called)
            await self._credentials.revoke_of(worker_id)
            return row

        await self.desk.changed(worker_id, revoke)
        if row is not None:
            self._notify.publish(Revoked(worker_id=worker_id))
            await self.desk.holdings.end(worker_id)
        return row

    def _tell(self, hint: TellWorker) -> None:
        member = self.desk.members.get(hint.worker_id)
        if member is None:
            return
        if not hint.sure:
            self.desk.spawn(self._look_up(member, hint.attempts), member.outbox)
            return
        if hint.kind == "cancel":
            member.outbox.put(ask("cancel", [CancelOrder(job_id=job, attempt=n) for job, n in hint.attempts]))
            return
        for job_id, attempt in hint.attempts:
            member.take(job_id, attempt)
        member.outbox.put(ask("stop", [StopOrder(job_id=job, attempt=n) for job, n in hint.attempts]))
        self.desk.capacity.set()

    def _revoked(self, hint: Revoked) -> None:
        member = self.desk.members.get(hint.worker_id or "")
        if member is None:
            return
        if not hint.sure:
            self._look_again(member.worker_id)
            return
        self.desk.leave(member)
        member.outbox.close(Close.FORBIDDEN, "This worker was revoked.")

    def _changed(self, hint: WorkerChanged) -> None:
        self._look_again(hint.worker_id)

    def _joined(self, hint: WorkerJoined) -> None:
        member = self.desk.members.get(hint.worker_id)
        if member is not None and hint.server != self.server:
            self.desk.moved(member)

    def _look_again(self, worker_id: str) -> None:
        """At its row: what it says counts, not who told of it."""
        member = self.desk.members.get(worker_id)
        if member is not None:
            self.desk.spawn(self.desk.changed(worker_id), member.outbox)

    async def _look_up(self, member: Member, attempts: Sequence[tuple[str, int]]) -> None:
        """Tell the worker of these what its next list would bring."""
        outcomes = await self.desk.jobs.turn(
            [jobs.resume(member.holder, Held(job_id=job_id, attempt=attempt)) for job_id, attempt in attempts]
        )
        for (job_id, attempt), outcome in zip(attempts, outcomes, strict=True):
            member.stands(job_id, attempt, outcome.job, self.desk.now())
            order = jobs.resumed(Held(job_id=job_id, attempt=attempt), outcome)
            if isinstance(order, CancelOrder):
                member.outbox.put(ask("cancel", [order]))
            elif order is not None:
                member.outbox.put(ask("stop", [StopOrder(job_id=job_id, attempt=attempt)]))
        self.desk.capacity.set()
