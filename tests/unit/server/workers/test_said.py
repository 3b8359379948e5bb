"""A worker without a socket gets the same answers, a call at a time."""

import pytest

from cmdexec.errors import Refused
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Heartbeat, Held, OutputHeader, Register, Released
from cmdexec.server.jobs import Holder
from cmdexec.server.workers import Said
from tests.unit.server.core import Core, done

ME = Holder("w1", "s1")


@pytest.fixture
async def said(server: Core) -> Said:
    said = Said(server.presence.desk)
    registered = await said.register("w1", Register(session="s1", instance_id="i1"))
    assert (registered.worker_id, registered.session, registered.heartbeat_sec) == ("w1", "s1", 10)
    return said


async def test_who_has_not_registered_is_told_to(server: Core) -> None:
    with pytest.raises(Refused, match="not registered"):
        await Said(server.presence.desk).heartbeat("w9", Heartbeat())


async def test_the_way_of_a_job_by_calls(server: Core, said: Said) -> None:
    await server.submit()
    (job,) = await server.claim(ME)
    held = Held(job_id=job.job_id, attempt=1)
    assert [told.tell for told in await said.start("w1", [held])] == ["go"]
    header = OutputHeader(job_id=job.job_id, attempt=1, stream="stdout", offset=0)
    ack = await said.output("w1", header, b"abc")
    assert (ack.tell, ack.stdout) == ("ok", 3)
    assert (await said.output("w1", header, b"")).stdout == 3
    (told,) = await said.done("w1", [done(job.job_id, 1, b"abcdef", inline=b"def")])
    assert told.tell == "ok"
    assert await server.stored(job.job_id, 1) == b"abcdef"
    assert (await said.output("w1", header, b"late")).tell == "stop"


async def test_a_heartbeat_answers_all_that_it_says(server: Core, said: Said) -> None:
    await server.submit(3)
    jobs = await server.claim(ME, limit=3)
    first, second, third = (Held(job_id=job.job_id, attempt=1) for job in jobs)
    await said.start("w1", [first])
    await server.jobs.cancel([first.job_id], "me")
    beat = await said.heartbeat(
        "w1",
        Heartbeat(
            jobs=(first, second), start=(second,),
            released=(Released(job_id=third.job_id, attempt=1, why="neverSpawned"),),
        ),
    )  # fmt: skip
    assert [order.job_id for order in beat.cancel] == [first.job_id]
    assert [told.tell for told in (*beat.start, *beat.released)] == ["go", "ok"]
    assert beat.held == ()


async def test_what_two_lists_lack_is_given_to_others(server: Core, said: Said) -> None:
    await server.submit()
    (job,) = await server.claim(ME)
    await said.heartbeat("w1", Heartbeat(jobs=()))
    assert (await server.job(job.job_id)).missing == 0, "it was only just given"
    server.clock.go_on(11)
    await said.heartbeat("w1", Heartbeat(jobs=()))
    await said.heartbeat("w1", Heartbeat(jobs=()))
    assert (await server.job(job.job_id)).status is Status.QUEUED


async def test_registering_anew_with_another_process_replaces_the_socket(server: Core, said: Said) -> None:
    worker = await server.connect(instance="i2")
    await said.register("w1", Register(session="s1", instance_id="i2"))
    assert worker.sent.ended is None
    await said.register("w1", Register(session="s1", instance_id="i3"))
    assert worker.sent.ended is not None


async def test_releasing_a_job_by_policy_asks_whether_others_are_there(server: Core, said: Said) -> None:
    await server.submit(2)
    jobs = await server.claim(ME, limit=2)
    declined = [Released(job_id=job.job_id, attempt=1, why="declined", message="no") for job in jobs]
    await said.release("w1", declined[:1])
    assert (await server.job(jobs[0].job_id)).status is Status.FAILED
    await server.connect("w2", "s2", "i2")
    await said.release("w1", declined[1:])
    assert (await server.job(jobs[1].job_id)).status is Status.QUEUED
