"""What waits to be said over HTTP keeps the order of each attempt and its bounds, and goes together where it may."""

import msgspec
import pytest

from cmdexec.protocol.codec import ask, encode
from cmdexec.protocol.messages import Heartbeat, Held, OutputHeader
from cmdexec.worker.polling_bodies import LEAST, Bodies
from cmdexec.worker.polling_speech import Speech, chunks_of
from tests.support.worker import job_id

BODY_MAX = 64 * 1024


def speech(bodies: Bodies | None = None, **bounds: int) -> Speech:
    return Speech(BODY_MAX, bodies or Bodies(), **({"queue_items": 100, "queue_bytes": 1_000_000} | bounds))


def named(number: int, count: int = 1) -> list[Held]:
    return [Held(job_id=job_id(number + n), attempt=1) for n in range(count)]


def header(number: int, offset: int, stream: str = "stdout") -> OutputHeader:
    return OutputHeader(job_id=job_id(number), attempt=1, stream=stream, offset=offset)  # type: ignore[arg-type]


def output(queue: Speech) -> list[list[tuple[str, int]]]:
    """All output that may be said, call by call: (the job's last digits, offset)."""
    calls = []
    while pieces := queue.take_output():
        queue.said(pieces)
        calls.append([(one.header.job_id[-2:], one.header.offset) for one in pieces])
    return calls


def frames(queue: Speech) -> list[list[tuple[str, int]]]:
    """All that may be said but output, call by call: (op, number), once for all items of a frame."""
    calls = []
    for take in (queue.take_frames, queue.take_results):
        while said := take():
            calls.append([(one.op, one.number) for one in said if one.index == one.count - 1])
    return calls


def test_frames_of_one_kind_that_follow_each_other_go_together_and_results_for_themselves() -> None:
    queue = speech()
    for number, op in enumerate(("start", "start", "done", "done", "start", "heartbeat", "heartbeat", "released"), 1):
        queue.put(ask(op, named(number), number), 0.0)
    assert frames(queue) == [
        [("start", 1), ("start", 2), ("start", 5)], [("heartbeat", 6)], [("heartbeat", 7)], [("released", 8)],
        [("done", 3), ("done", 4)],
    ]  # fmt: skip
    assert not queue


def test_the_end_of_an_attempt_waits_for_its_output_and_for_nothing_else() -> None:
    queue = speech()
    queue.put_output(header(1, 0), b"a")
    queue.put_output(header(1, 0, "stderr"), b"b")
    queue.put_output(header(2, 0), b"c")
    queue.put(ask("done", [*named(1), *named(3)], 7), 0.0)
    queue.put(ask("released", named(2), 8), 0.0)
    queue.put(ask("start", named(4), 9), 0.0)
    assert frames(queue) == [[("start", 9)], [("done", 7)]], "of result 7 the item of job 3"
    first, second = queue.take_output(), queue.take_output()
    assert [[one.about[0][-2:] for one in pieces] for pieces in (first, second)] == [["01", "01"], ["02"]]
    assert frames(queue) == [], "it is under way, and not said"
    queue.said(second)
    assert frames(queue) == [[("released", 8)]]
    queue.said(first)
    assert [one.about for one in queue.take_results()] == [(job_id(1), 1)]
    assert not queue


def test_of_one_attempt_one_call_is_under_way_and_the_attempts_take_turns() -> None:
    queue = speech(queue_bytes=10**7)
    for number in (1, 2):
        queue.put_output(header(number, 0), bytes(100_000))
    first, second = queue.take_output(), queue.take_output()
    assert [first[0].about[0], second[0].about[0]] == [job_id(1), job_id(2)]
    assert queue.take_output() == []
    queue.said(second)
    queue.said(first)
    assert [one[0][0] for one in output(queue)] == ["01", "02", "01", "02"]


def test_a_list_that_goes_ahead_of_a_release_still_has_its_attempt() -> None:
    queue = speech()
    queue.put_output(header(1, 0), b"a")
    queue.put(ask("released", named(1), 1), 0.0)
    queue.put(ask("heartbeat", [Heartbeat(jobs=tuple(named(2)))], 2), 0.0)
    queue.put(ask("heartbeat", [Heartbeat()], 3), 0.0)
    (whole,), (part,) = queue.take_frames(), queue.take_frames()
    assert [one["jobId"] for one in msgspec.json.decode(whole.item)["jobs"]] == [job_id(2), job_id(1)]
    assert "jobs" not in msgspec.json.decode(part.item)


