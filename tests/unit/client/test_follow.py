"""Following brings each byte once and in order, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web

from cmdexec.client import Ended, Followed, NewAttempt, Piece, follow
from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.protocol.requests import FollowAttempt, FollowEnd, FollowOutput
from tests.support.scripted import JOB_ID, Answer, Script, Scripted, break_off, error, job, json
from tests.support.waiting import becomes


def output(stream: str, offset: int, data: bytes, event_id: str = "") -> bytes:
    piece = msgspec.json.encode(FollowOutput(stream=stream, offset=offset, data=data))  # type: ignore[arg-type]
    named = f"id: {event_id}\n".encode() if event_id else b""
    return b"event: output\n" + named + b"data: " + piece + b"\n\n"


def attempt(number: int, run: int) -> bytes:
    return b"event: attempt\ndata: " + msgspec.json.encode(FollowAttempt(attempt=number, run=run)) + b"\n\n"


END = b"event: end\ndata: " + msgspec.json.encode(FollowEnd(job=job(exit_code=0))) + b"\n\n"


def events(*parts: bytes, then_break: bool = False, then_hang: bool = False) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if then_hang:
            await asyncio.Event().wait()
        return await break_off(request) if then_break else response

    return answer


async def followed(script: Script, **settings: object) -> list[Followed]:
    async with Scripted(script, **settings) as client:
        return await all_of(follow(client, JOB_ID))


async def all_of(events: AsyncIterator[Followed]) -> list[Followed]:
    return [one async for one in events]


async def test_both_streams_then_the_end() -> None:
    script = Script(
        events(attempt(1, 1), output("stdout", 0, b"a\x00\xff"), output("stderr", 0, b"b"), b": alive\n\n", END)
    )
    found = await followed(script)
    assert found == [
        NewAttempt(1, 1),
        Piece("stdout", 0, b"a\x00\xff"),
        Piece("stderr", 0, b"b"),
        Ended(job(exit_code=0)),
    ]
    assert script.requests[0].path == f"/api/jobs/{JOB_ID}/output"
    assert script.requests[0].query["follow"] == "1"
    assert script.requests[0].headers["Accept"] == "text/event-stream"


async def test_what_comes_twice_is_told_once() -> None:
    """A server that starts again from 0, or in the midst of what is known, doubles nothing."""
    script = Script(
        events(attempt(1, 1), output("stdout", 0, b"0123"), then_break=True),
        events(attempt(1, 1), output("stdout", 0, b"01234"), output("stderr", 0, b"e"), then_break=True),
        events(output("stdout", 3, b"3456"), output("stderr", 0, b"e"), END),
    )
    found = await followed(script)
    assert found == [
        NewAttempt(1, 1), Piece("stdout", 0, b"0123"), Piece("stdout", 4, b"4"), Piece("stderr", 0, b"e"),
        Piece("stdout", 5, b"56"), Ended(job(exit_code=0)),
    ]  # fmt: skip


async def test_the_newest_id_is_named_when_it_connects_again() -> None:
    script = Script(
        events(output("stdout", 0, b"0", "first"), output("stdout", 1, b"1", "second"), then_break=True),
        break_off,
        error(503, "draining"),
        events(output("stdout", 2, b"2", "third"), END),
    )
    found = await followed(script)
    assert b"".join(one.data for one in found if isinstance(one, Piece)) == b"012"
    assert [asked.headers.get("Last-Event-ID") for asked in script.requests] == [None, "second", "second", "second"]


async def test_a_gap_is_never_told_as_output() -> None:
    """What is missing is asked for again, from the beginning if need be."""
    script = Script(
        events(output("stdout", 0, b"01", "x"), output("stdout", 3, b"3", "y"), END),
        events(output("stdout", 0, b"0123"), END),
    )
    found = await followed(script)
    assert b"".join(one.data for one in found if isinstance(one, Piece)) == b"0123"
    assert script.requests[1].headers.get("Last-Event-ID") is None


async def test_offsets_begin_anew_with_another_attempt() -> None:
    script = Script(
        events(attempt(1, 1), output("stdout", 0, b"old")),
        events(attempt(3, 2), output("stdout", 0, b"new"), END),
    )
    found = await followed(script)
    assert [one for one in found if not isinstance(one, Ended)] == [
        NewAttempt(1, 1), Piece("stdout", 0, b"old"), NewAttempt(3, 2), Piece("stdout", 0, b"new"),
    ]  # fmt: skip


async def test_a_stream_that_ends_before_the_job_is_followed_anew() -> None:
    script = Script(events(output("stdout", 0, b"0")), events(output("stdout", 1, b"1"), END))
    found = await followed(script)
    assert found[-1] == Ended(job(exit_code=0))
    assert len(script.requests) == 2


async def test_a_silent_server_is_left_and_asked_again() -> None:
    script = Script(events(output("stdout", 0, b"0"), then_hang=True), events(output("stdout", 1, b"1"), END))
    found = await asyncio.wait_for(followed(script, follow_silence_sec="200ms"), 10)
    assert [one.data for one in found if isinstance(one, Piece)] == [b"0", b"1"]


async def test_a_server_that_stays_away_is_given_up() -> None:
    script = Script(events(output("stdout", 0, b"0"), then_break=True), break_off)
    with pytest.raises(Unavailable) as told:
        await followed(script, patience_sec="300ms")
    assert told.value.code == "server_away"


TROUBLE = b'event: error\ndata: {"error": {"code": "store_away", "message": "A part of the store is damaged."}}\n\n'


@pytest.mark.parametrize(
    ("again", "code"),
    [
        (events(attempt(1, 1), TROUBLE), "store_away"),
        (events(attempt(1, 1), output("stdout", 5, b"5", "1:6:0")), "output_gap"),
        (events(attempt(1, 1), output("stdout", 0, b"0")), "server_away"),
        (events(b": alive\n\n"), "server_away"),
    ],
)
async def test_a_server_that_has_nothing_new_to_say_is_told_of_and_given_up(again: Answer, code: str) -> None:
    """What comes again with each try is no answer."""
    told: list[CmdexecError] = []
    script = Script(events(attempt(1, 1), output("stdout", 0, b"0")), again)
    served = Scripted(script, patience_sec="400ms", tell_after_sec="100ms")
    async with served as client:
        client._notice = told.append
        with pytest.raises(Unavailable) as ended:
            await asyncio.wait_for(all_of(follow(client, JOB_ID)), 10)
    assert (ended.value.code, len(told)) == (code, 1)
    assert len(script.requests) < 60


async def test_a_silent_job_is_followed_over_any_number_of_connections() -> None:
    """A stream that stands says that the server is there, whether the job writes or not."""

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        clock, began = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
        for number in range(1, 11):
            await response.write(b": alive\n\n")
            await becomes(lambda number=number: clock() > began + number * 0.02, "the stream stands so long")
        return await break_off(request)

    script = Script(*[silent] * 4, events(output("stdout", 0, b"0"), END))
    found = await followed(script, patience_sec="300ms")
    assert found == [Piece("stdout", 0, b"0"), Ended(job(exit_code=0))]


async def test_a_login_that_ends_in_the_midst_is_looked_for_anew() -> None:
    """The stream is told that its token is over; the next request may have another one."""
    over = b'event: error\ndata: {"error":{"code":"unauthorized","message":"It is over."}}\n\n'
    script = Script(events(attempt(1, 1), output("stdout", 0, b"a", "1:1:0"), over), events(END))
    assert [type(event) for event in await followed(script)] == [NewAttempt, Piece, Ended]
    script = Script(events(attempt(1, 1), over), error(401, "unauthorized"))
    with pytest.raises(Refused, match=r"^No"):
        await followed(script)


async def test_a_refusal_ends_it() -> None:
    script = Script(error(404, "not_found"))
    with pytest.raises(Refused) as told:
        await followed(script)
    assert told.value.code == "not_found"


@pytest.mark.parametrize(
    "answer",
    [
        json({}),
        events(b"event: output\ndata: {}\n\n"),
        events(b"event: end\ndata: nonsense\n\n"),
        events(b"event: output\ndata: " + b"[" * 100_000 + b"\n\n"),
    ],
)
async def test_what_is_not_understood_is_a_mismatch(answer: Answer) -> None:
    with pytest.raises(CmdexecError) as told:
        await followed(Script(answer))
    assert told.value.code == "protocol_mismatch"


async def test_an_event_of_a_newer_version_is_skipped() -> None:
    found = await followed(Script(events(b"event: weather\ndata: sunny\n\n", END)))
    assert found == [Ended(job(exit_code=0))]
