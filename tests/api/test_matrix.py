"""Who may do what: a table written by hand, compared with what the running server answers."""

import csv
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from cmdexec.protocol.operations import FRAMES, ROUTES
from cmdexec.protocol.watching import UP
from cmdexec.server.identity.workers import hash_of
from tests.support.api import Api
from tests.support.server import Running
from tests.support.speaker import speaking
from tests.support.system import EMAIL

TABLE = list(csv.DictReader((Path(__file__).parent / "matrix.csv").read_text().splitlines()))
ROWS = [row for row in TABLE if row["method"] != "WS"]
WHO = [name for name in ROWS[0] if name not in ("method", "path", "body")]
NOBODYS = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"
NEVER_GIVEN = 1000
"""No attempt of the job: other tests' workers may hold those that are."""

VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.fixture(scope="session")
def job(server: Running) -> str:
    return str(server.api().create({"command": "true"})["jobId"])


@pytest.fixture(scope="session")
def enlisted(server: Running) -> None:
    """All who may work have registered, as the other routes want them to."""
    row = next(row for row in ROWS if row["path"] == "/api/workers/register")
    for who in (who for who in WHO if row[who] == "200"):
        Api(server.url).call("POST", row["path"], {"slots": 1}, server.headers(who))


@pytest.fixture(scope="session")
def join_token(server: Running) -> str:
    return str(server.api().ask("POST", "/api/join-tokens", {"uses": 1000})["token"])


def filled(path: str, job: str) -> str:
    """A row's path: `{job}` is a job that there is, any other field names something that there is not."""
    return re.sub(r"\{\w+\}", NOBODYS, path.replace("{job}", job))


def body_of(kind: str, server: Running, job: str, join_token: str) -> object:
    """`odd`: what nobody may ask, so that who is allowed to do it gets 422 and it is not done."""
    bodies = {
        "odd": {"odd": True},
        "nothing": {},
        "user": {"email": f"{uuid4().hex}@test", "role": "viewer", "password": "of no use to anybody"},
        "join": {"token": join_token, "credentialHash": hash_of(uuid4().hex)},
        "login": {"email": EMAIL, "password": server.process.password},
        "job": {"command": "true"},
        "cancel": {"jobId": job},
        "register": {"slots": 1},
        "beat": {},
        "chunks": {"jobId": job, "attempt": NEVER_GIVEN, "chunks": [{"stream": "stdout", "offset": 0, "data": "eA=="}]},
        "result": {"jobId": job, "attempt": NEVER_GIVEN, "exitCode": 0},
    }
    return bodies.get(kind)


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    rows = [(row["method"], row["path"].partition("?")[0].replace("{job}", "{jobId}")) for row in ROWS]
    assert sorted(rows) == sorted((route.method, route.path) for route in ROUTES)


def test_every_frame_has_its_row_and_every_row_its_frame() -> None:
    assert sorted(row["path"] for row in TABLE if row["method"] == "WS") == sorted([*FRAMES, *UP])


@pytest.mark.usefixtures("enlisted")
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("row", ROWS, ids=[f"{row['method']} {row['path'].partition('?')[0]}" for row in ROWS])
def test_each_may_do_what_the_table_says(
    server: Running, job: str, join_token: str, row: dict[str, str], who: str
) -> None:
    api, path = Api(server.url), filled(row["path"], job)
    sent = body_of(row["body"], server, job, join_token)
    shown = server.headers(who, spare=path == "/api/auth/login")  # whose login it is, that one ends
    status, headers, body = api.call(row["method"], path, sent, shown)
    assert (status, who) == (int(row[who]), who), body
    assert (status == 401) == ("www-authenticate" in headers)
    if row["method"] == "GET":
        alike, _, nothing = api.call("HEAD", path, None, server.headers(who))
        assert (alike, nothing) == (status, b"")


ITEMS: dict[str, dict[str, Any]] = {
    "register": {"slots": 1}, "heartbeat": {}, "start": {"jobId": NOBODYS, "attempt": 1},
    "released": {"jobId": NOBODYS, "attempt": 1, "why": "dead"}, "done": {"jobId": NOBODYS, "attempt": 1},
}  # fmt: skip


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("row", [row for row in TABLE if row["method"] == "WS"], ids=lambda row: str(row["path"]))
async def test_each_may_say_what_the_table_says(server: Running, row: dict[str, str], who: str) -> None:
    """A status: there is no socket. A number of four digits: it is closed with that. Else the frame is answered; with
    an error, if that stands there."""
    assert (await said(server, row["path"], who), who) == (row[who], who)


async def said(server: Running, op: str, who: str) -> str:
    try:
        async with speaking(server.url, server.headers(who)) as speaker:
            try:
                if op not in ("register", *UP):
                    await speaker.ask("register", {"slots": 1})
                if op in UP:
                    (told,) = await speaker.ask(
                        op, {"job": {"command": "true"}} if op == "submit" else {"what": "jobs"}
                    )
                    return str(told.get("code", "answer"))
                if op == "output":
                    await speaker.send_output({"jobId": NOBODYS, "attempt": 1}, "stdout", 0, b"x")
                    assert await speaker.told("ack")
                else:
                    assert await speaker.ask(op, ITEMS[op])
            except (AssertionError, ConnectionError):
                code, reason = await speaker.ended()
                assert reason
                return str(code)
            return "answer"
    except aiohttp.WSServerHandshakeError as wrong:
        return str(wrong.status)


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES} | {"/ws"}))
def test_a_wrong_method_is_405_with_allow_for_who_is_known_and_401_for_who_is_not(
    server: Running, job: str, path: str
) -> None:
    mine = {route.method for route in ROUTES if route.path == path}
    allowed = {"GET"} if path == "/ws" else mine | ({"HEAD"} if "GET" in mine else set())
    for verb in [verb for verb in VERBS if verb not in allowed]:
        for who, expected in (("admin", 405), ("worker", 405), ("bad", 401), ("expired", 401)):
            status, headers, _ = Api(server.url).call(verb, filled(path, job), None, server.headers(who))
            assert (status, who, verb) == (expected, who, verb)
            if status == 405:
                assert headers["allow"] == ", ".join(sorted(allowed))


def test_an_authorization_header_decides_alone(server: Running) -> None:
    """A good credential beside a bad one does not mend it."""
    worker = server.headers("worker")
    status, _, _ = Api(server.url).call("POST", "/api/workers/register", {"slots": 1}, worker | server.headers("bad"))
    assert status == 401
    status, _, _ = Api(server.url).call("POST", "/api/workers/register", {"slots": 1}, worker | server.headers("admin"))
    assert status == 403
