"""People's sockets that watch what changes all the time, and read nothing of it: they are dropped in time, cost little,
and while they are stalled whoever reads waits hardly longer for an end than without them.

With CMDEXEC_STALLED=200 in the environment so many sockets.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import pytest

from tests.api.test_slow import MIB, connect, connected, frame, upgrade
from tests.support.fleet import Sim
from tests.support.proc import PeakRss, rss_bytes
from tests.support.server import Running, running
from tests.support.speaker import Speaker, speaking
from tests.support.waiting import becomes

STALLED = int(os.environ.get("CMDEXEC_STALLED", "20"))
SEND_SEC = 2.0 if STALLED <= 50 else 30.0
"""SOCKET_SEND_TIMEOUT_SEC of this server."""

DROPPED_SEC = 30.0
"""More than that, for a machine that has other things to do."""

CALM = 100
"""Jobs whose ends are waited for without the stalled; with them, as many as there are until one is dropped."""

STILL_SEC = 0.3 if STALLED <= 50 else 1.5
TRIES = 3
LARGE = [{"command": "x", "requires": {"runs": "never"}, "env": {"LARGE": "x" * 50_000}}] * 60
RSS_MOST = (64 + 2 * STALLED) * MIB
"""PEOPLE_QUEUE_BYTES, and twice PERSON_QUEUE_BYTES for what is being looked up and sent for each."""


@dataclass
class Normal:
    """Somebody who reads: submits a job over a socket, and waits there for its end. `took`: seconds of each."""

    speaker: Speaker
    took: list[float] = field(default_factory=list)

    async def job(self) -> None:
        began = time.monotonic()
        (answer,) = await self.speaker.ask("submit", {"job": {"command": "true"}, "until": "ended"})
        ended = ""
        while ended != answer["job"]["jobId"]:
            ended = (await self.speaker.told("job"))[0]["jobId"]
        self.took.append(time.monotonic() - began)

    def p99(self) -> float:
        """Of what was waited since the last time this was asked."""
        took, self.took = sorted(self.took), []
        assert took, "they were dropped before all were stalled: SEND_SEC is too short for this machine"
        return took[int(len(took) * 0.99)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Running]:
    bounds = {"SOCKET_SEND_TIMEOUT_SEC": f"{SEND_SEC}s", "SOCKETS_PER_USER": str(STALLED), "UPGRADE_TIMEOUT_SEC": "30s"}
    with running(tmp_path, **bounds) as run:
        yield run


@pytest.mark.timeout(60 if STALLED <= 50 else 300)
async def test_who_never_reads_is_dropped_in_time_and_hinders_nobody(run: Running) -> None:
    large = run.api().create_many(LARGE)
    async with working(run), speaking(run.url, run.headers("operator")) as speaker:
        normal, ratios = Normal(speaker), list[float]()
        while len(ratios) < TRIES and (not ratios or ratios[-1] >= 2):  # a machine is busy once, not each time
            for _ in range(CALM):
                await normal.job()
            baseline, before = normal.p99(), rss_bytes(run.process.pid)
            with PeakRss(run.process.pid) as peak:
                dropped = await beside_the_stalled(run, normal, large)
            ratios.append(normal.p99() / baseline)
            grown = peak.peak[run.process.pid] - before
            print(
                f"p99 {baseline * 1000:.1f} ms, {ratios[-1]:.2f} times that beside {STALLED} that never read; all "
                f"dropped within {dropped:.1f} s; the server grew by {grown / MIB:.0f} MiB"
            )
            assert grown < RSS_MOST
        assert ratios[-1] < 2, ratios


async def beside_the_stalled(run: Running, normal: Normal, large: list[str]) -> float:
    """Wait for ends while all are stalled, and then until all are dropped; how long that took."""
    watch = [{"what": "jobs"}, {"what": "workers"}, *({"what": "job", "jobId": job_id} for job_id in large)]
    said = frame(json.dumps({"op": "watch", "items": watch}).encode())
    with ExitStack() as stack:
        stalled = await asyncio.to_thread(opened, run, stack)
        for one in stalled:
            one.sendall(said)
        began, ports = time.monotonic(), {one.getsockname()[1] for one in stalled}
        await becomes(Unmoved(run, ports), "nothing moves any more", SEND_SEC)
        while ports <= connected(run):
            await normal.job()
            assert time.monotonic() - began < SEND_SEC + DROPPED_SEC, "they are still there"
        await becomes(lambda: not ports & connected(run), "all are dropped", DROPPED_SEC)
        return time.monotonic() - began


class Unmoved:
    """Whether as much waits to be sent to each of these as a moment ago, and something does."""

    def __init__(self, run: Running, ports: set[int]) -> None:
        self._here = f":{run.process.port:04X}"
        self._ports = ports
        self._since = time.monotonic()
        self._waits: dict[int, str] = {}

    def __call__(self) -> bool:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        sent = {int(one[2].partition(":")[2], 16): one[4][:8] for one in lines if one[1].endswith(self._here)}
        waits = {port: size for port, size in sent.items() if port in self._ports and int(size, 16)}
        if waits != self._waits:
            self._since, self._waits = time.monotonic(), waits
        return len(waits) == len(self._ports) and time.monotonic() - self._since > STILL_SEC


def opened(run: Running, stack: ExitStack) -> list[socket]:
    """Sockets of people that are about to watch."""
    sockets = []
    for _ in range(STALLED):
        sockets.append(stack.enter_context(connect(run, SO_RCVBUF=4096)))
        upgrade(run, sockets[-1], "viewer")
    return sockets


@asynccontextmanager
async def working(run: Running) -> AsyncIterator[None]:
    """A worker that ends at once what it is given."""
    async with AsyncExitStack() as stack:
        headers = {"x-worker-token": run.shared(workerId="quick")}
        speaker = await stack.enter_async_context(speaking(run.url, headers))
        sim = Sim("quick", speaker, stack)
        await speaker.ask("register", {"slots": 4, "session": "quick", "instanceId": "quick", "name": "quick"})
        await sim.beat()

        async def work() -> None:
            while True:
                with suppress(TimeoutError):  # nothing was submitted for a while
                    await sim.done(await sim.run())

        group = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(group.create_task(work()).cancel)
        yield
