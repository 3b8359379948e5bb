"""More of one kind than there is room for: who shows no credential keeps nobody out, and what all bodies take together
is bounded."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.proc import rss_bytes
from tests.support.server import Running, running
from tests.support.waiting import until

MIB = 1024 * 1024
CONNECTIONS = 20
SETTINGS = {
    "MAX_CONNECTIONS": str(CONNECTIONS), "MAX_BODIES_BYTES": "8MiB", "UPGRADE_TIMEOUT_SEC": "60s",
    "BODY_TIMEOUT_SEC": "60s", "SOCKET_SEND_TIMEOUT_SEC": "60s", "KEEPALIVE_SEC": "60s",
}  # fmt: skip
"""None of these times is over before a test is."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("crowd"), **SETTINGS) as run:
        yield run


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, "Host: localhost", "Content-Type: application/json", *headers, "", ""]).encode()


CROWDS = {
    "half a login": head("POST /api/auth/login HTTP/1.1", "Content-Length: 10000") + b'{"email":"',
    "a login too large": head("POST /api/auth/login HTTP/1.1", "Content-Length: 60000") + b" " * 50_000,
    "half a body for nothing": head("POST /api/none HTTP/1.1", "Content-Length: 10000") + b"{",
    "half a job of nobody": head("POST /api/jobs/create HTTP/1.1", "Content-Length: 10000") + b"{",
    "a socket that leaves its close unanswered": head(
        "GET /ws HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    ),
    "the page, and not read": head("GET /api/docs HTTP/1.1") * 100,
}  # fmt: skip


@pytest.mark.parametrize("said", CROWDS.values(), ids=CROWDS)
def test_who_shows_no_credential_keeps_nobody_out(server: Running, said: bytes) -> None:
    """As many of them as may be open, three times, and while they stay, whoever comes is served."""
    with ExitStack() as stack:
        for _ in range(3):
            for _ in range(CONNECTIONS):
                one = stack.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.settimeout(10)
                one.connect(("127.0.0.1", server.process.port))
                one.sendall(said)
            assert Api(server.url).call("GET", "/api/live", within=5)[0] == 200
            assert server.api().job(server.api().create({"command": "x"})["jobId"])["status"] == "queued"
    assert Api(server.url).call("GET", "/api/live", within=5)[0] == 200


def test_a_socket_that_was_turned_away_is_closed_within_a_second_or_two(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.process.port), 10) as one:
        one.sendall(CROWDS["a socket that leaves its close unanswered"])
        began = time.monotonic()
        while one.recv(4096):
            pass
    assert time.monotonic() - began < 5


def sending(server: Running, size: int) -> bytes:
    (name, value), *_ = server.headers("operator").items()
    return head("POST /api/jobs/create HTTP/1.1", f"{name}: {value}", f"Content-Length: {size}")


def refused(connection: socket.socket, broken: bool) -> dict[str, str] | None:
    """The error that was answered; None as long as nothing was. `broken`: sending was told of a reset, so that reading
    is told of the end alone, and what was answered may be lost."""
    connection.setblocking(False)
    try:
        got = connection.recv(65536)
    except (BlockingIOError, ConnectionResetError):
        return None
    if broken and not got:
        return None
    assert got.startswith(b"HTTP/1.1 503 "), got[:300]
    assert b"\r\nRetry-After: 1" in got, got[:300]
    error: dict[str, str] = json.loads(got.partition(b"\r\n\r\n")[2])["error"]
    return error


def test_bodies_have_a_bound_together_and_leave_nothing_behind(server: Running) -> None:
    """Of twelve halves of 2 MiB, four have no room for more than MAX_BODIES_BYTES; small requests always have."""
    body = b'{"command":"x","name":"' + b"y" * 2 * MIB
    with ExitStack() as stack:
        halves = [stack.enter_context(socket.create_connection(("127.0.0.1", server.process.port))) for _ in range(12)]
        before = rss_bytes(server.process.pid)
        broken = []
        for one in halves:
            broken.append(False)
            try:
                one.sendall(sending(server, 7 * MIB) + body)
            except ConnectionError:  # it was told meanwhile
                broken[-1] = True
        answers = until(
            lambda: [error for error in map(refused, halves, broken) if error] or None,
            "one is refused for want of room", 10,
        )  # fmt: skip
        assert answers is not None
        assert answers[0] == {
            "code": "overloaded", "message": "Too many large requests are being read at the moment.",
            "mend": "Send it again in a moment; MAX_BODIES_BYTES of the server is the bound.",
        }  # fmt: skip
        assert server.api("operator").create({"command": "x"})["status"] == "queued"
        assert rss_bytes(server.process.pid) - before < 24 * MIB
    large = [{"command": "x", "env": {"A": "y" * 100_000}}] * 60
    ids = until(lambda: created(server, large), "there is room again", 10)
    assert ids is not None
    assert server.api().call("POST", "/api/jobs/cancel", {"jobId": ids})[0] == 200
    until(lambda: rss_bytes(server.process.pid) - before < 40 * MIB, "the memory is free again", 10)


def created(server: Running, jobs: list[dict[str, object]]) -> list[str] | None:
    status, _, body = server.api("operator").call("POST", "/api/jobs/create", jobs)
    assert status in (200, 503)
    return [job["jobId"] for job in json.loads(body)["jobs"]] if status == 200 else None


def test_a_body_of_all_that_may_be_taken_is_taken(server: Running, tmp_path: Path) -> None:
    """The room of one that ended, well or badly, is there again: twice in a row, with one broken off between them."""
    jobs: list[dict[str, object]] = [{"command": "x", "env": {"A": "y" * 100_000}}] * 78
    first = created(server, jobs)
    with socket.create_connection(("127.0.0.1", server.process.port)) as one:
        one.sendall(sending(server, 7 * MIB) + b" " * 6 * MIB)
    second = until(lambda: created(server, jobs), "there is room again", 10)
    assert first
    assert second
    assert server.api().call("POST", "/api/jobs/cancel", {"jobId": first + second})[0] == 200
