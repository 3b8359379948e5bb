"""TCP that is half open: one end is gone, or all that is between, and the other is not told. Each end notices by its
own settings, and what it held for the other is free again."""

import os
import socket
import time
from contextlib import ExitStack

from tests.support.cases.load import Load, planned
from tests.support.cases.world import World, must_be, untouched, whole
from tests.support.pair import SILENT, Silent
from tests.support.proc import connections, rss_bytes
from tests.support.proxy import Proxy
from tests.support.waiting import until

_PING_SEC, _SEND_SEC, _KEEP_SEC, _BODY_SEC, _LINGER_SEC = 1.0, 2.0, 1.0, 2.0, 3.0
SERVER = {
    "SOCKET_PING_SEC": f"{_PING_SEC}s", "SOCKET_SEND_TIMEOUT_SEC": f"{_SEND_SEC}s", "KEEPALIVE_SEC": f"{_KEEP_SEC}s",
    "BODY_TIMEOUT_SEC": f"{_BODY_SEC}s", "STREAM_PING_SEC": "300ms", "UPGRADE_TIMEOUT_SEC": f"{_LINGER_SEC}s",
    "MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_TRIM_THRESHOLD_": "65536",
}  # fmt: skip
"""By which the server notices, and returns to the system what it has freed."""

LEASE_SEC = 20.0
"""So long that nothing here is noticed by it."""

_POLL_SEC, _CALL_SEC, _FOLLOW_SEC = 1.0, 1.0, 2.0
_SLACK_SEC = 10.0
"""How much later than its settings say an end may notice: the machine has more to do."""

_SOCKETS, _REQUESTS, _HALF = 12, 8, 4 << 20
"""How many are half open besides, and how much of each request has come: half."""
_SOCKET = (
    "GET /ws HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
)  # fmt: skip
_REQUEST = ("POST /api/jobs/create HTTP/1.1", "Content-Type: application/json", f"Content-Length: {2 * _HALF}")


class _Silence:
    """What is open at a proxy falls silent. Each end must have closed its connections in time: so many seconds after
    that, or after `since`."""

    def __init__(self, world: World, proxy: Proxy, how: Silent) -> None:
        self._to, self._at = world.server.port, proxy.port
        self._ports = proxy.silence(how)
        self._began = time.monotonic()

    def client_frees(self, pid: int, sec: float) -> None:
        self._freed(pid, {(ports.client, self._at) for ports in self._ports}, sec, self._began)

    def server_frees(self, pid: int, sec: float, since: float | None = None) -> None:
        self._freed(pid, {(self._to, ports.server) for ports in self._ports}, sec, since or self._began)

    def _freed(self, pid: int, ends: set[tuple[int, int]], sec: float, since: float) -> None:
        within = max(0.0, since + sec + _SLACK_SEC - time.monotonic())
        until(lambda: not ends & connections(pid), f"{len(ends)} half-open connections are closed", within, step=0.05)


def peers_vanish(world: World) -> None:
    """A worker's socket, another's HTTP calls and what people follow are half open at once. The worker, or the server,
    may be gone for good then, and come again."""
    rng = world.rng
    how, dies = rng.choice(SILENT), rng.choice((None, None, "worker", "server"))
    ping, after = rng.uniform(0.6, 1.2), rng.uniform(0.3, 1.0)
    plan = planned(world, 8, over=1.5, on_lost=("hold", "requeue"), follows=0.5)
    by_socket, by_calls, people = world.proxy(), world.proxy(), world.proxy()
    by_calls.block("refuse 403")
    _silent_cost_nothing(world)
    calls_end = {"POLL_WAIT_SEC": f"{_POLL_SEC}s", "CALL_TIMEOUT_SEC": f"{_CALL_SEC}s"}
    far = world.worker(
        "far", url=by_socket.url, SOCKET_PING_SEC=f"{ping:.2f}s", **calls_end
    )  # may come to poll as well
    polls = world.worker("polls", url=by_calls.url, SOCKET_RETRY_SEC="60s", **calls_end)
    with Load(world, plan, follows=people.url, follow_silence_sec=f"{_FOLLOW_SEC}s"):
        until(world.ledger.entries, "a job runs")
        world.passes(after)
        world.fault(f"all that is open {how}{f', and the {dies} is killed' if dies else ''}")
        socket_, calls, followed = (_Silence(world, proxy, how) for proxy in (by_socket, by_calls, people))
        if dies == "worker":
            far.kill9()
        elif dies == "server":
            world.server.kill9()
        if dies != "worker":
            socket_.client_frees(far.pid, 1.5 * ping)
        calls.client_frees(polls.pid, _POLL_SEC + _CALL_SEC)
        followed.client_frees(os.getpid(), _FOLLOW_SEC)
        if dies == "server":
            world.server.start()
        else:
            socket_.server_frees(world.server.pid, 1.5 * _PING_SEC + _SEND_SEC)
            calls.server_frees(world.server.pid, _POLL_SEC + _KEEP_SEC + _BODY_SEC)
        if dies == "worker":
            far.start(world.api("looker"))
    stored = world.settle()
    followed.server_frees(world.server.pid, _KEEP_SEC + _SEND_SEC, time.monotonic())
    if dies == "worker":
        must_be(stored, lambda job: job.on_lost != "hold" or len(job.ran) <= 1, "none with `hold` ran twice")
    else:
        must_be(stored, untouched, "each ran once, and its lease was never over")
        must_be(stored, whole, "all output of what ended by itself is there")


def _silent_cost_nothing(world: World) -> None:
    """People's programs vanish: some that have a socket open, and some within what they submit, which the server keeps
    until it is whole."""
    server = world.server
    world.fault(f"{_SOCKETS} sockets of people and {_REQUESTS} requests are half open")
    before = rss_bytes(server.pid)
    with ExitStack() as stack:
        silent = [stack.enter_context(_open(world, *_SOCKET)) for _ in range(_SOCKETS)]
        silent += [stack.enter_context(_open(world, *_REQUEST)) for _ in range(_REQUESTS)]
        ends = {(server.port, one.getsockname()[1]) for one in silent}
        for one in silent[_SOCKETS:]:
            one.sendall(b" " * _HALF)
        least = _REQUESTS * _HALF // 2
        until(lambda: rss_bytes(server.pid) - before > least, "what came is kept")
        within = max(1.5 * _PING_SEC, _BODY_SEC + _LINGER_SEC) + _SLACK_SEC
        until(lambda: not ends & connections(server.pid), "half-open connections are closed", within, step=0.05)
    until(lambda: rss_bytes(server.pid) - before < least // 2, "what was kept is freed", within=_SLACK_SEC, step=0.05)


def _open(world: World, *lines: str) -> socket.socket:
    """A connection with a request on it, of a person who says and reads nothing more by itself."""
    connection = socket.create_connection(("127.0.0.1", world.server.port), timeout=20)
    more = ("Host: localhost", f"Authorization: Bearer {world.token}", "", "")
    connection.sendall("\r\n".join([*lines, *more]).encode())
    return connection
