"""Assignments go to a worker as its socket takes them, however large they are together; one too large for it fails."""

import asyncio
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.job import Job, Reason, Spec, Status
from cmdexec.protocol.codec import encode
from cmdexec.server.jobs import recall
from tests.unit.server.core import Core, Sent, Worker, core, eventually


@dataclass
class Narrow(Sent):
    """A socket that takes messages of `max_message` bytes, lets `queue` wait, and sends when it is told to.

    awaited   whether somebody has waited for room
    """

    max_message: int = 64 * 1024
    queue: int = 128 * 1024
    waiting: int = 0
    peak: int = 0
    awaited: bool = False
    sends: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Any) -> None:
        size = len(encode(frame)) + 2
        if size > self.max_message:
            raise Refused("too_large", "This frame is larger than a message may be.")
        self.waiting += size
        self.peak = max(self.peak, self.waiting)
        super().put(frame)

    def has_room(self, size: int) -> bool:
        return not self.waiting or self.waiting + size <= self.queue // 2

    async def room(self, size: int) -> None:
        while not self.has_room(size):
            if self.ended:
                raise Unavailable("server_away", "The socket was closed.")
            self.sends.clear()
            self.awaited = True
            await self.sends.wait()

    def send(self) -> None:
        """All that waits is taken by the reader."""
        self.waiting = 0
        self.sends.set()


async def narrow(server: Core, slots: int, sent: Narrow | None = None) -> tuple[Worker, Narrow]:
    sent = sent or Narrow()
    worker = await server.connect(slots=slots, sent=sent)
    await worker.beat()
    sent.send()
    return worker, sent


async def submitted(server: Core, *sizes: int) -> list[Job]:
    """A job of each of these sizes."""
    jobs: list[Job] = []
    for number, size in enumerate(sizes):
        spec = Spec(command=("true", "x" * size))
        jobs += await server.jobs.submit("owner", [spec], key=f"{number}", body=b"{}")
    return jobs


async def all_sent(worker: Worker, sent: Narrow, count: int) -> None:
    """Let the reader take one queue after the other, until it was told of so many."""
    while len(worker.assigned()) < count:
        known = len(worker.assigned())
        sent.send()
        await eventually(lambda known=known: len(worker.assigned()) > known, "nothing more was sent")


async def test_many_large_jobs_are_sent_as_the_socket_takes_them_in_their_order(server: Core) -> None:
    jobs = await submitted(server, *[30_000] * 20)
    worker, sent = await narrow(server, 20)
    await server.dispatch.give_out()
    assert 0 < len(worker.assigned()) < 20
    await all_sent(worker, sent, 20)
    assert worker.assigned() == [(job.job_id, 1) for job in jobs]
    assert sent.peak <= sent.queue // 2


async def test_nothing_is_claimed_while_something_has_to_be_sent_yet(server: Core) -> None:
    await submitted(server, *[30_000] * 10)
    worker, sent = await narrow(server, 12)
    await server.dispatch.give_out()
    (late,) = await server.submit(1)
    await server.dispatch.give_out()
    assert (await server.job(late.job_id)).status is Status.QUEUED
    server.presence.desk.capacity.clear()
    await all_sent(worker, sent, 10)
    await eventually(server.presence.desk.capacity.is_set, "dispatch was not told that there is room again")
    await server.dispatch.give_out()
    assert worker.assigned()[-1] == (late.job_id, 1)


async def test_what_was_lost_with_a_connection_is_sent_again_as_the_next_one_takes_it(server: Core) -> None:
    jobs = await submitted(server, *[30_000] * 12)
    worker, sent = await narrow(server, 12)
    await server.dispatch.give_out()
    await all_sent(worker, sent, 12)
    worker.leave()
    again, sent = await narrow(server, 12)
    await all_sent(again, sent, 12)
    assert again.assigned() == [(job.job_id, 1) for job in jobs]
    assert sent.peak <= sent.queue // 2


