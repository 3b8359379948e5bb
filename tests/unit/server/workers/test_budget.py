"""How much output may wait: for its turn, never for ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Chunk, Chunks, Held, Register
from cmdexec.server.workers.intake import Budget
from tests.unit.server.core import Core, eventually


async def stays() -> None:
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


async def test_it_waits_while_the_output_of_others_fills_it_and_nobody_starves() -> None:
    budget = Budget(100)
    assert await budget.take(20, "a", stays)
    assert await budget.take(90, "b", stays), "one that has none waiting may bring a piece, whatever its size"
    waiting = asyncio.create_task(budget.take(4, "a", stays))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.give(90, "b")
    assert await waiting
    assert budget.used == 24


async def test_one_worker_waits_until_its_own_output_is_stored_and_no_longer() -> None:
    """What is its own is looked at anew each time: all that waited goes on, though each began to wait when much was."""
    budget = Budget(100)
    taken = [asyncio.create_task(budget.take(20, "a", stays)) for _ in range(5)]
    for number in range(1, 6):
        await eventually(lambda so_far=number: sum(one.done() for one in taken) == so_far, "nobody goes on")
        assert budget.used == 20
        budget.give(20, "a")
    assert budget.used == 0


async def test_who_is_gone_takes_nothing() -> None:
    budget = Budget(100)
    gone = asyncio.Event()
    assert await budget.take(20, "a", stays)
    waiting = asyncio.create_task(budget.take(20, "a", gone.wait))
    await asyncio.sleep(0)
    gone.set()
    assert await waiting is False
    assert budget.used == 20


async def test_calls_of_one_worker_that_come_together_are_all_answered(server: Core) -> None:
    said = server.presence.said
    await said.register("w1", Register(slots=8))
    member = await said.heard("w1")
    jobs = await server.submit(8)
    claimed = await server.claim(member.holder, 8)
    server.presence.desk.assign(member, claimed)
    await said.start(member, [Held(job_id=job.job_id, attempt=1) for job in jobs])
    assert (await server.job(jobs[0].job_id)).status is Status.RUNNING
    piece = Chunk(stream="stdout", offset=0, data=b"x" * (server.settings.output_queue_bytes // 10))
    calls = [said.output(member, Chunks(job_id=job.job_id, attempt=1, chunks=(piece,))) for job in jobs]
    acks = await asyncio.gather(*calls)
    assert [(ack.tell, ack.stdout) for ack in acks] == [("ok", len(piece.data))] * 8
    assert server.presence.desk.budget.used == 0


async def test_a_call_whose_caller_went_away_before_its_turn_stores_nothing(server: Core) -> None:
    said = server.presence.said
    await said.register("w1", Register())
    member = await said.heard("w1")
    (job,) = await server.submit()
    server.presence.desk.assign(member, await server.claim(member.holder))
    await said.start(member, [Held(job_id=job.job_id, attempt=1)])
    desk, gone = server.presence.desk, asyncio.Event()
    await desk.budget.take(server.settings.output_queue_bytes, "w1", stays)
    piece = Chunk(stream="stdout", offset=0, data=b"late")
    call = asyncio.create_task(said.output(member, Chunks(job_id=job.job_id, attempt=1, chunks=(piece,)), gone.wait))
    await asyncio.sleep(0)
    gone.set()
    with pytest.raises(Unavailable):
        await call
    assert await server.stored(job.job_id, 1) == b""
