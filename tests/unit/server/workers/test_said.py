"""A worker without a socket gets the same answers, a call at a time."""

import asyncio
from typing import Any

import pytest

from cmdexec.errors import Conflict
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Beat, Chunk, Chunks, Heartbeat, Held, Register, Released
from cmdexec.server.jobs import Holder
from cmdexec.server.workers import PollingMember
from tests.unit.server.core import Core, done

ME = Holder("w1", "s1")


class Caller:
    """One worker that calls."""

    def __init__(self, server: Core) -> None:
        self.said = server.presence.said

    async def member(self) -> PollingMember:
        member = await self.said.heard("w1")
        assert isinstance(member, PollingMember)
        return member

    async def heartbeat(self, **more: Any) -> Beat:
        beat, _, _ = await self.said.heartbeat(await self.member(), Heartbeat(**more))
        return beat


@pytest.fixture
async def caller(server: Core) -> Caller:
    registered = await server.presence.said.register("w1", Register(session="s1", instance_id="i1"))
    assert (registered.worker_id, registered.session, registered.heartbeat_sec) == ("w1", "s1", 10)
    return Caller(server)


def chunks(job_id: str, *data: bytes) -> Chunks:
    offset, pieces = 0, []
    for piece in data:
        pieces.append(Chunk(stream="stdout", offset=offset, data=piece))
        offset += len(piece)
    return Chunks(job_id=job_id, attempt=1, chunks=tuple(pieces))


async def test_who_has_not_registered_is_told_to(server: Core) -> None:
    with pytest.raises(Conflict, match="not registered"):
        await server.presence.said.heard("w9")


async def test_the_way_of_a_job_by_calls(server: Core, caller: Caller) -> None:
    await server.submit()
    (job,) = await server.claim(ME)
    member = await caller.member()
    assert [told.tell for told in await caller.said.start(member, [Held(job_id=job.job_id, attempt=1)])] == ["go"]
    assert member.running == 1
    ack = await caller.said.output(member, chunks(job.job_id, b"ab", b"c"))
    assert (ack.tell, ack.stdout) == ("ok", 3)
    assert (await caller.said.output(member, chunks(job.job_id))).stdout == 3
    (told,) = await caller.said.done(member, [done(job.job_id, 1, b"abcdef", inline=b"def")])
    assert told.tell == "ok"
    assert await server.stored(job.job_id, 1) == b"abcdef"
    assert (await caller.said.output(member, chunks(job.job_id, b"late"))).tell == "stop"
    assert (member.running, member.waiting) == (0, 0)


async def test_a_heartbeat_answers_all_that_it_says(server: Core, caller: Caller) -> None:
    await server.submit(3)
    jobs = await server.claim(ME, limit=3)
    first, second, third = (Held(job_id=job.job_id, attempt=1) for job in jobs)
    await caller.said.start(await caller.member(), [first])
    await server.jobs.cancel([first.job_id], "me")
    beat = await caller.heartbeat(
        jobs=(first, second), start=(second,),
        released=(Released(job_id=third.job_id, attempt=1, why="neverSpawned"),),
    )  # fmt: skip
    assert [order.job_id for order in beat.cancel] == [first.job_id]
    assert [told.tell for told in (*beat.start, *beat.released)] == ["go", "ok"]
    assert beat.held == ()


async def test_asking_to_start_says_nothing_of_draining(server: Core, caller: Caller) -> None:
    member = await caller.member()
    unknown = Held(job_id="01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f", attempt=1)
    for more, draining in (({"draining": True}, True), ({"start": (unknown,)}, True), ({"jobs": ()}, False)):
        await caller.heartbeat(**more)
        assert member.draining == draining, more


async def test_what_two_lists_lack_is_given_to_others(server: Core, caller: Caller) -> None:
    await server.submit()
    (job,) = await server.claim(ME)
    member = await caller.member()
    member.give([job], server.clock.elapsed())
    member.sent([job], server.clock.elapsed())
    for seconds in (0, 9):
        server.clock.go_on(seconds)
        await caller.heartbeat(jobs=())
        assert (await server.job(job.job_id)).missing == 0, "the list may have been made before it was given"
        assert (await server.job(job.job_id)).status is Status.ASSIGNED
    server.clock.go_on(2)
    await caller.heartbeat(jobs=())
    await caller.heartbeat(jobs=())
    assert (await server.job(job.job_id)).status is Status.QUEUED


