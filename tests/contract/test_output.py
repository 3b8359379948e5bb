"""Output: bytes in order, each once, whatever is sent again."""

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cmdexec.model.job import Job, Status
from cmdexec.store.contract.output import STREAMS, Append, Appended, OutputRow
from tests.contract.engines import Place, Store
from tests.contract.making import changed, job, started, write

MIB = 1 << 20


def append(of: Job, offset: int, data: bytes, stream: str = "stdout", **more: Any) -> Append:
    return Append(**{"job_id": of.job_id, "attempt": 1, "session": "s1", "limit": 1 << 40, **more},
                  stream=stream, offset=offset, data=data)  # fmt: skip


async def whole(store: Store, of: Job, stream: str = "stdout", step: int = MIB) -> bytes:
    """All of a stream, read in steps until nothing comes."""
    data = b""
    while piece := await store.reads.output.read(of.job_id, 1, stream, len(data), step):
        assert len(piece) <= step
        data += piece
    return data


async def test_streams_are_kept_apart_and_each_is_read_as_it_was_written(store: Store) -> None:
    go = await started(store)
    outcomes = await store.reads.output.append(
        [append(go, 0, b"one "), append(go, 0, b"error", "stderr"), append(go, 4, b"two")]
    )
    row = OutputRow(go.job_id, 1, "s1", True, 7, 5)
    assert [(outcome.stored, outcome.refused) for outcome in outcomes] == [(4, None), (5, None), (3, None)]
    assert outcomes[-1].row == row
    assert await store.reads.output.rows([(go.job_id, 1), (go.job_id, 2), ("nobody", 1)]) == [row, None, None]
    assert (await whole(store, go), await whole(store, go, "stderr")) == (b"one two", b"error")


async def test_what_is_stored_already_is_dropped_and_what_overlaps_is_trimmed(store: Store) -> None:
    go = await started(store)
    await store.reads.output.append([append(go, 0, b"abcdef")])
    outcomes = await store.reads.output.append([append(go, 0, b"abc"), append(go, 2, b"cdefgh"), append(go, 8, b"")])
    assert [(outcome.stored, outcome.refused) for outcome in outcomes] == [(0, None), (2, None), (0, None)]
    assert await whole(store, go) == b"abcdefgh"


async def test_each_refusal_stores_nothing_and_does_not_stop_the_others(store: Store) -> None:
    go, closed = await started(store, 0), await started(store, 1)
    await store.jobs_write.apply([write(closed, changed(closed, status=Status.FAILED), "x1", closes=1)])
    outcomes = await store.reads.output.append(
        [
            append(go, 0, b"12345"),
            append(go, 6, b"gap"),
            append(go, 5, b"another's", session="s2"),
            append(closed, 0, b"late"),
            append(go, 5, b"no such attempt", attempt=2),
            append(job(99), 0, b"no such job"),
            append(go, 0, b"too much", "stderr", limit=12),
            append(go, 0, b"1234567", "stderr", limit=12),
        ]
    )
    refusals = [outcome.refused for outcome in outcomes]
    assert refusals == [None, "gap", "foreign", "closed", "no_row", "no_row", "limit", None]
    assert [outcome.stored for outcome in outcomes] == [5, 0, 0, 0, 0, 0, 0, 7]
    assert outcomes[4] == Appended(None, refused="no_row")
    assert outcomes[3].row == OutputRow(closed.job_id, 1, "s1", False)
    assert (await whole(store, go), await whole(store, go, "stderr")) == (b"12345", b"1234567")


async def test_large_pieces_are_read_from_any_offset_in_any_step(store: Store) -> None:
    go = await started(store)
    data = random.Random(3).randbytes(3 * MIB + 17)
    await store.reads.output.append([append(go, 0, data[:MIB]), append(go, MIB, data[MIB : MIB + 5])])
    await store.reads.output.append([append(go, MIB + 5, data[MIB + 5 :])])
    assert await whole(store, go, step=1_000_003) == data
    for offset, limit in [
        (0, 1),
        (262_143, 2),
        (262_144, 262_144),
        (MIB - 1, 7),
        (MIB + 4, 2 * MIB),
        (len(data) - 1, 5),
    ]:
        piece = await store.reads.output.read(go.job_id, 1, "stdout", offset, limit)
        assert piece
        assert piece == data[offset : offset + len(piece)]
    for offset, limit in [(len(data), 10), (len(data) + 1000, 10), (0, 0)]:
        assert await store.reads.output.read(go.job_id, 1, "stdout", offset, limit) == b""
    assert await store.reads.output.read("nobody", 1, "stdout", 0, 10) == b""


async def test_many_that_send_the_same_output_at_once_store_it_once(store: Store) -> None:
    go = await started(store)
    data = random.Random(5).randbytes(40_000)
    pieces = [append(go, start, data[start : start + 700]) for start in range(0, len(data), 500)]
    for _ in range(3):
        await asyncio.gather(*(store.reads.output.append([piece]) for piece in pieces))
    assert await whole(store, go) == data


async def test_output_is_there_after_opening_again_and_goes_on_where_it_ended(place: Place) -> None:
    store = place.open()
    go = await started(store)
    await store.reads.output.append([append(go, 0, b"before ")])
    store = await place.reopen()
    (outcome,) = await store.reads.output.append([append(go, 0, b"before after")])
    assert outcome.stored == 5
    assert await whole(store, go) == b"before after"


@st.composite
def sendings(draw: st.DrawFn) -> tuple[dict[str, bytes], list[list[tuple[str, int, int]]]]:
    """Two streams, and calls that send parts (stream, from, to) of them: in order, but with overlaps and repeats."""
    streams = {stream: draw(st.binary(max_size=300)) for stream in STREAMS}
    sent: list[tuple[str, int, int]] = []
    ends = dict.fromkeys(STREAMS, 0)
    while any(ends[stream] < len(streams[stream]) for stream in STREAMS) and len(sent) < 60:
        stream = draw(st.sampled_from([s for s in STREAMS if ends[s] < len(streams[s])]))
        start = draw(st.integers(0, ends[stream]))
        stop = draw(st.integers(start, len(streams[stream])))
        sent.append((stream, start, stop))
        ends[stream] = max(ends[stream], stop)
    calls: list[list[tuple[str, int, int]]] = [[]]
    for part in sent:
        calls[-1].append(part)
        if draw(st.booleans()):
            calls.append([])
    return {stream: streams[stream][: ends[stream]] for stream in STREAMS}, calls


async def test_any_splits_overlaps_and_repeats_give_the_exact_bytes(place: Place) -> None:
    store = place.open()
    numbers = iter(range(1_000_000))

    @settings(max_examples=40)
    @given(sendings())
    def check(plan: tuple[dict[str, bytes], list[list[tuple[str, int, int]]]]) -> None:
        asyncio.run_coroutine_threadsafe(send(*plan), loop).result(30)

    async def send(streams: dict[str, bytes], calls: list[list[tuple[str, int, int]]]) -> None:
        go = await started(store, next(numbers))
        for call in calls:
            await store.reads.output.append([append(go, a, streams[s][a:b], s) for s, a, b in call])
        for stream in STREAMS:
            assert await whole(store, go, stream, step=100) == streams[stream]
        (row,) = await store.reads.output.rows([(go.job_id, 1)])
        assert row is not None
        assert (row.stdout, row.stderr) == (len(streams["stdout"]), len(streams["stderr"]))

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(check)
