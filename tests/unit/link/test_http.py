"""Calling a server that is away, sends one elsewhere, or refuses: always a sentence, never a library's words."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web

from cmdexec.errors import CmdexecError, Conflict, Refused, Unavailable
from cmdexec.link.http import away, connect, failure, session
from cmdexec.link.listen import Bounds, Entrance, Listener, listen
from cmdexec.link.socket import Limits

LIMITS = Limits(65536, 0.003, 64, 100, 1_000_000, 2.0, 15.0)
FULL = b"HTTP/1.1 503 Full\r\n\r\n"
BOUNDS = Bounds(first_request_sec=5, keepalive_sec=5, linger_sec=1, send_sec=5, header_bytes=8192, connections=10)
Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handle: Handle, bounds: Bounds = BOUNDS) -> AsyncIterator[Listener]:
    def malformed(status: int) -> web.Response:
        return web.Response(status=status, text="malformed")

    door = await listen(
        Entrance(0, handle), host="127.0.0.1", bounds=bounds, malformed=malformed, drain_sec=1, full=FULL
    )
    try:
        yield door
    finally:
        await door.close()
        await door.close()
        await door.cut()


def answering(status: int, headers: dict[str, str] | None = None, body: str = "") -> Handle:
    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text=body)

    return handle


async def opening(url: str) -> CmdexecError:
    async with session(connect_timeout_sec=2) as http:
        with pytest.raises(CmdexecError) as wrong:
            await connect(http, url, {}, LIMITS)
    return wrong.value


@pytest.mark.parametrize(("status", "kind", "code"), [
    (401, Refused, "unauthorized"), (403, Unavailable, "server_away"), (421, Refused, "bad_host"),
    (426, Refused, "protocol_mismatch"), (400, Refused, "bad_request"), (200, Unavailable, "server_away"),
    (404, Unavailable, "server_away"), (500, Unavailable, "server_away"), (502, Unavailable, "server_away"),
    (503, Unavailable, "overloaded"), (429, Unavailable, "too_many"),
])  # fmt: skip
async def test_an_answer_instead_of_a_socket(status: int, kind: type[CmdexecError], code: str) -> None:
    async with serving(answering(status, {"Retry-After": "7"})) as door:
        wrong = await opening(door.url)
    assert (type(wrong), wrong.code) == (kind, code)
    if status in (429, 503):
        assert isinstance(wrong, Unavailable)
        assert wrong.retry_after == 7
    if status == 421:
        assert wrong.message == f"The server at {door.url} is not known under that name."
        assert "ALLOWED_HOSTS" in str(wrong)
    if status == 401:
        assert wrong.mend is not None
        assert "WORKER_TOKEN_SECRET has to be the same" in wrong.mend


async def test_no_redirect_is_followed_since_the_token_would_go_along() -> None:
    asked: list[web.BaseRequest] = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request)
        return web.Response(status=307, headers={"Location": "/other"})

    async with serving(elsewhere) as door, session(connect_timeout_sec=2) as http:
        with pytest.raises(Refused, match="somewhere else"):
            await connect(http, door.url, {"x-worker-token": "secret"}, LIMITS)
        with pytest.raises(Refused, match="somewhere else"):
            await http.get(door.url)
    assert len(asked) == 2


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        wrong = await opening(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (wrong.code, "nothing answers there" in wrong.message) == ("server_away", True)
    unknown = away("http://x", aiohttp.ServerDisconnectedError())
    assert unknown.message == "The server at http://x cannot be reached: the connection broke."
    assert "in time" in away("http://x", TimeoutError()).message


async def test_a_server_without_tls_is_not_told_as_one_that_cannot_be_trusted() -> None:
    async with serving(answering(200)) as door:
        plain = await opening(door.url.replace("http:", "https:"))
    assert (plain.code, plain.mend) == ("server_away", "If it speaks plain HTTP, write http:// in its address.")
    assert "trusted" not in plain.message


async def test_a_certificate_that_is_not_known_is_told() -> None:
    key = SimpleNamespace(ssl=True, host="x", port=1, is_ssl=True)
    wrong = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError())  # type: ignore[arg-type]
    assert "certificate cannot be trusted" in away("https://x", wrong).message


@pytest.mark.parametrize(("status", "body", "kind", "code", "message"), [
    (422, '{"error":{"code":"unknown_field","message":"M.","field":"f","mend":"D."}}', Refused, "unknown_field", "M."),
    (409, '{"error":{"code":"conflict","message":"M.","expected":{"attempt":2}}}', Conflict, "conflict", "M."),
    (503, '{"error":{"code":"draining","message":"M."}}', Unavailable, "draining", "M."),
    (503, '{"error":{"code":"of a newer version","message":"M."}}', Unavailable, "overloaded", "M."),
    (404, "<html>", Refused, "bad_request", "The server answered 404 without saying why."),
    (500, "[" * 100_000, Refused, "bad_request", "The server answered 500 without saying why."),
    (502, '{"error":5}', Refused, "bad_request", "The server answered 502 without saying why."),
])  # fmt: skip
async def test_a_refusal_keeps_the_servers_own_words(
    status: int, body: str, kind: type[CmdexecError], code: str, message: str
) -> None:
    handle = answering(status, {"Retry-After": "nonsense"}, body)
    async with serving(handle) as door, session(connect_timeout_sec=2) as http, http.get(door.url) as answer:
        wrong = await failure(answer)
    assert (type(wrong), wrong.code, wrong.message) == (kind, code, message)
    if "without saying why" in message:
        assert wrong.mend == f"Is {door.url} the address of a cmdexec server?"
    if isinstance(wrong, Unavailable):
        assert wrong.retry_after == 1.0
    if isinstance(wrong, Conflict):
        assert wrong.expected == {"attempt": 2}


@pytest.mark.parametrize(("said", "answer", "socket"), [
    ("80000", 80_000, 3600), ("1e12", 86_400, 3600), ("-5", 0, 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 1, 1),
])  # fmt: skip
async def test_a_server_of_ours_may_send_away_for_a_day_and_what_opens_no_socket_for_an_hour(
    said: str, answer: float, socket: float
) -> None:
    handle = answering(429, {"Retry-After": said}, '{"error":{"code":"too_many","message":"M."}}')
    async with serving(handle) as door:
        async with session(connect_timeout_sec=2) as http, http.get(door.url) as answered:
            told = await failure(answered)
        refused = await opening(door.url)
    assert isinstance(told, Unavailable)
    assert isinstance(refused, Unavailable)
    assert (told.retry_after, refused.retry_after) == (answer, socket)


async def test_who_only_holds_connections_keeps_nobody_out() -> None:
    """The one that is idle longest gives way; one that just has asked is idle for a shorter time."""
    async with serving(answering(200), replace(BOUNDS, connections=2)) as door:
        with closing(connected(door)) as first, closing(connected(door)) as second:
            first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await received(first)).startswith(b"HTTP/1.1 200 ")
            async with session(connect_timeout_sec=2) as http:
                assert await answers(http, door.url)
            assert await received(second) == b""
            first.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await received(first)).startswith(b"HTTP/1.1 200 ")


async def test_where_all_are_busy_one_more_is_told_so_and_room_comes_back() -> None:
    asked, release = asyncio.Semaphore(0), asyncio.Event()

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        asked.release()
        await release.wait()
        return web.Response()

    async with serving(slow, replace(BOUNDS, connections=2)) as door, session(connect_timeout_sec=2) as http:
        held = [asyncio.create_task(answers(http, door.url)) for _ in range(2)]
        for _ in held:
            await asked.acquire()
        with closing(connected(door)) as third:
            assert await received(third) == FULL
            assert await received(third) == b""
        release.set()
        assert await asyncio.gather(*held) == [True, True]
        assert await answers(http, door.url)


def connected(door: Listener) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", door.port))
    one.setblocking(False)
    return one


async def received(one: socket.socket) -> bytes:
    async with asyncio.timeout(10):
        return await asyncio.get_running_loop().sock_recv(one, 65536)


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
