"""A line without a socket, against HTTP that is scripted: what is lost is said again, what is refused is told so."""

import asyncio
import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cmdexec.link.socket import Close
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import Done, Heartbeat, Held, OutputHeader, Register
from tests.support.http_line import NAMED, OK, REGISTERED, error, lined, lost, says, waits
from tests.support.waiting import becomes, stays
from tests.support.worker import job_id


def done(number: int = 1) -> Done:
    return Done(job_id=job_id(number), attempt=1, exit_code=0)


async def test_what_it_says_goes_by_the_routes_and_is_answered_as_over_a_socket(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        assert line.heard.answers[1] == [REGISTERED]
        line.line.put_output(OutputHeader(job_id=job_id(1), attempt=1, stream="stdout", offset=0), b"abc")
        line.line.put(ask("done", [done()], 3))
        line.line.put(ask("start", [Held(job_id=job_id(1), attempt=1)], 4))
        await becomes(lambda: {3, 4} <= line.heard.answers.keys(), "all is answered")
        said = [what for what, _ in line.script.asked if what != "get-job"]
        assert said[:2] == ["register", "heartbeat"]
        assert said.index("stream-output") < said.index("submit-result"), "of one attempt in its order"
        assert line.heard.answers[3] == [OK]
        assert line.heard.answers[4] == [{**NAMED, "tell": "go"}]
        assert line.script.of("heartbeat")[-1] == {"start": [NAMED]}, "it is no list of what is held"
        assert line.heard.acks() == [{**NAMED, "stdout": 3}]
        assert all(headers["x-worker-token"] == "t" for headers in line.script.headers)
        assert all(headers["x-worker-instance"] == "me" for headers in line.script.headers)
        assert all(headers["x-worker-connection"] == "7" for headers in line.script.headers)


@pytest.mark.parametrize(
    "trouble", [lost, *(lambda status=n: web.Response(status=status, text="<html>") for n in (302, 404, 502))]
)
async def test_a_result_that_no_server_of_ours_answered_is_said_again(tmp_path: Path, trouble: Any) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        line.script.answers["submit-result"].insert(0, trouble)
        line.line.put(ask("done", [done()], 3))
        await becomes(lambda: 3 in line.heard.answers, "it is answered")
        assert line.heard.answers[3] == [OK]
        assert len(line.script.of("submit-result")) == 2


async def test_what_is_lost_time_and_again_ends_the_line_and_is_told_as_no_answer(tmp_path: Path) -> None:
    async with lined(tmp_path, call_tries=3) as line:
        await line.open()
        line.script.answers["submit-result"] = [lost]
        line.line.put(ask("done", [done()], 3))
        ended = await line.end()
        assert (ended.code, ended.ours) == (Close.ABNORMAL, False)
        assert "cannot be reached" in ended.reason
        assert 3 not in line.heard.answers
        assert len(line.script.of("submit-result")) >= 3


@pytest.mark.parametrize(("status", "code"), [(503, "store_away"), (429, "too_many"), (500, "internal")])
async def test_what_cannot_be_done_now_is_told_item_by_item(tmp_path: Path, status: int, code: str) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        line.script.answers["submit-result"].insert(0, error(status, code))
        line.line.put(ask("done", [done(1), done(2)], 3))
        await becomes(lambda: 3 in line.heard.answers, "it is answered")
        assert [item["code"] for item in line.heard.answers[3]] == [code, code]
        line.line.put(ask("done", [done(1)], 4))
        await becomes(lambda: 4 in line.heard.answers, "the line lives")


@pytest.mark.parametrize(("refusal", "code", "order"), [
    (lambda: error(401, "unauthorized"), Close.UNAUTHENTICATED, ("error", "unauthorized")),
    (lambda: error(403, "forbidden"), Close.FORBIDDEN, ("error", "forbidden")),
    (lambda: error(409, "replaced"), Close.REPLACED, ("error", "replaced")),
    (lambda: error(400, "bad_request"), Close.BAD_FRAME, ("error", "bad_request")),
    (lambda: error(422, "invalid_field"), Close.BAD_FRAME, ("error", "invalid_field")),
])  # fmt: skip
@pytest.mark.parametrize("where", ["submit-result", "get-job", "stream-output"])
async def test_a_refusal_of_the_worker_itself_ends_the_line_and_settles_no_result(
    tmp_path: Path, where: str, refusal: Any, code: int, order: tuple[str, str]
) -> None:
    async with lined(tmp_path) as line:
        line.script.answers[where] = [refusal]
        await line.open()
        if where == "stream-output":
            line.line.put_output(OutputHeader(job_id=job_id(1), attempt=1, stream="stdout", offset=0), b"abc")
        elif where == "submit-result":
            line.line.put(ask("done", [done()], 3))
        ended = await line.end()
        assert (ended.code, ended.reason) == (code, "No.")
        assert [(op, items[0]["code"]) for op, items in line.heard.orders] == [order]
        assert 3 not in line.heard.answers


async def test_a_server_that_stops_says_when_to_come_back(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        refusal = error(503, "draining")
        refusal.headers["Retry-After"] = "7"
        line.script.answers["get-job"] = [refusal]
        await line.open()
        ended = await line.end()
        assert ended.code == Close.GOING_AWAY
        assert line.heard.orders == [("drain", [{"reconnectAfterSec": 7.0, "message": "No."}])]


async def test_a_refused_registration_is_the_answer_to_it(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        line.script.answers["register"] = [error(401, "unauthorized", mend="Do.")]
        line.line.put(ask("register", [Register()], 1))
        await becomes(lambda: 1 in line.heard.answers, "it is answered")
        assert line.heard.answers[1] == [{"code": "unauthorized", "message": "No.", "mend": "Do."}]


@pytest.mark.parametrize(("status", "code", "expected", "tell", "offsets"), [
    (409, "output_gap", {"stdout": 2, "stderr": 1}, "resend", (2, 1)),
    (409, "resume_first", None, "again", (0, 0)),
    (409, "not_started", None, "again", (0, 0)),
    (409, "stale_attempt", {"attempt": 2}, "stop", (0, 0)),
    (507, "output_limit", None, "stop", (0, 0)),
    (507, "disk_full", None, "again", (0, 0)),
    (503, "store_away", None, "again", (0, 0)),
])  # fmt: skip
async def test_output_that_is_not_taken_says_what_becomes_of_it_and_of_what_follows(
    tmp_path: Path, status: int, code: str, expected: Any, tell: str, offsets: tuple[int, int]
) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        started, go_on = asyncio.Event(), asyncio.Event()

        async def refuses(_: web.Request) -> web.Response:
            started.set()
            await go_on.wait()
            return error(status, code, **({"expected": expected} if expected else {}))

        line.script.answers["stream-output"].insert(0, refuses)
        about = {"job_id": job_id(1), "attempt": 1, "stream": "stdout"}
        line.line.put_output(OutputHeader(**about, offset=0), b"abc")  # type: ignore[arg-type]
        await started.wait()
        line.line.put_output(OutputHeader(**about, offset=3), b"def")  # type: ignore[arg-type]
        line.line.put(ask("start", [Held(job_id=job_id(1), attempt=1)], 3))
        go_on.set()
        await becomes(lambda: 3 in line.heard.answers, "the line lives")
        (ack,) = line.heard.acks()
        assert (ack["tell"], ack["code"]) == (tell, code)
        assert (ack.get("stdout", 0), ack.get("stderr", 0)) == offsets
        assert len(line.script.of("stream-output")) == 1, "what was put after it is not sent"


async def test_a_poll_that_was_lost_is_made_again_with_the_same_claim(tmp_path: Path) -> None:
    job = {**NAMED, "command": "true", "env": {}, "timeoutSec": None, "killGraceSec": None, "onLost": "hold"}
    async with lined(tmp_path) as line:
        line.free = 3
        stale = NAMED | {"attempt": 2}
        orders = {"jobs": [job], "stop": [stale, NAMED], "cancel": [NAMED]}
        line.script.answers["get-job"] = [lost, lost, says(orders), waits]
        await line.open()
        await becomes(lambda: line.heard.orders, "it is answered")
        assert line.heard.orders == [("stop", [stale]), ("cancel", [NAMED]), ("assign", [job])]
        await becomes(lambda: len(line.script.of("get-job")) == 4, "it asks on")
        asked = line.script.of("get-job")
        assert len({one["claim"] for one in asked[:3]}) == 1
        assert asked[3]["claim"] != asked[0]["claim"]
        assert {one["max"] for one in asked} == {"3"}
        assert {one["wait"] for one in asked} == {"30"}


async def test_a_slot_that_comes_free_is_asked_for_while_a_poll_for_orders_is_open(tmp_path: Path) -> None:
    async with lined(tmp_path) as line:
        await line.open()
        await becomes(lambda: len(line.script.of("get-job")) == 1, "it polls for orders alone")
        line.free = 2
        line.line.put(ask("done", [done()], 3))
        await becomes(lambda: len(line.script.of("get-job")) == 2, "it asks for jobs")
        assert [one["max"] for one in line.script.of("get-job")] == ["0", "2"]
        line.line.put(ask("done", [done()], 4))
        await becomes(lambda: 4 in line.heard.answers, "it is answered")
        assert len(line.script.of("get-job")) == 2, "one poll for jobs is enough"


async def test_it_is_settled_while_no_poll_for_jobs_is_under_way(tmp_path: Path) -> None:
    answer = asyncio.Event()

    async def nothing(_: web.Request) -> web.Response:
        await answer.wait()
        return web.Response(status=204)

    async with lined(tmp_path) as line:
        line.free = 1
        line.script.answers["get-job"] = [nothing, waits]
        await line.open()
        await becomes(lambda: line.script.of("get-job"), "it asks for jobs")
        assert not line.line.settled
        line.free = 0
        heard = line.heard.times
        answer.set()
        await becomes(lambda: line.line.settled, "it was answered")
        await becomes(lambda: line.heard.times > heard, "and that was told")
        await becomes(lambda: len(line.script.of("get-job")) == 2, "it asks for orders alone")
        assert line.line.settled


async def test_polls_that_are_sent_away_at_once_are_not_made_in_a_whirl(tmp_path: Path) -> None:
    async with lined(tmp_path, again_sec=5.0) as line:
        line.free = 1
        line.script.answers["get-job"] = [lambda: web.Response(status=204)]
        await line.open()
        await becomes(lambda: line.script.of("get-job"), "it polls")
        await stays(lambda: len(line.script.of("get-job")) == 1, "it waits before it polls again", during=0.3)


async def test_a_list_that_was_not_heard_in_time_is_not_said_later(tmp_path: Path) -> None:
    """It says what was held then; the next one says what is held now."""
    async with lined(tmp_path, again_sec=0.0) as line:
        await line.open()
        line.script.answers["heartbeat"].insert(0, lost)
        line.line.put(ask("heartbeat", [Heartbeat(jobs=())], 3))
        await becomes(lambda: 3 in line.heard.answers, "it is answered")
        assert line.heard.answers[3][0]["code"] == "server_away"
        line.line.put(ask("heartbeat", [Heartbeat(jobs=())], 4))
        await becomes(lambda: 4 in line.heard.answers, "the line lives")
        assert len(line.script.of("heartbeat")) == 3


async def test_closing_says_what_waits_and_handing_over_does_not(tmp_path: Path) -> None:
    for hand_over in (False, True):
        async with lined(tmp_path, hand_over_sec=5.0) as line:
            await line.open()
            go_on = asyncio.Event()

            async def slow(_: web.Request, go_on: asyncio.Event = go_on) -> web.Response:
                await go_on.wait()
                return web.json_response([OK])

            line.script.answers["submit-result"] = [slow, says([OK])]
            line.line.put(ask("done", [done()], 3))
            await becomes(lambda line=line: line.script.of("submit-result"), "a call is under way")
            line.line.put(ask("heartbeat", [Heartbeat()], 4))
            if hand_over:
                line.line.hand_over()
            else:
                line.line.close(Close.NORMAL, "")
            line.line.put(ask("heartbeat", [Heartbeat()], 5))
            go_on.set()
            ended = await line.end()
            assert ended.ours
            assert line.heard.answers[3] == [OK], "the call that was under way is heard"
            assert (4 in line.heard.answers) is not hand_over
            assert 5 not in line.heard.answers
            assert Counter(what for what, _ in line.script.asked)["heartbeat"] == (1 if hand_over else 2)


@pytest.mark.parametrize(("servers", "wanted"), [(99_000, 99_000), (64 * 2**20, 2**20)])
async def test_no_message_is_larger_than_the_server_or_a_route_takes(tmp_path: Path, servers: int, wanted: int) -> None:
    async with lined(tmp_path, max_frame_bytes=64 * 2**20) as line:
        line.script.answers["register"] = [says(REGISTERED | {"maxFrameBytes": servers})]
        await line.open()
        assert line.heard.answers[1] == [REGISTERED | {"maxFrameBytes": wanted}]
        line.line.put_output(OutputHeader(job_id=job_id(1), attempt=1, stream="stdout", offset=0), bytes(3 * wanted))
        line.line.put(ask("done", [done()], 3))
        await becomes(lambda: 3 in line.heard.answers, "all is said")
        bodies = [int(one["content-length"]) for one in line.script.headers if "content-length" in one]
        assert max(bodies) <= wanted
        sent = [
            len(base64.b64decode(one["data"])) for body in line.script.of("stream-output") for one in body["chunks"]
        ]
        assert sum(sent) == 3 * wanted
