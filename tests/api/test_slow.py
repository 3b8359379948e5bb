"""Clients that are slow, broken, or far too many: each is bounded in time and number, the memory they take as well, and
whoever asks meanwhile is answered within a second."""

import contextlib
import json
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.proc import rss_bytes
from tests.support.server import Running, read_all, running
from tests.support.system import Server, ends
from tests.support.waiting import until

MIB = 1024 * 1024
CONNECTIONS = 200
SETTINGS = {
    "MAX_CONNECTIONS": str(CONNECTIONS), "SOCKET_PING_SEC": "1s", "KEEPALIVE_SEC": "2s",
    "SOCKET_SEND_TIMEOUT_SEC": "1s",
}  # fmt: skip
FIRST_SEC, BODY_SEC, SEND_SEC, KEEPALIVE_SEC = 0.8, 0.5, 1.0, 2.0
"""UPGRADE_TIMEOUT_SEC, BODY_TIMEOUT_SEC, SOCKET_SEND_TIMEOUT_SEC and KEEPALIVE_SEC of this server."""

SLACK_SEC = 4.0
"""For a machine that has other things to do."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("slow"), **SETTINGS) as run:
        yield run


@pytest.fixture(autouse=True)
def _memory_stays(server: Running) -> Iterator[None]:
    before = rss_bytes(server.process.pid)
    yield
    grown = rss_bytes(server.process.pid) - before
    assert grown < 64 * MIB, f"it has grown by {grown / MIB:.0f} MiB"


def connect(server: Running, **options: int) -> socket.socket:
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.process.port))
    return connection


def others_are_served(server: Running) -> None:
    """Health and a job, each within a second; the machine may have something else to do once, but not each time."""
    made: list[str] = []
    for what in (
        lambda: Api(server.url).ask("GET", "/api/health"),
        lambda: made.append(server.api().create({"command": "x"})["jobId"]) or made,
    ):
        assert min(_seconds(what) for _ in range(3)) < 1.0
    server.api().call("POST", "/api/jobs/cancel", {"jobId": made})


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    assert call()
    return time.monotonic() - began


def ends_within(connection: socket.socket, sec: float, keep_on: Callable[[], None] | None = None) -> bytes:
    """All that comes until the other end closes it, which it has to do in time; `keep_on` is done all the while."""
    got, end = bytearray(), time.monotonic() + sec + SLACK_SEC
    connection.settimeout(0.05)
    while time.monotonic() < end:
        try:
            if keep_on is not None:
                keep_on()
            piece = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return bytes(got)
        if not piece:
            return bytes(got)
        got += piece
    raise AssertionError(f"still open after {sec + SLACK_SEC:g} s; it sent {bytes(got[:200])!r}")


def upgrade(server: Running, connection: socket.socket, who: str = "worker") -> None:
    """Make it a WebSocket."""
    (name, value), *_ = server.headers(who).items()
    connection.sendall(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        + f"{name}: {value}\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer


def frame(payload: bytes, opcode: int = 1, *, last: bool = True) -> bytes:
    """A masked frame of RFC 6455 (the mask is 0)."""
    head = bytes([(0x80 if last else 0) | opcode])
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
    return head + length + bytes(4) + payload


LIVE = b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n"

HALVES: dict[str, tuple[bytes, bytes, float]] = {
    "nothing": (b"", b"", FIRST_SEC),
    "half a request line": (b"GET /api/li", b"", FIRST_SEC),
    "half of the headers": (b"GET /api/live HTTP/1.1\r\nHost: loc", b"", FIRST_SEC),
    "headers byte by byte": (b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nX: ", b"y", FIRST_SEC),
    "header lines for ever": (b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n", FIRST_SEC),
    "half a second request": (LIVE + b"GET /api/l", b"", KEEPALIVE_SEC),
    "a second request byte by byte": (LIVE + b"GET /api/live HTTP/1.1\r\nHost: localhost\r\nX: ", b"y", KEEPALIVE_SEC),
    "empty lines for ever": (b"\r\n", b"\r\n", FIRST_SEC),
}  # fmt: skip


def test_half_a_request_ends_however_it_is_kept_going(server: Running) -> None:
    def answered(name: str) -> bytes:
        first, more, within = HALVES[name]
        with connect(server) as connection:
            connection.sendall(first)
            return ends_within(connection, within, lambda: connection.sendall(more))

    with ThreadPoolExecutor(len(HALVES)) as pool:
        answers = dict(zip(HALVES, pool.map(answered, HALVES), strict=True))
        others_are_served(server)
    assert {name: answer.count(b"HTTP/1.1 200 ") for name, answer in answers.items()} == {
        name: first.count(LIVE) for name, (first, _, _) in HALVES.items()
    }
    assert not [name for name, answer in answers.items() if b"HTTP/1.1 5" in answer]


def posting(server: Running, *lines: str) -> bytes:
    (name, value), *_ = server.headers("operator").items()
    head = ["POST /api/jobs/create HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"{name}: {value}"]
    return "\r\n".join([*head, *lines, "", ""]).encode()


def test_half_a_body_ends_with_408_also_if_it_trickles(server: Running) -> None:
    def answered(case: tuple[bool, bytes]) -> bytes:
        chunked, more = case
        lines = "Transfer-Encoding: chunked" if chunked else "Content-Length: 100000"
        piece = b"1\r\n" + more + b"\r\n" if chunked and more else more
        with connect(server) as connection:
            connection.sendall(posting(server, lines) + (b"1\r\n{\r\n" if chunked else b"{"))
            return ends_within(connection, BODY_SEC * 2, lambda: connection.sendall(piece))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(answered, [(chunked, more) for chunked in (False, True) for more in (b"", b" ")]))
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == {
            "code": "timeout", "message": "The body of this request stalled for 0.5 s.", "mend": "Send it again.",
        }  # fmt: skip


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"], ids=["events", "raw"])
def test_followers_that_never_read_are_cut_off(server: Running, accept: str) -> None:
    """They hold what fits into the kernel's buffers and the connection's, and no more."""
    job = server.api().create({"command": "x"})
    (name, value), *_ = server.headers("viewer").items()
    with ExitStack() as stack:
        followers = [stack.enter_context(connect(server, SO_RCVBUF=4096)) for _ in range(20)]
        for one in followers:
            one.sendall(
                f"GET /api/jobs/{job['jobId']}/output?follow=1 HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
                f"{name}: {value}\r\n\r\n".encode()
            )
        others_are_served(server)
        server.api().cancel(job["jobId"])
        for one in followers:
            assert ends_within(one, KEEPALIVE_SEC).startswith(b"HTTP/1.1 200 ")


SOCKETS: dict[str, tuple[bytes, bytes]] = {
    "says nothing": (b"", b""),
    "says lists of nothing": (b"", frame(b"[]")),
    "sends half a frame": (frame(b'{"op":"register"}')[:9], b""),
    "pings for ever": (b"", frame(b"", 9)),
    "fragments of a byte for ever": (frame(b"[", last=False), frame(b" ", 0, last=False)),
    "fragments of nothing for ever": (frame(b"[", last=False), frame(b"", 0, last=False)),
    "a frame byte by byte": (frame(b" " * 120)[:6], b" "),
}  # fmt: skip


def test_a_socket_without_a_first_frame_is_closed_however_it_is_kept_going(server: Running) -> None:
    def answered(name: str) -> bytes:
        first, more = SOCKETS[name]
        with connect(server) as connection:
            upgrade(server, connection)
            connection.sendall(first)
            return ends_within(connection, FIRST_SEC + SEND_SEC, lambda: connection.sendall(more))

    with ThreadPoolExecutor(len(SOCKETS)) as pool:
        answers = dict(zip(SOCKETS, pool.map(answered, SOCKETS), strict=True))
        others_are_served(server)
    said = struct.pack(">H", 4408) + b"The first frame, `register`, did not come in time."
    assert [name for name, answer in answers.items() if said not in answer] == []


def test_a_message_too_large_is_refused_in_pieces_too(server: Running) -> None:
    """MAX_FRAME_BYTES is the bound of a message, of however many frames."""
    with connect(server) as connection:
        upgrade(server, connection)
        connection.sendall(frame(b"[", last=False))
        with contextlib.suppress(ConnectionError):
            connection.sendall(frame(b" " * 60_000, 0, last=False) * 18)
        got = ends_within(connection, FIRST_SEC)
    assert struct.pack(">H", 4413) + b"This message is larger than a message may be." in got


NOWHERE = b'{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1}'


def test_a_worker_that_reads_nothing_is_cut_off(server: Running) -> None:
    """It asks for answers and takes none; what it has coming is bounded, then it is too slow."""
    with connect(server, SO_RCVBUF=4096) as connection:
        upgrade(server, connection)
        connection.sendall(frame(b'{"op":"register","id":1,"items":[{"slots":1}]}'))
        asks = frame(b'{"op":"start","id":2,"items":[%s]}' % b",".join([NOWHERE] * 500))
        connection.setblocking(False)
        gone, end = select.poll(), time.monotonic() + SEND_SEC * 3 + SLACK_SEC
        gone.register(connection, select.POLLHUP | select.POLLERR)
        while not gone.poll(10) and time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                connection.send(asks)
        assert gone.poll(0), "the connection is still held"
    others_are_served(server)


def test_ten_thousand_requests_in_one_piece_are_answered_one_by_one(server: Running) -> None:
    with connect(server) as connection:
        connection.setblocking(False)
        waits, got = LIVE * 10_000, bytearray()
        end = time.monotonic() + 30
        while got.count(b"HTTP/1.1 200 OK") < 10_000 and time.monotonic() < end:
            readable, writable, _ = select.select([connection], [connection] if waits else [], [], 1)
            if writable:
                waits = waits[connection.send(waits[:65536]) :]
            if readable:
                got += connection.recv(65536)
    assert got.count(b"HTTP/1.1 200 OK") == 10_000
    assert got.count(b"HTTP/1.1 ") == 10_000


def test_slow_readers_of_a_large_answer_hold_a_part_of_it_each(server: Running) -> None:
    """Of the 10 MB that each asks for, 256 KiB are made at once, and some more fits into what waits to be sent."""
    api = server.api()
    ids = [job_id for _ in range(2) for job_id in api.create_many([{"command": "x" * 50_000}] * 100)]
    (name, value), *_ = server.headers("viewer").items()
    path = f"/api/jobs/status?{'&'.join(f'jobId={one}' for one in ids)}"
    before = rss_bytes(server.process.pid)
    with ExitStack() as stack:
        readers = [stack.enter_context(connect(server, SO_RCVBUF=4096)) for _ in range(10)]
        for one in readers:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n\r\n".encode())
        others_are_served(server)
        for one in readers:
            assert select.select([one], [], [], 10)[0], "each has begun to be answered"
        assert rss_bytes(server.process.pid) - before < len(readers) * 3 * MIB
    api.call("POST", "/api/jobs/cancel", {"jobId": ids})


def test_long_polls_that_are_left_alone_hold_nothing_back(server: Running) -> None:
    """A hundred workers ask for a job for half a minute, and are gone before there is one: nobody gets it."""
    with ExitStack() as stack:
        polls = []
        for number in range(100):
            worker = {"x-worker-token": server.shared(workerId=f"poll-{number}")}
            assert Api(server.url).call("POST", "/api/workers/register", {"slots": 1}, worker)[0] == 200
            poll = stack.enter_context(connect(server))
            lines = f"x-worker-token: {worker['x-worker-token']}\r\n\r\n"
            path = f"/api/jobs/get-job?wait=30&claim=poll-{number}"
            poll.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}".encode())
            polls.append(poll)
        ports = {poll.getsockname()[1] for poll in polls}
        until(lambda: len(ports & connected(server)) == 100, "all polls are open", 10)
        assert Api(server.url).call("GET", "/api/live")[0] == 200
        assert select.select(polls, [], [], 0)[0] == [], "none was answered"
    until(lambda: not ports & connected(server), "all polls are gone", 10)
    job = server.api().create({"command": "x"})["jobId"]
    assert server.api().job(job)["status"] == "queued"
    server.api().cancel(job)


def test_idle_connections_up_to_the_limit_keep_nobody_out(server: Running) -> None:
    """Twice as many as may be open, all left alone: each newer one takes the place of the oldest."""
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(CONNECTIONS * 2)]
        others_are_served(server)
        assert open_sockets(server) <= CONNECTIONS + 20
        for one in idle:
            assert ends_within(one, FIRST_SEC) == b""
    others_are_served(server)


def test_where_all_connections_are_in_use_the_next_is_told_so(server: Running) -> None:
    job = server.api().create({"command": "x"})
    (name, value), *_ = server.headers("viewer").items()
    follow = f"GET /api/jobs/{job['jobId']}/output?follow=1 HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            one = stack.enter_context(connect(server))
            one.sendall(follow.encode())
            assert one.recv(1) == b"H"
        with connect(server) as late:
            answer = read_all(late)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 1" in head
        assert json.loads(body)["error"] == {
            "code": "overloaded", "message": "This server has as many connections open as it may have.",
            "mend": "Try again in a moment; MAX_CONNECTIONS of the server is the bound.",
        }  # fmt: skip
    until(lambda: Api(server.url).call("GET", "/api/live")[0] == 200, "there is room again", 5)
    server.api().cancel(job["jobId"])


def connected(server: Running) -> set[int]:
    """The other ends' ports of the connections that the server has and has not been left by."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here, established = f":{server.process.port:04X}", "01"
    return {int(one[2].partition(":")[2], 16) for one in lines if one[1].endswith(here) and one[3] == established}


