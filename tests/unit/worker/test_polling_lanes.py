"""A call over HTTP that fails, hangs or is too large for what lies in between holds up nothing but its own attempt."""

import asyncio
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cmdexec.link.socket import Close
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import Done, Heartbeat, Held, OutputHeader, Released
from tests.support.http_line import BEAT, NAMED, OK, REGISTERED, Line, lined, lost, says
from tests.support.waiting import becomes, stays
from tests.support.worker import job_id

ABOUT: dict[str, Any] = {"job_id": job_id(1), "attempt": 1}
PAGE = "<html>The proxy says no.</html>"


def header(number: int, offset: int = 0) -> OutputHeader:
    return OutputHeader(job_id=job_id(number), attempt=1, stream="stdout", offset=offset)


def done(number: int) -> Done:
    return Done(job_id=job_id(number), attempt=1, exit_code=0)


def limited(line: Line, most: int, status: int = 413) -> list[int]:
    """From now on what lies in between answers larger bodies of output with a page. Returns the sizes of those that
    it let through, as they come."""
    carried: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        size = len(await request.read())
        if size > most:
            return web.Response(status=status, text=PAGE)
        carried.append(size)
        return web.json_response({"acknowledged": {"stdout": sum(carried), "stderr": 0}})

    line.script.answers["stream-output"] = [answer]
    return carried


def chunks(line: Line) -> list[bytes]:
    """What each call with output brought, one by one."""
    return [b"".join(b64decode(one["data"]) for one in body["chunks"]) for body in line.script.of("stream-output")]


def sent(line: Line) -> int:
    """How far output came in its order, as far as it was acknowledged."""
    return max((ack.get("stdout", 0) for ack in line.heard.acks()), default=0)


