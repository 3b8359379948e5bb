"""All workers and all people's pages come at once, since the server was killed: all are back soon, no lease is lost.

With CMDEXEC_CROWD=10000 in the environment so many workers, and a hundred pages; then with the lease as it is shipped.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.load.crowd import HOLDER, Crowd
from tests.load.standing import leases_lost
from tests.support.proc import PeakRss, rss_bytes
from tests.support.server import Running, running
from tests.support.system import workers
from tests.support.waiting import becomes

CROWD = int(os.environ.get("CMDEXEC_CROWD", "300"))
LEASE_SEC = 60 if CROWD >= 1000 else 6
SWEEP_SEC = 0.2
HOLDERS = min(CROWD // 10, 200)
PEOPLE = min(CROWD // 10, 100)
BACK_WITHIN_SEC = 90.0
MIB = 1 << 20
RSS_MOST = 1500 * MIB
SETTINGS = {
    "LEASE_SEC": f"{LEASE_SEC}s", "HEARTBEAT_SEC": f"{LEASE_SEC * 1000 // 6}ms", "LEASE_SWEEP_SEC": f"{SWEEP_SEC}s",
    "UPGRADE_TIMEOUT_SEC": "30s", "SOCKET_SEND_TIMEOUT_SEC": "30s", "MAX_CONNECTIONS": str(2 * CROWD + 100),
    "SOCKETS_PER_USER": str(PEOPLE),
}  # fmt: skip
NEW_ONES = "5"
"""So many new workers may come in a window, once all are known: those that come again are none of them."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, **SETTINGS) as run:
        yield run


@pytest.mark.timeout(60 if CROWD < 1000 else 900)
async def test_all_are_back_soon_after_a_restart_and_no_lease_is_lost(run: Running) -> None:
    held = submitted(run)
    async with Crowd(run, workers=CROWD, holders=HOLDERS, people=PEOPLE, longest=LEASE_SEC / 4) as crowd:
        await becomes(crowd.all_there, "all have come", 300)
        steady = rss_bytes(run.process.pid)
        run.process.environment["RATE_LIMIT_MAX_REGISTER"] = NEW_ONES
        await asyncio.to_thread(run.process.kill9)
        killed = time.monotonic()
        await asyncio.to_thread(run.process.start)
        up = time.monotonic()
        with PeakRss(run.process.pid) as peak:
            await becomes(lambda: crowd.all_there(killed), "all are back", BACK_WITHIN_SEC)
            judged = up + LEASE_SEC + 4 * SWEEP_SEC
            await becomes(lambda: time.monotonic() > judged, "leases are judged again", LEASE_SEC * 2)
        took = crowd.took(up)
        states = await asyncio.to_thread(all_states, run)
        jobs = await asyncio.to_thread(run.api().jobs, held)
        refused = [status for member in crowd.members for status in member.refused]
    most = peak.peak[run.process.pid]
    print(
        f"{len(crowd.members):,} sockets: the half were back {took[len(took) // 2]:.1f} s after the restart, all "
        f"{took[-1]:.1f} s; {len(refused)} refusals; server {steady / MIB:.0f} MiB before, {most / MIB:.0f} at most"
    )
    assert set(refused) <= {429, 503}
    assert states == {"online": CROWD}
    assert [job["status"] for job in jobs] == ["running"] * HOLDERS
    assert [faults(job) for job in jobs] == [[]] * HOLDERS, "each runs as it did"
    assert leases_lost(run.process) == set()
    assert most < min(RSS_MOST, 1.5 * steady + 64 * MIB)


def submitted(run: Running) -> list[str]:
    """A job for each that is to hold one; of every second a second run would be begun if its lease were lost."""
    jobs = [{"command": "x", "requires": HOLDER, "onLost": ("hold", "requeue")[n % 2]} for n in range(HOLDERS)]
    return run.api().create_many(jobs)


def all_states(run: Running) -> dict[str, int]:
    """How many workers are in each state."""
    states = [worker["state"] for worker in workers(run.api()) if worker["workerId"].startswith("crowd-")]
    return {state: states.count(state) for state in states}


def faults(job: dict[str, Any]) -> list[str]:
    """What became of the job beyond its beginning."""
    statuses = [event["status"] for event in job["history"]]
    return [status for status in statuses if status not in ("queued", "assigned", "running")]