def open_sockets(server: Running) -> int:
    return sum(
        1 for one in Path(f"/proc/{server.process.pid}/fd").iterdir()
        if _target(one).startswith("socket:")
    )  # fmt: skip


def _target(link: Path) -> str:
    with contextlib.suppress(OSError):
        return str(link.readlink())
    return ""


class Narrow(Server):
    """A server that may have 64 files open, whatever it wants."""

    def spawn(self) -> None:
        self.arguments = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *self.arguments]
        super().spawn()


def test_with_few_descriptors_a_thousand_connections_at_once_leave_the_store_its_own(tmp_path: Path) -> None:
    narrow = Narrow(tmp_path / "narrow", UPGRADE_TIMEOUT_SEC="2s")
    with ends(narrow), ExitStack() as stack:
        api = narrow.start().api()
        crowd: list[socket.socket] = []
        for _ in range(1000):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", narrow.port))
            crowd.append(one)
        jobs = [api.create({"command": "x"})["jobId"] for _ in range(20)]
        assert [job["status"] for job in api.jobs(jobs)] == ["queued"] * 20
        narrow.must_run()
        log = narrow.log.read_text()
        assert "fewer connections are taken than MAX_CONNECTIONS" in log
        assert "connections=16" in log
        assert " error " not in log
        assert "Traceback" not in log
        assert "accept" not in log
        assert narrow.stop() == 0