async def test_what_waits_to_be_asked_for_is_not_missing(server: Core, caller: Caller) -> None:
    await server.submit()
    (job,) = await server.claim(ME)
    member = await caller.member()
    server.presence.desk.assign(member, [job])
    assert member.mailbox.has(job.job_id, 1)
    for _ in range(3):
        server.clock.go_on(30)
        await caller.heartbeat(jobs=())
        stands = await server.job(job.job_id)
        assert (stands.missing, stands.status) == (0, Status.ASSIGNED)


async def test_calls_that_come_together_make_one_member_and_replace_none(server: Core, caller: Caller) -> None:
    server.presence.desk.leave(await caller.member())
    members = await asyncio.gather(*(caller.member() for _ in range(5)))
    assert {id(member) for member in members} == {id(server.presence.desk.members["w1"])}
    server.presence.desk.leave(members[0])
    row = server.presence.desk.row

    async def while_a_socket_comes(worker_id: str) -> Any:
        found = await row(worker_id)
        await asyncio.sleep(0)
        return found

    server.presence.desk.row = while_a_socket_comes  # type: ignore[method-assign]
    socket, member = await asyncio.gather(server.connect(instance="i1"), caller.said.heard("w1"))
    assert (member.transport, socket.sent.ended) == ("socket", None)


async def test_registering_takes_the_place_of_the_socket_and_a_socket_that_of_the_mailbox(
    server: Core, caller: Caller
) -> None:
    worker = await server.connect(instance="i1")
    assert server.presence.desk.members["w1"].transport == "socket"
    await caller.said.register("w1", Register(session="s1", instance_id="i1"))
    assert worker.sent.ended is not None
    assert server.presence.desk.members["w1"].transport == "polling"
    assert (await server.connect(instance="i1")).sent.ended is None
    assert server.presence.desk.members["w1"].transport == "socket"


async def test_a_call_that_comes_late_is_carried_out_and_replaces_no_socket(server: Core, caller: Caller) -> None:
    await server.submit(2)
    job, other = await server.claim(ME, limit=2)
    held = Held(job_id=job.job_id, attempt=1)
    worker = await server.connect(instance="i1")
    await worker.beat((job.job_id, 1), (other.job_id, 1))
    assert (await worker.start((other.job_id, 1)))[0].tell == "go"
    server.clock.go_on(30)
    member = await caller.said.heard("w1")
    for _ in range(2):
        beat, stop, cancel = await caller.said.heartbeat(member, Heartbeat(jobs=(), start=(held,), draining=True))
    assert ([told.tell for told in beat.start], stop, cancel) == (["go"], [], [])
    assert (await server.job(other.job_id)).missing == 0, "an old list says nothing"
    assert worker.sent.ended is None
    assert server.presence.desk.members["w1"] is member
    assert not member.draining


async def test_another_process_is_told_that_it_was_replaced_if_it_says_who_it_is(server: Core, caller: Caller) -> None:
    await caller.said.register("w1", Register(session="s1", instance_id="i2"))
    assert await caller.said.heard("w1", "i2")
    with pytest.raises(Conflict, match="Another process"):
        await caller.said.heard("w1", "i1")


async def test_one_that_names_no_process_may_always_come_back(server: Core) -> None:
    """It cannot be told apart from the one that was replaced, so the newest wins."""
    said = server.presence.said
    for instance in (None, "i2", None):
        await said.register("w1", Register(session="s1", instance_id=instance))
    with pytest.raises(Conflict, match="Another process"):
        await said.register("w1", Register(session="s1", instance_id="i2"))


async def test_releasing_a_job_by_policy_asks_whether_others_are_there(server: Core, caller: Caller) -> None:
    await server.submit(2)
    jobs = await server.claim(ME, limit=2)
    declined = [Released(job_id=job.job_id, attempt=1, why="declined", message="no") for job in jobs]
    await caller.said.release(await caller.member(), declined[:1])
    assert (await server.job(jobs[0].job_id)).status is Status.FAILED
    await server.connect("w2", "s2", "i2")
    await caller.said.release(await caller.member(), declined[1:])
    assert (await server.job(jobs[1].job_id)).status is Status.QUEUED
