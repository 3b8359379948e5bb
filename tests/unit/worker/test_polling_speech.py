"""What waits to be said over HTTP keeps its order and its bounds, and goes together where it may."""

import msgspec
import pytest

from cmdexec.protocol.codec import ask, encode
from cmdexec.protocol.messages import Held, OutputHeader
from cmdexec.worker.polling_speech import Piece, Said, Speech, chunks_of
from tests.support.worker import job_id

BODY_MAX = 64 * 1024


def speech(**bounds: int) -> Speech:
    return Speech(BODY_MAX, **({"queue_items": 100, "queue_bytes": 1_000_000} | bounds))


def named(number: int, count: int = 1) -> list[Held]:
    return [Held(job_id=job_id(number + n), attempt=1) for n in range(count)]


def header(number: int, offset: int, stream: str = "stdout") -> OutputHeader:
    return OutputHeader(job_id=job_id(number), attempt=1, stream=stream, offset=offset)  # type: ignore[arg-type]


def taken(queue: Speech) -> list[list[tuple[str, int]]]:
    """All that is taken, call by call: (op, number) or (the job's last digits, offset)."""
    calls = []
    while queue:
        calls.append(
            [
                (one.op, one.number or 0) if isinstance(one, Said) else (one.header.job_id[-2:], one.header.offset)
                for one in queue.take()
            ]
        )
    return calls


def test_frames_of_one_kind_that_follow_each_other_go_together() -> None:
    queue = speech()
    for number, op in enumerate(("start", "start", "done", "done", "start", "heartbeat", "heartbeat", "released"), 1):
        queue.put(ask(op, named(number), number), 0.0)
    assert taken(queue) == [
        [("start", 1), ("start", 2)], [("done", 3), ("done", 4)], [("start", 5)],
        [("heartbeat", 6)], [("heartbeat", 7)], [("released", 8)],
    ]  # fmt: skip


def test_output_of_one_attempt_goes_together_and_what_is_said_after_it_stays_after_it() -> None:
    queue = speech()
    queue.put_output(header(1, 0), b"a")
    queue.put_output(header(1, 0, "stderr"), b"b")
    queue.put_output(header(2, 0), b"c")
    queue.put(ask("done", named(1), 7), 0.0)
    queue.put_output(header(2, 1), b"d")
    assert taken(queue) == [[("01", 0), ("01", 0)], [("02", 0)], [("done", 7)], [("02", 1)]]


def test_no_call_is_larger_than_a_body_may_be() -> None:
    queue, whole = speech(), bytes(range(256)) * 1000
    queue.put_output(header(1, 10), memoryview(whole))
    for offset in range(400):
        queue.put_output(header(2, offset * 300), b"x" * 300)
    got = bytearray()
    counts = []
    while queue:
        pieces = [one for one in queue.take() if isinstance(one, Piece)]
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
    assert taken(queue) == [[("done", 1), ("done", 2)], [("done", 3), ("done", 4)]]


def test_there_is_room_while_half_of_it_is_free_and_for_anything_when_nothing_waits() -> None:
    queue = speech(queue_items=10, queue_bytes=1000)
    assert queue.has_room(10**9)
    queue.put_output(header(1, 0), b"x" * 300)
    assert queue.has_room(200)
    assert not queue.has_room(201)
    assert not queue.too_much
    queue.put_output(header(1, 300), b"x" * 701)
    assert queue.too_much
    queue.take()
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
    assert taken(queue) == [[("02", 0)], [("start", 1)]]
    assert queue.has_room(10**9), "and its bytes are free"


def test_chunks_are_what_the_route_takes() -> None:
    queue = speech()
    queue.put_output(OutputHeader(job_id=job_id(1), attempt=3, stream="stderr", offset=5, seq=2), b"\x00\xff")
    body = msgspec.json.decode(encode(chunks_of([one for one in queue.take() if isinstance(one, Piece)])))
    chunk = {"stream": "stderr", "offset": 5, "seq": 2, "data": "AP8="}
    assert body == {"jobId": job_id(1), "attempt": 3, "chunks": [chunk]}
