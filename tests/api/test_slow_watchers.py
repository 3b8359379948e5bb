"""People's sockets that watch much and read nothing: each holds little, is cut off, and hinders nobody."""

import contextlib
import json
import select
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.test_slow import MIB, connect, connected, frame, upgrade
from tests.support.proc import rss_bytes
from tests.support.server import Running, running
from tests.support.waiting import until

WATCHERS = 10
JOBS = 100
ENV = {"LARGE": "x" * 50_000}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, SOCKET_SEND_TIMEOUT_SEC="1s") as run:
        yield run


def test_who_watches_much_and_reads_nothing_is_cut_off_and_costs_little(server: Running) -> None:
    """Of the 50 MB that they ask for together, each is sent what the system takes, and little more is held."""
    api = server.api()
    ids = api.create_many([{"command": "x", "env": ENV}] * JOBS)
    before = rss_bytes(server.process.pid)
    watch = json.dumps({"op": "watch", "id": 1, "items": [{"what": "job", "jobId": job_id} for job_id in ids]})
    with ExitStack() as stack:
        watchers = [stack.enter_context(connect(server, SO_RCVBUF=4096)) for _ in range(WATCHERS)]
        for one in watchers:
            upgrade(server, one, "viewer")
            one.sendall(frame(watch.encode()))
        for one in watchers:
            assert select.select([one], [], [], 10)[0], "each has begun to be told"
        peak = 0
        ports = {one.getsockname()[1] for one in watchers}

        def gone() -> bool:
            nonlocal peak
            peak = max(peak, rss_bytes(server.process.pid) - before)
            with contextlib.suppress(OSError):
                assert api.ask("GET", "/api/jobs?limit=1")["jobs"]
            return not ports & connected(server)

        until(gone, "all of them are cut off", 15)
    assert peak < WATCHERS * 4 * MIB, f"{peak / MIB:.0f} MiB"
    assert api.create({"command": "x"})["status"] == "queued"


def test_slow_watchers_together_hold_no_more_than_people_may(tmp_path: Path) -> None:
    """Cut off at once, and not when their time to read is over: what waits for all of them has one bound."""
    settings = {"SOCKET_SEND_TIMEOUT_SEC": "60s", "PEOPLE_QUEUE_BYTES": "1MiB"}
    with running(tmp_path / "small", **settings) as server, ExitStack() as stack:
        api = server.api()
        ids = api.create_many([{"command": "x", "env": ENV}] * JOBS)
        watch = json.dumps({"op": "watch", "items": [{"what": "job", "jobId": job_id} for job_id in ids]})
        watchers = [stack.enter_context(connect(server, SO_RCVBUF=4096)) for _ in range(WATCHERS)]
        for one in watchers:
            upgrade(server, one, "viewer")
            one.sendall(frame(watch.encode()))
        ports = {one.getsockname()[1] for one in watchers}
        until(lambda: len(ports & connected(server)) < WATCHERS, "some are cut off", 15)
        assert api.create({"command": "x"})["status"] == "queued"
