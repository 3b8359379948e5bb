"""`/ws`: who gets a socket, and what closes it: a code of ours and a sentence, never silence, never a fault."""

import json
import struct
from typing import Any

import aiohttp
import pytest

from tests.support.api import Api
from tests.support.server import Running
from tests.support.speaker import Speaker, speaking

UPGRADE = {
    "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}  # fmt: skip


def upgrade(server: Running, who: str, **more: str) -> tuple[int, bytes]:
    headers = {name.replace("_", "-"): value for name, value in (UPGRADE | more).items()}
    status, _, body = Api(server.url).call("GET", "/ws", None, headers | server.headers(who))
    return status, body


async def test_who_shows_no_credential_is_told_what_to_send_and_closed(server: Running) -> None:
    async with speaking(server.url, server.headers("none")) as speaker:
        (failure,) = await speaker.told("error")
        assert all(name in failure["message"] for name in ("x-worker-token", "Authorization"))
        assert await speaker.ended() == (4401, failure["message"])


@pytest.mark.parametrize("login", ["over", "odd"])
async def test_a_page_whose_login_has_ended_is_told_so_and_closed(server: Running, login: str) -> None:
    """Of an upgrade that is refused a page hears nothing but that there is no socket, as if the server were away."""
    cookie = f"cmdexec-{server.process.port}={server.cookies.get(login, 'odd')}"
    async with speaking(server.url, {"Cookie": cookie, "Origin": server.url}) as speaker:
        (failure,) = await speaker.told("error")
        assert failure["code"] == "unauthorized"
        assert await speaker.ended() == (4401, failure["message"])
    headers = server.headers("bad") | {"Cookie": cookie, "Origin": server.url}
    assert Api(server.url).call("GET", "/ws", None, UPGRADE | headers)[0] == 401


async def test_what_people_say_is_refused_from_a_worker_by_its_name(server: Running) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.say({"op": "watch", "id": 1, "items": [{"what": "jobs"}]})
        (failure,) = await speaker.told("error")
        assert failure["message"] == "No frame of a worker is called `watch`."
        assert await speaker.ended() == (4400, failure["message"])


@pytest.mark.parametrize(("who", "status"), [("bad", 401), ("revoked", 401), ("expired", 401), ("fired", 403)])
def test_bad_credentials_get_no_socket(server: Running, who: str, status: int) -> None:
    assert upgrade(server, who)[0] == status


@pytest.mark.parametrize(("headers", "status"), [
    ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Host": "evil.example"}, 421),
    ({"Sec_WebSocket_Protocol": "cmdexec.v9"}, 400), ({"Sec_WebSocket_Version": "99"}, 400),
    ({"Sec_WebSocket_Key": "short"}, 400), ({"Upgrade": "h2c"}, 400),
])  # fmt: skip
def test_upgrades_that_are_refused(server: Running, headers: dict[str, str], status: int) -> None:
    got, body = upgrade(server, "worker", **headers)
    if status == 400:
        assert got in (400, 426)
    else:
        assert got == status
    assert json.loads(body)["error"]["message"]


def test_the_path_of_the_socket_takes_nothing_else(server: Running) -> None:
    assert Api(server.url).call("GET", "/ws", None, server.headers("worker"))[0] == 400
    assert Api(server.url).call("POST", "/ws", {}, server.headers("worker"))[0] == 405


async def test_no_subprotocol_is_v1_and_an_origin_of_our_own_is_taken(server: Running) -> None:
    own = {"Origin": server.url}
    async with speaking(server.url, server.headers("worker") | own, None) as speaker:
        (answer,) = await speaker.ask("register", {"slots": 2})
        assert answer["workerId"] == "worker-1"
        assert answer["leaseSec"] == 60
        assert speaker.ws.protocol is None
    async with speaking(server.url, server.headers("worker")) as speaker:
        assert speaker.ws.protocol == "cmdexec.v1"


TEXTS = {
    "no JSON": "{",
    "empty": "",
    "a number": "5",
    "a list of numbers": "[1]",
    "no op": '{"items": []}',
    "an unknown op": '{"op": "destroy", "items": []}',
    "an op of the server's": '{"op": "assign", "items": []}',
    "an op that is a number": '{"op": 1, "items": []}',
    "items that are no list": '{"op": "register", "items": {}}',
    "an item of another kind": '{"op": "register", "items": [5]}',
    "no slots": '{"op": "register", "items": [{"slots": 0}]}',
    "not registered": '{"op": "heartbeat", "id": 1, "items": [{}]}',
    "another's id": '{"op": "register", "id": 1, "items": [{"workerId": "somebody", "slots": 1}]}',
    "nested deeply": "[" * 60_000,
    "too many items": json.dumps({"op": "start", "items": [{"jobId": "x", "attempt": 1}] * 10_001}),
    "an id that is huge": '{"op": "register", "id": 1e400, "items": []}',
}
BINARIES = {
    "empty": b"",
    "too short": b"\0\0",
    "a header longer than the frame": struct.pack(">I", 100) + b"{}",
    "a huge header": struct.pack(">I", 2**31) + b"{}",
    "a header that is no JSON": struct.pack(">I", 2) + b"{]",
    "a header without fields": struct.pack(">I", 2) + b"{}",
    "an offset below 0": struct.pack(">I", 112) + json.dumps({
        "jobId": "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f", "attempt": 1, "stream": "stdout", "offset": -1,
    }).encode().ljust(112),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
async def test_a_text_that_is_no_frame_of_a_worker_closes_the_socket(server: Running, name: str) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.ws.send_str(TEXTS[name])
        await closed_with_a_sentence(speaker)


@pytest.mark.parametrize("name", BINARIES)
async def test_a_binary_that_is_no_output_closes_the_socket(server: Running, name: str) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.ask("register", {"slots": 1})
        await speaker.ws.send_bytes(BINARIES[name])
        await closed_with_a_sentence(speaker)


async def closed_with_a_sentence(speaker: Speaker) -> None:
    code, reason = await speaker.ended()
    assert code in (4400, 4403), (code, reason)
    assert reason.endswith((".", "…")) or len(reason.encode()) > 100
    assert "Expected" not in reason
    assert "Traceback" not in reason


async def test_a_message_too_large_closes_with_4413(server: Running) -> None:
    for send in ("text", "binary"):
        async with speaking(server.url, server.headers("worker")) as speaker:
            await speaker.ask("register", {"slots": 1})
            large = 2**20 + 64  # the kernel takes it at once: it is sent before the socket is closed
            await (speaker.ws.send_str("x" * large) if send == "text" else speaker.ws.send_bytes(bytes(large)))
            code, reason = await speaker.ended()
            assert (code, bool(reason)) == (4413, True)


async def test_text_that_is_not_utf8_closes_with_4400(server: Running) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.ws.send_frame(b"\xff\xfe", aiohttp.WSMsgType.TEXT)
        code, _ = await speaker.ended()
        assert code == 4400


async def test_a_socket_that_says_nothing_is_closed(server: Running) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        code, reason = await speaker.ended()
        assert (code, reason) == (4408, "The first frame, `register`, did not come in time.")


async def test_a_worker_that_registers_again_by_the_same_socket_is_told_so(server: Running) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.ask("register", {"slots": 1})
        await speaker.say({"op": "register", "id": 2, "items": [{"slots": 1}]})
        assert await speaker.ended() == (4400, "`register` is said once, with one item.")


async def test_a_worker_without_a_name_is_called_by_its_id(server: Running) -> None:
    async with speaking(server.url, {"x-worker-token": server.shared(workerId="nameless-1")}) as speaker:
        await speaker.ask("register", {"slots": 1})
        listed = server.api().ask("GET", "/api/workers/list")["workers"]
        assert [one["name"] for one in listed if one["workerId"] == "nameless-1"] == ["nameless-1"]


async def test_who_has_registered_may_be_silent(server: Running) -> None:
    """UPGRADE_TIMEOUT_SEC of this server is 0.8 s."""
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.ask("register", {"slots": 1})
        async with speaking(server.url, server.headers("another worker")) as silent:
            assert (await silent.ended())[0] == 4408
        (answer,) = await speaker.ask("heartbeat", {"jobs": []})
        assert answer["leaseSec"] == 60


async def test_the_newer_process_of_a_worker_replaces_the_older(server: Running) -> None:
    async with speaking(server.url, server.headers("worker")) as older:
        await older.ask("register", {"slots": 1, "instanceId": "a", "session": "s"})
        async with speaking(server.url, server.headers("worker")) as newer:
            await newer.ask("register", {"slots": 1, "instanceId": "b", "session": "s"})
            code, reason = await older.ended()
            assert code == 4409
            assert reason


async def test_a_job_goes_from_submission_to_its_end_over_one_socket(server: Running) -> None:
    api = server.api("operator")
    job_id = api.create({"command": ["echo", "hi"], "env": {"A": "1"}})["jobId"]
    async with speaking(server.url, server.headers("worker")) as speaker:
        await speaker.ask("register", {"slots": 500})
        await speaker.ask("heartbeat", {"jobs": []})
        jobs: dict[str, dict[str, Any]] = {}
        while job_id not in jobs:
            jobs |= {job["jobId"]: job for job in await speaker.told("assign")}
        job = jobs[job_id]
        assert (job["command"], job["env"]) == (["echo", "hi"], {"A": "1"})
        assert api.job(job_id)["waitingFor"] == "next on worker worker-1"
        (told,) = await speaker.ask("start", {"jobId": job_id, "attempt": job["attempt"]})
        assert told["tell"] == "go"
        assert api.job(job_id)["status"] == "running"
        end = {"jobId": job_id, "attempt": job["attempt"], "exitCode": 3, "inline": {"stdout": "aGkK"},
               "output": {"stdout": {"bytes": 3}, "stderr": {"bytes": 0}}}  # fmt: skip
        (told,) = await speaker.ask("done", end)
        assert told["tell"] == "ok"
        ended = api.job(job_id)
        assert (ended["status"], ended["reason"], ended["exitCode"], ended["run"]) == ("failed", "exit", 3, 1)
        assert api.output(job_id) == b"hi\n"
        listed = {worker["workerId"]: worker for worker in api.ask("GET", "/api/workers/list")["workers"]}
        assert listed["worker-1"]["state"] == "online"
        await speaker.ask("released", *(
            {"jobId": other["jobId"], "attempt": other["attempt"], "why": "neverSpawned"}
            for other in jobs.values() if other["jobId"] != job_id
        ))  # fmt: skip
