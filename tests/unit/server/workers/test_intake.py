"""Output on its way in: in order, acknowledged when stored, judged before the end of its attempt."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cmdexec.errors import Unavailable
from cmdexec.model.job import Result, Status
from cmdexec.protocol.messages import Done, OutputAck, OutputDone, StreamDone
from cmdexec.server.jobs import lease_over
from cmdexec.server.workers.intake import Budget, joined_pieces
from cmdexec.store.contract.output import Append
from tests.unit.server.core import Core, Worker, core, done, eventually

PIECES = [bytes([65 + number]) * (number * 1000 + 1) for number in range(8)]
WHOLE = b"".join(PIECES)


async def running(server: Core, **more: Any) -> tuple[Worker, str]:
    """A worker with one running job."""
    (job,) = await server.submit()
    worker = await server.connect(**more)
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    return worker, job.job_id


async def result(server: Core, job_id: str) -> Result:
    run = (await server.job(job_id)).attempts[-1]
    assert run.result is not None
    return run.result


async def send(worker: Worker, job_id: str, pieces: list[bytes], offset: int = 0) -> None:
    for piece in pieces:
        await worker.output(job_id, 1, offset, piece)
        offset += len(piece)


def acks(worker: Worker) -> list[OutputAck]:
    return worker.sent.items("ack")


async def test_a_result_behind_its_output_waits_until_that_is_stored(server: Core) -> None:
    worker, job_id = await running(server)
    await send(worker, job_id, PIECES)
    told = await worker.done(job_id, 1, WHOLE)
    assert (told.tell, told.code) == ("ok", None)
    assert await server.stored(job_id, 1) == WHOLE
    ended = await result(server, job_id)
    assert (ended.stdout.bytes, ended.stdout.digest, ended.stdout.whole) == (
        len(WHOLE), hashlib.sha256(WHOLE).hexdigest(), True,
    )  # fmt: skip
    assert acks(worker)[-1].stdout == len(WHOLE)


async def test_an_answer_waits_for_all_its_items_and_holds_up_no_others(server: Core) -> None:
    worker, slow = await running(server, slots=3)
    (quick,) = await server.submit()
    await server.dispatch.give_out()
    await worker.start((quick.job_id, 1))
    append = server.reads.output.append
    gate = asyncio.Event()

    async def gated(appends: Any) -> Any:
        await gate.wait()
        return await append(appends)

    server.reads.output.append = gated  # type: ignore[method-assign]
    await send(worker, slow, PIECES)
    answers = asyncio.create_task(worker.ask("done", done(slow, 1, WHOLE), done(quick.job_id, 1)))
    await eventually(lambda: server.presence.view()["w1"].held == ((slow, 1, True),), "the quick one has not ended")
    assert (await server.job(quick.job_id)).status is Status.COMPLETED
    assert not answers.done()
    assert (await worker.beat((slow, 1))).held == ()
    gate.set()
    assert [told.tell for told in await answers] == ["ok", "ok"]


async def test_a_gap_is_asked_for_again_and_repeats_are_stored_once(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    await eventually(lambda: acks(worker), "no ack")
    await worker.output(job_id, 1, 5, b"xyz")
    await eventually(lambda: acks(worker)[-1].tell == "resend", "the gap is not told")
    assert acks(worker)[-1].stdout == 3
    await worker.output(job_id, 1, 0, b"abcdefgh")
    told = await worker.done(job_id, 1, b"abcdefgh")
    assert (told.tell, told.code) == ("ok", None)
    assert await server.stored(job_id, 1) == b"abcdefgh"


async def test_a_result_with_output_missing_is_not_taken_before_that_has_come(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    told = await worker.done(job_id, 1, b"abcdefgh", inline=b"gh")
    assert (told.tell, told.code, told.stdout, told.stderr) == ("resend", "output_missing", 3, 0)
    assert (await server.job(job_id)).status is Status.RUNNING
    await worker.output(job_id, 1, 3, b"def")
    told = await worker.done(job_id, 1, b"abcdefgh", inline=b"gh")
    assert (told.tell, told.code) == ("ok", None)
    assert (await result(server, job_id)).stdout.whole is True


async def test_missing_output_of_an_attempt_given_up_as_lost_takes_it_up_again(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        (job,) = await server.submit(on_lost="requeue")
        worker = await server.connect()
        await worker.beat()
        await server.dispatch.give_out()
        await worker.start((job.job_id, 1))
        await worker.output(job.job_id, 1, 0, b"abc")
        await eventually(lambda: acks(worker), "no ack")
        await server.jobs.turn(lease_over([job.job_id], "s1"))
        assert (await server.job(job.job_id)).status is Status.SCHEDULED
        told = await worker.done(job.job_id, 1, b"abcdef")
        assert (told.tell, told.stdout) == ("resend", 3)
        assert (await server.job(job.job_id)).status is Status.RUNNING
        await worker.output(job.job_id, 1, 3, b"def")
        assert (await worker.done(job.job_id, 1, b"abcdef")).tell == "ok"
        assert await server.stored(job.job_id, 1) == b"abcdef"


async def test_a_result_for_a_lost_attempt_brings_its_inline_output_along(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        (job,) = await server.submit(on_lost="requeue")
        worker = await server.connect()
        await worker.beat()
        await server.dispatch.give_out()
        await worker.start((job.job_id, 1))
        await server.jobs.turn(lease_over([job.job_id], "s1"))
        assert (await worker.done(job.job_id, 1, b"late", inline=b"late")).tell == "ok"
        ended = await server.job(job.job_id)
        assert (ended.status, ended.lost_used) == (Status.COMPLETED, 0)
        assert await server.stored(job.job_id, 1) == b"late"


async def test_another_digest_ends_the_job_and_says_so(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    told = await worker.done(job_id, 1, b"xyz")
    assert (told.tell, told.code) == ("ok", "output_differs")
    ended = await result(server, job_id)
    assert ended.stdout.whole is False
    assert ended.stdout.digest == hashlib.sha256(b"abc").hexdigest()
    told = await worker.done(job_id, 1, b"xyz")
    assert (told.tell, told.code) == ("ok", "output_differs"), "the same report gives the same answer"


async def test_more_stored_than_named_is_not_whole(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abcdef")
    told = await worker.done(job_id, 1, b"abc")
    assert (told.tell, told.code) == ("ok", "output_differs")
    ended = await result(server, job_id)
    assert (ended.stdout.bytes, ended.stdout.whole) == (6, False)


async def test_without_a_length_nobody_can_say_whether_it_is_whole(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    assert (await worker.done(job_id, 1, None, inline=b"de")).tell == "ok"
    ended = await result(server, job_id)
    assert (ended.stdout.bytes, ended.stdout.whole) == (5, None)
    assert await server.stored(job_id, 1) == b"abcde"


async def test_without_a_digest_length_alone_decides(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    await worker.ask("done", Done(job_id=job_id, attempt=1, exit_code=0, output=OutputDone(stdout=StreamDone(bytes=3))))
    ended = await result(server, job_id)
    assert (ended.stdout.whole, ended.stderr.whole) == (True, None)


async def test_what_the_worker_lost_is_said_and_not_whole(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    named = StreamDone(bytes=3, digest=hashlib.sha256(b"abc").hexdigest(), lost=((1, 9),))
    await worker.ask("done", Done(job_id=job_id, attempt=1, exit_code=0, output=OutputDone(stdout=named)))
    ended = await result(server, job_id)
    assert (ended.stdout.whole, ended.stdout.lost) == (False, ((1, 9),))


async def test_output_over_the_limit_is_stopped_and_the_job_ends_without_it(tmp_path: Path) -> None:
    async with core(tmp_path, max_output_bytes="1MiB") as server:
        worker, job_id = await running(server)
        most = b"x" * (1 << 20)
        await worker.output(job_id, 1, 0, most)
        await eventually(lambda: acks(worker), "no ack")
        await worker.output(job_id, 1, len(most), b"more")
        await eventually(lambda: acks(worker)[-1].tell == "stop", "the limit is not told")
        assert acks(worker)[-1].code == "output_limit"
        told = await worker.done(job_id, 1, most + b"more and more", inline=b"more")
        assert told.tell == "ok"
        ended = await result(server, job_id)
        assert ended.stdout.whole is False
        assert ended.stdout.bytes == len(most)
        assert ended.stdout.lost == ((len(most), len(most) + 13),)
        assert (await worker.done(job_id, 1, most + b"more and more", inline=b"more")).tell == "ok"


async def test_of_inline_output_over_the_limit_what_fits_is_stored(tmp_path: Path) -> None:
    async with core(tmp_path, max_output_bytes="1MiB") as server:
        worker, job_id = await running(server)
        most = b"x" * ((1 << 20) - 2)
        await worker.output(job_id, 1, 0, most)
        assert (await worker.done(job_id, 1, most + b"more", inline=b"more")).tell == "ok"
        ended = await result(server, job_id)
        assert (ended.stdout.bytes, ended.stdout.whole, ended.stdout.lost) == (
            1 << 20,
            False,
            ((1 << 20, (1 << 20) + 2),),
        )
        assert (await server.stored(job_id, 1))[-4:] == b"xxmo"


async def test_inline_output_that_was_stored_in_part_is_not_stored_twice(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    told = await worker.done(job_id, 1, b"abcdef", inline=b"bcdef")
    assert (told.tell, told.code) == ("ok", None)
    assert await server.stored(job_id, 1) == b"abcdef"


async def test_a_start_asked_again_after_a_cancel_is_not_begun_any_more(server: Core) -> None:
    worker, job_id = await running(server)
    await server.jobs.cancel([job_id], "me")
    (told,) = await worker.start((job_id, 1))
    assert told.tell == "stop"
    assert (await worker.release(job_id, 1, "neverSpawned")).tell == "ok"
    ended = await server.job(job_id)
    assert (ended.status, ended.confirmed) == (Status.CANCELLED, True)


async def test_output_that_came_over_two_servers_is_read_again_for_its_digest(tmp_path: Path) -> None:
    async with core(tmp_path) as one, core(tmp_path, clock=one.clock, store=one.store, seed=1) as other:
        worker, job_id = await running(one)
        await worker.output(job_id, 1, 0, b"abc")
        await eventually(lambda: acks(worker), "no ack")
        worker.leave()
        elsewhere = await other.connect()
        await elsewhere.beat((job_id, 1))
        await elsewhere.output(job_id, 1, 3, b"def")
        await eventually(lambda: acks(elsewhere), "no ack")
        elsewhere.leave()
        back = await one.connect()
        await back.beat((job_id, 1))
        await back.output(job_id, 1, 6, b"ghi")
        told = await back.done(job_id, 1, b"abcdefghi")
        assert (told.tell, told.code) == ("ok", None)


@given(
    st.lists(
        st.tuples(st.sampled_from(["stdout", "stderr"]), st.sampled_from([1, 2]), st.integers(0, 8), st.integers(1, 4)),
        max_size=20,
    )
)
def test_joining_pieces_changes_no_byte_and_no_order(pieces: list[tuple[str, int, int, int]]) -> None:
    """What is written at each offset, piece after piece, is the same for the joined ones."""
    batch = [
        Append("job", attempt, "s1", stream, offset, bytes([number]) * size, 99)
        for number, (stream, attempt, offset, size) in enumerate(pieces)
    ]

    def bytes_of(appends: list[Append]) -> list[tuple[str, int, int, int]]:
        written = [
            (append.stream, append.attempt, append.offset + place, byte)
            for append in appends
            for place, byte in enumerate(append.data)
        ]
        return sorted(written)

    joined = joined_pieces(batch)
    assert bytes_of(joined) == bytes_of(batch)
    assert len(joined) <= len(batch)


async def test_output_for_what_the_worker_does_not_hold_is_refused_with_what_to_do(server: Core) -> None:
    worker, job_id = await running(server, slots=2)
    (waiting,) = await server.submit()
    await server.dispatch.give_out()
    await worker.output(waiting.job_id, 1, 0, b"early")
    await eventually(lambda: acks(worker), "no ack")
    assert (acks(worker)[-1].tell, acks(worker)[-1].code) == ("again", "not_started")
    await worker.done(job_id, 1)
    await worker.output(job_id, 1, 0, b"late")
    await eventually(lambda: len(acks(worker)) == 2, "no ack")
    assert acks(worker)[-1].tell == "stop"
    await worker.output(job_id, 9, 0, b"wrong")
    await eventually(lambda: len(acks(worker)) == 3, "no ack")
    assert (acks(worker)[-1].tell, acks(worker)[-1].code) == ("stop", "stale_attempt")
    assert await server.stored(job_id, 1) == b""


async def test_output_is_kept_and_tried_again_while_the_store_is_away(server: Core) -> None:
    worker, job_id = await running(server)
    append = server.reads.output.append
    tries = []

    async def away(appends: Any) -> Any:
        tries.append(appends)
        if len(tries) < 3:
            raise Unavailable("store_away", "The store is away.")
        return await append(appends)

    server.reads.output.append = away  # type: ignore[method-assign]
    await send(worker, job_id, PIECES)
    assert (await worker.done(job_id, 1, WHOLE)).tell == "ok"
    assert len(tries) >= 3
    assert await server.stored(job_id, 1) == WHOLE


async def test_a_server_that_starts_anew_reads_what_is_stored_before_the_job_ends(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        worker, job_id = await running(server)
        await send(worker, job_id, PIECES)
        await eventually(lambda: acks(worker) and acks(worker)[-1].stdout == len(WHOLE), "not stored")
    async with core(tmp_path, seed=1) as server:
        worker = await server.connect()
        await worker.beat((job_id, 1))
        told = await worker.done(job_id, 1, WHOLE + b"end", inline=b"end")
        assert (told.tell, told.code) == ("ok", None)
        assert (await result(server, job_id)).stdout.whole is True
        assert await server.stored(job_id, 1) == WHOLE + b"end"


async def test_a_worker_that_leaves_gives_back_what_its_output_took(server: Core) -> None:
    worker, job_id = await running(server)
    gate = asyncio.Event()
    append = server.reads.output.append

    async def gated(appends: Any) -> Any:
        await gate.wait()
        return await append(appends)

    server.reads.output.append = gated  # type: ignore[method-assign]
    sent = asyncio.create_task(send(worker, job_id, [b"x" * 300_000] * 40))
    await asyncio.sleep(0)
    assert not sent.done(), "a worker may bring no more than fits"
    worker.leave()
    gate.set()
    await sent
    budget: Budget = server.presence.desk.budget
    await eventually(lambda: budget.used == 0, "some of the budget is lost")