def test_what_was_not_said_goes_again_in_smaller_calls() -> None:
    bodies = Bodies()
    queue = speech(bodies, queue_items=1000)
    queue.put_output(header(1, 0), bytes(37_000))
    queue.put(ask("start", named(1, 500), 1), 0.0)
    pieces, said = queue.take_output(), queue.take_frames()
    assert (len(pieces), len(said)) == (1, 500)
    assert bodies.lost(len(encode(chunks_of(pieces))))
    queue.put_back(pieces)
    queue.said(pieces)
    queue.put_back(said)
    assert [one[0] for one in output(queue)] == [("01", 0), ("01", 13_101), ("01", 26_202)]
    again = []
    while more := queue.take_frames():
        assert sum(len(one.item) for one in more) <= LEAST // 2
        again += more
    assert [one.index for one in again] == list(range(500))


def test_the_bound_of_bodies_grows_again_when_many_were_carried_and_each_loss_asks_for_more() -> None:
    bodies = Bodies()
    assert not bodies.lost(LEAST), "no smaller one is worth a try"
    for needed in (128, 512):
        assert bodies.lost(400_000)
        assert bodies.lost(300_000)
        assert bodies.most == 150_000, "half of the smaller one"
        for _ in range(needed - 1):
            bodies.carried(100_000)
        bodies.carried(10_000)
        assert bodies.most == 150_000
        bodies.carried(100_000)
        assert bodies.most == 300_000


def test_no_call_is_larger_than_a_body_may_be() -> None:
    queue, whole = speech(), bytes(range(256)) * 1000
    queue.put_output(header(1, 10), memoryview(whole))
    for offset in range(400):
        queue.put_output(header(2, offset * 300), b"x" * 300)
    got = bytearray()
    counts = []
    while queue:
        pieces = queue.take_output()
        queue.said(pieces)
        assert len(encode(chunks_of(pieces))) <= BODY_MAX
        counts.append(len(pieces))
        if pieces[0].header.job_id == job_id(1):
            assert pieces[0].header.offset == 10 + len(got)
            got += b"".join(piece.data for piece in pieces)
    assert bytes(got) == whole
    assert max(counts) == 100, "at most so many pieces go together"


def test_many_results_are_said_in_several_calls() -> None:
    queue = speech()
    for number in range(4):
        queue.put(ask("done", named(number * 200, 200), number + 1), 0.0)
    counts = []
    while said := queue.take_results():
        counts.append(len(said))
    assert counts == [500, 300]


def test_there_is_room_while_half_of_it_is_free_and_for_anything_when_nothing_waits() -> None:
    queue = speech(queue_items=10, queue_bytes=1000)
    assert queue.has_room(10**9)
    queue.put_output(header(1, 0), b"x" * 300)
    assert queue.has_room(200)
    assert not queue.has_room(201)
    assert not queue.too_much
    queue.put_output(header(1, 300), b"x" * 701)
    assert queue.too_much
    queue.take_output()
    assert queue.has_room(10**9)
    assert not queue.too_much


@pytest.mark.parametrize("count", [10, 11])
def test_no_more_frames_wait_than_may(count: int) -> None:
    queue = speech(queue_items=10)
    for number in range(count):
        queue.put(ask("start", named(number), number), 0.0)
    assert queue.too_much is (count > 10)


def test_what_follows_output_that_was_not_taken_is_dropped() -> None:
    queue = speech()
    queue.put_output(header(1, 0), b"a" * 10)
    queue.put_output(header(2, 0), b"b" * 20)
    queue.put_output(header(1, 10), b"c" * 30)
    queue.put(ask("start", named(1), 1), 0.0)
    queue.drop(job_id(1), 1)
    assert (output(queue), frames(queue)) == ([[("02", 0)]], [[("start", 1)]])
    assert queue.has_room(10**9), "and its bytes are free"


def test_chunks_are_what_the_route_takes() -> None:
    queue = speech()
    queue.put_output(OutputHeader(job_id=job_id(1), attempt=3, stream="stderr", offset=5, seq=2), b"\x00\xff")
    body = msgspec.json.decode(encode(chunks_of(queue.take_output())))
    chunk = {"stream": "stderr", "offset": 5, "seq": 2, "data": "AP8="}
    assert body == {"jobId": job_id(1), "attempt": 3, "chunks": [chunk]}
