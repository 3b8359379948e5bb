"""A worker that names very many attempts is taken in small steps, and told all that fits, without harm to others."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from cmdexec.errors import Unavailable
from cmdexec.link.socket import Close
from cmdexec.protocol.messages import Heartbeat, Held
from tests.unit.server.core import Core, Worker, eventually
from tests.unit.server.workers.test_courier import Narrow


def unknown(count: int) -> list[tuple[str, int]]:
    """Attempts of jobs that are not there."""
    return [(f"{number:036x}", 1) for number in range(count)]


def held(count: int) -> tuple[Held, ...]:
    return tuple(Held(job_id=job_id, attempt=attempt) for job_id, attempt in unknown(count))


async def narrow(server: Core) -> tuple[Worker, Narrow]:
    sent = Narrow(queue=10**9)
    worker = await server.connect(slots=10_000, sent=sent)
    await worker.beat()
    return worker, sent


def sizes(server: Core) -> list[int]:
    """How many asks each turn has, from now on."""
    turn = server.jobs.turn
    found: list[int] = []

    async def counted(asks: Sequence[Any]) -> Any:
        found.append(len(asks))
        return await turn(asks)

    server.jobs.turn = counted  # type: ignore[method-assign]
    return found


async def test_a_long_list_is_decided_a_thousand_at_a_time(server: Core) -> None:
    worker = await server.connect()
    turns = sizes(server)
    beat = await worker.beat(*unknown(2500))
    assert len(beat.held) == 2500
    assert turns == [1000, 1000, 500]
    turns.clear()
    said, w1 = server.presence.said, server.presence.desk.members["w1"]
    beat, _, _ = await said.heartbeat(w1, Heartbeat(jobs=held(2500)))
    assert len(beat.held) == 2500
    assert turns == [1000, 1000, 500]


async def test_frames_that_wait_make_turns_of_a_thousand(server: Core) -> None:
    worker = await server.connect()
    turns = sizes(server)
    answers = await worker.ask_all(*(("start", held(400)) for _ in range(5)))
    assert [len(answer) for answer in answers] == [400] * 5
    assert turns == [800, 800, 400]


async def test_what_a_list_names_counts_for_what_may_wait(server: Core) -> None:
    worker = await server.connect()
    turn = server.jobs.turn
    inside, gate = asyncio.Event(), asyncio.Event()

    async def gated(asks: Sequence[Any]) -> Any:
        inside.set()
        await gate.wait()
        return await turn(asks)

    server.jobs.turn = gated  # type: ignore[method-assign]
    beats = [("heartbeat", number, (Heartbeat(jobs=held(9000)),)) for number in range(1, 5)]
    await worker.link.frames([beats[0]])
    await inside.wait()
    for beat in beats[1:3]:
        await asyncio.wait_for(worker.link.frames([beat]), 5)
    blocked = asyncio.create_task(worker.link.frames([beats[3]]))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not blocked.done(), "27,000 attempts wait"
    gate.set()
    await asyncio.wait_for(blocked, 20)
    await eventually(lambda: worker.sent.answered(4), "the last list was not answered")


async def test_when_the_store_goes_away_half_way_the_rest_is_to_be_asked_again(server: Core) -> None:
    worker = await server.connect()
    turn = server.jobs.turn
    turns: list[int] = []

    async def half(asks: Sequence[Any]) -> Any:
        turns.append(len(asks))
        if len(turns) > 1:
            raise Unavailable("store_away", "The store is away.")
        return await turn(asks)

    server.jobs.turn = half  # type: ignore[method-assign]
    tolds = await worker.ask("start", *held(1500))
    assert [told.tell for told in tolds] == ["stop"] * 1000 + ["again"] * 500


async def test_an_answer_larger_than_a_message_leaves_out_the_words_for_people(server: Core) -> None:
    worker, sent = await narrow(server)
    tolds = await worker.ask("start", *held(600))
    assert {(told.tell, told.code, told.message) for told in tolds} == {("stop", "not_found", None)}
    tolds = await worker.ask("start", *held(5))
    assert all(told.message for told in tolds), "where there is room they are told"
    assert sent.ended is None


async def test_what_a_list_is_told_goes_in_frames_of_its_own_if_it_is_too_much_for_one(server: Core) -> None:
    worker, sent = await narrow(server)
    jobs = await server.submit(3)
    await server.dispatch.give_out()
    mine = [(job.job_id, 1) for job in jobs]
    await worker.start(*mine[:1])
    await server.jobs.cancel([jobs[0].job_id], "me")
    sent.frames.clear()
    beat = await worker.beat(*mine[:2], *unknown(900), start=(Held(job_id=mine[1][0], attempt=1),))
    assert (beat.held, beat.cancel, beat.lease_sec) == ((), (), 60)
    assert [told.tell for told in beat.start] == ["go"]
    stops = [(order.job_id, order.attempt) for order in sent.items("stop")]
    assert sorted(stops) == unknown(900)
    assert [order.job_id for order in sent.items("cancel")] == [jobs[0].job_id]
    assert [frame.op for frame in sent.frames] == ["stop", "cancel", None], "the orders go first"


async def test_an_answer_that_cannot_fit_closes_the_socket_and_says_so(server: Core) -> None:
    worker, sent = await narrow(server)
    await worker.link.frames([("start", 1, held(1000))])
    await eventually(lambda: sent.ended, "it was not closed")
    assert sent.ended == (Close.TOO_LARGE, "The answer to this frame is larger than a message may be.")


async def test_while_it_is_looked_what_hundreds_of_workers_may_have_others_have_their_turn(server: Core) -> None:
    for number in range(200):
        worker = await server.connect(f"w{number}", f"s{number}", f"i{number}")
        await worker.beat()
    looks, pauses = [0], [0]
    choices = server.presence.classes.choices

    def counted(*what: Any) -> Any:
        looks[0] += 1
        return choices(*what)

    async def others() -> None:
        pauses.append(looks[0])

    server.presence.classes.choices = counted  # type: ignore[method-assign]
    server.presence.desk.let_others = others  # type: ignore[method-assign]
    await server.dispatch.give_out()
    assert looks[0] >= 200
    assert max(after - before for before, after in itertools.pairwise([*pauses, looks[0]])) <= 50