async def test_output_that_hangs_holds_up_only_the_result_of_its_own_attempt(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        go_on = asyncio.Event()

        async def hangs(_: web.Request) -> web.Response:
            await go_on.wait()
            return web.json_response({"acknowledged": {"stdout": 3, "stderr": 0}})

        line.script.answers["stream-output"].insert(0, hangs)
        line.line.put_output(header(1), b"abc")
        await becomes(lambda: line.script.of("stream-output"), "it is under way")
        line.line.put(ask("done", [done(1)], 3))
        line.line.put(ask("done", [done(2)], 4))
        line.line.put(ask("heartbeat", [Heartbeat(jobs=())], 5))
        line.line.put(ask("start", [Held(job_id=job_id(3), attempt=1)], 6))
        line.line.put_output(header(4), b"def")
        await becomes(lambda: {4, 5, 6} <= line.heard.answers.keys(), "all others are said")
        await becomes(lambda: line.heard.acks(), "output of others too")
        assert 3 not in line.heard.answers
        go_on.set()
        await becomes(lambda: 3 in line.heard.answers, "then its own")


async def test_results_of_one_frame_are_answered_together_when_the_last_one_is(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        line.script.answers["submit-result"] = [says([{**NAMED, "tell": "again"}]), says([OK])]
        go_on = asyncio.Event()

        async def hangs(_: web.Request) -> web.Response:
            await go_on.wait()
            return web.json_response({"acknowledged": {"stdout": 3, "stderr": 0}})

        line.script.answers["stream-output"] = [hangs]
        line.line.put_output(header(1), b"abc")
        line.line.put(ask("done", [done(1), done(2)], 3))
        await becomes(lambda: line.script.of("submit-result"), "one is said")
        assert [one["jobId"] for one in line.script.of("submit-result")[0]] == [job_id(2)]
        go_on.set()
        await becomes(lambda: 3 in line.heard.answers, "both are answered")
        assert line.heard.answers[3] == [OK, {**NAMED, "tell": "again"}], "each in its place"


async def test_a_body_that_is_too_large_for_a_proxy_goes_in_smaller_ones(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        carried = limited(line, 40_000)
        line.line.put_output(header(1), bytes(200_000))
        line.line.put(ask("done", [done(1)], 3))
        await becomes(lambda: 3 in line.heard.answers, "all is said")
        offsets = [one["chunks"][0]["offset"] for one in line.script.of("stream-output")]
        assert offsets == sorted(offsets)
        assert sum(map(len, chunks(line)[-len(carried) :])) == 200_000
        assert max(carried) <= 40_000
        refused = len(line.script.of("stream-output")) - len(carried)
        assert refused <= 2, "once it is known, no larger one is tried"


async def test_one_that_gets_another_answer_than_the_servers_does_so_too_if_other_calls_get_through(
    tmp_path: Path,
) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        carried = limited(line, 40_000, 502)
        line.line.put_output(header(1), bytes(100_000))
        number = 10
        while not carried:
            number += 1
            line.line.put(ask("heartbeat", [Heartbeat()], number))
            await becomes(lambda number=number: number in line.heard.answers, "the line lives")  # type: ignore[misc]
        await becomes(lambda: sent(line) == sum(carried) and len(carried) >= 3, "all is said")


async def test_where_nothing_else_is_answered_either_the_line_ends_and_the_next_one_tries_less(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        line.script.answers["stream-output"] = [lost]
        line.line.put_output(header(1), bytes(50_000))
        ended = await line.end()
        assert (ended.code, ended.ours) == (Close.ABNORMAL, False)
        assert len(line.script.of("stream-output")) == 2, "a large one is not tried so often"
        assert line.bodies.most < 50_000


async def test_where_not_even_the_smallest_gets_through_it_is_tried_again_later_and_the_line_lives(
    tmp_path: Path,
) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        limited(line, 0)
        line.line.put_output(header(1), bytes(60_000))
        await becomes(lambda: line.heard.acks(), "it is told")
        (ack,) = line.heard.acks()
        assert (ack["tell"], ack["code"]) == ("again", "server_away")
        assert len(line.script.of("stream-output")) <= 4
        tried = len(line.script.of("stream-output"))
        await stays(lambda: len(line.script.of("stream-output")) == tried, "until the worker says it again", during=0.2)
        line.line.put(ask("done", [done(2)], 3))
        await becomes(lambda: 3 in line.heard.answers, "the line lives")


async def test_results_that_are_too_many_for_a_proxy_go_in_smaller_calls(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        counts: list[int] = []

        async def answer(request: web.Request) -> web.Response:
            body = await request.json()
            if len(await request.read()) > 20_000:
                return web.Response(status=413, text=PAGE)
            counts.append(len(body))
            return web.json_response([{"jobId": one["jobId"], "attempt": 1, "tell": "ok"} for one in body])

        line.script.answers["submit-result"] = [answer]
        line.line.put(ask("done", [done(number) for number in range(450)], 3))
        await becomes(lambda: 3 in line.heard.answers, "all are said")
        assert [one["jobId"] for one in line.heard.answers[3]] == [job_id(number) for number in range(450)]
        assert len(counts) > 1


async def test_orders_that_come_with_any_answer_to_a_heartbeat_are_heard(tmp_path: Path) -> None:
    """Also with one that only asks to start: what was told once is not told again before the next list."""
    async with lined(tmp_path) as line:
        await line.open()
        other = {"jobId": job_id(2), "attempt": 3}
        orders = {"stop": [other, NAMED], "cancel": [NAMED]}
        for number, op in ((3, "start"), (4, "released")):
            line.script.answers["heartbeat"] = [says({op: [OK], **orders})]
            item = Held(**ABOUT) if op == "start" else Released(**ABOUT, why="declined")
            line.line.put(ask(op, [item], number))
            await becomes(lambda number=number: number in line.heard.answers, "it is answered")  # type: ignore[misc]
        line.script.answers["heartbeat"] = [says({"leaseSec": 3, "heartbeatSec": 1, **orders})]
        line.line.put(ask("heartbeat", [Heartbeat(jobs=())], 5))
        await becomes(lambda: 5 in line.heard.answers, "it is answered")
        assert line.heard.orders == [("stop", [other]), ("cancel", [NAMED])] * 3


@pytest.mark.parametrize("more", [{"leaseSec": 30, "heartbeatSec": 10, "cancel": [NAMED]}, {}])
async def test_one_heartbeat_too_many_was_heard_where_its_answer_stands_beside_the_error(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    """A worker that begins beyond its bound is given jobs and orders like any other; a 429 alone tells it nothing."""
    async with lined(tmp_path) as line:
        line.script.answers["heartbeat"] = [
            lambda: web.json_response({"error": {"code": "too_many", "message": "No."}, **more}, status=429)
        ]
        await line.open()
        if more:
            assert line.heard.answers[2][0]["leaseSec"] == 30
            await becomes(lambda: line.script.of("get-job"), "it asks for jobs")
            assert line.heard.orders == [("cancel", [NAMED])]
        else:
            assert line.heard.answers[2] == [{"code": "too_many", "message": "No."}]
            assert not line.script.of("get-job")


async def test_a_call_about_the_worker_itself_that_hangs_is_made_again_within_its_lease(tmp_path: Path) -> None:
    """All that it says of itself goes in one order: one call that is never answered would cost it its lease."""
    async with lined(tmp_path, call_timeout_sec=30) as line:
        line.script.answers["register"] = [says({**REGISTERED, "leaseSec": 2})]
        await line.open()

        async def hangs(_: web.Request) -> web.Response:
            await asyncio.Event().wait()
            return web.Response()

        line.script.answers["heartbeat"] = [hangs, says(BEAT)]
        began = asyncio.get_running_loop().time()
        line.line.put(ask("start", [Held(**ABOUT)], 3))
        await becomes(lambda: 3 in line.heard.answers, "it is answered")
        assert 0.5 <= asyncio.get_running_loop().time() - began < 2
        assert len(line.script.of("heartbeat")) == 3