async def test_small_jobs_share_frames_and_a_large_one_between_them_keeps_its_place(server: Core) -> None:
    jobs = await submitted(server, 10, 10, 40_000, 10, 10)
    worker, sent = await narrow(server, 5)
    await server.dispatch.give_out()
    await all_sent(worker, sent, 5)
    assert worker.assigned() == [(job.job_id, 1) for job in jobs]
    assert sum(frame.op == "assign" for frame in sent.frames) <= 3


async def test_what_has_not_been_sent_is_not_missing_in_a_list(server: Core) -> None:
    jobs = await submitted(server, *[30_000] * 4)
    worker, sent = await narrow(server, 4)
    await server.dispatch.give_out()
    told = worker.assigned()
    assert len(told) < 4
    server.clock.go_on(100)
    for _ in range(3):
        await worker.beat(*told)
    assert [(await server.job(job.job_id)).missing for job in jobs] == [0, 0, 0, 0]
    await all_sent(worker, sent, 4)
    assert worker.assigned() == [(job.job_id, 1) for job in jobs], "and it is sent once"


async def test_what_is_taken_back_before_it_was_sent_is_not_sent(server: Core) -> None:
    jobs = await submitted(server, *[30_000] * 6)
    worker, sent = await narrow(server, 6)
    await server.dispatch.give_out()
    assert len(worker.assigned()) == 2
    member = server.presence.desk.members["w1"]
    await eventually(lambda: sent.awaited and member.unsent, "none had to wait")
    member.paused_until = inf
    recalled = [jobs[2].job_id, jobs[4].job_id]
    await server.jobs.turn(recall(recalled))
    await eventually(lambda: not any(member.has(job_id, 1) for job_id in recalled), "they are still the worker's")
    await all_sent(worker, sent, 4)
    assert [job_id for job_id, _ in worker.assigned()] == [jobs[n].job_id for n in (0, 1, 3, 5)]


async def test_what_another_server_ended_is_not_sent_again(server: Core, tmp_path: Path) -> None:
    ended, held = await server.submit(2)
    worker, _ = await narrow(server, 2)
    await server.dispatch.give_out()
    worker.leave()
    again = await server.connect()
    async with core(tmp_path, store=server.store, seed=1) as other:
        await other.jobs.cancel([ended.job_id], "me")
    await again.beat()
    await eventually(again.assigned, "it was not sent again")
    assert again.assigned() == [(held.job_id, 1)]


async def test_a_job_too_large_for_any_message_fails_and_the_others_go_on(server: Core) -> None:
    before, large, after = await submitted(server, 10, 90_000, 10)
    worker, sent = await narrow(server, 3)
    await server.dispatch.give_out()
    await all_sent(worker, sent, 2)
    assert worker.assigned() == [(before.job_id, 1), (after.job_id, 1)]
    failed = await server.job(large.job_id)
    assert (failed.status, failed.reason) == (Status.FAILED, Reason.START)
    assert "MAX_FRAME_BYTES" in (failed.message or "")
    assert sent.ended is None
    await server.dispatch.give_out()
    (more,) = await server.submit(1)
    await server.dispatch.give_out()
    assert worker.assigned()[-1] == (more.job_id, 1)


async def test_a_job_too_large_is_failed_later_when_the_store_is_away(server: Core) -> None:
    (large,) = await submitted(server, 90_000)
    apply = server.store.jobs_write.apply
    tries = []

    async def away(writes: Any) -> Any:
        tries.append(writes)
        if len(tries) < 3:
            raise Unavailable("store_away", "The store is away.")
        return await apply(writes)

    server.store.jobs_write.apply = away  # type: ignore[method-assign]
    await narrow(server, 3)
    await server.dispatch.give_out()
    await eventually(lambda: len(tries) == 3, "it was not tried again")
    server.store.jobs_write.apply = apply  # type: ignore[method-assign]
    await eventually(lambda: not server.presence.view()["w1"].held, "it is still with the worker")
    assert (await server.job(large.job_id)).reason is Reason.START


async def test_a_claim_that_was_cut_by_its_weight_goes_on(server: Core) -> None:
    await submitted(server, *[900_000] * 4)
    worker = await server.connect(slots=4)
    await worker.beat()
    await server.dispatch.give_out()
    assert len(worker.assigned()) == 4
