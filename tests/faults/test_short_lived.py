"""Workers that come for a few jobs and go: none begins one more, none is lost, also when they are told to end at any
moment, their lines break, and their server is killed and comes again.

Longer: `SHORT_LIVED_JOBS=200 pytest tests/faults/test_short_lived.py`.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.ledger import Ledger
from tests.support.proxy import proxying
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import until

JOBS = int(os.environ.get("SHORT_LIVED_JOBS", "36"))
EACH = 3
AT_ONCE = 3
TOLD = 0.4
"""The share of workers that are told to end before they end by themselves: at a moment after they have connected."""
HASTY = 0.1
"""The share of those that are told before, perhaps."""
CUT = 0.03
"""How likely all lines break in a look at the crowd."""
OUTAGES = 2
FIRST = "w0"


class Crowd:
    """Workers, one after the other, `AT_ONCE` at a time. `told`: those that were told to end; `early`: those of them
    that had not connected yet, so that they may not have heard it as anything but the end. The first is told as soon as
    it is seen to have connected, and only then is `first_told` there, for which its jobs wait."""

    def __init__(self, server: Server, url: str, rng: random.Random, first_told: Path) -> None:
        self._server, self._url, self._rng, self._first_told = server, url, rng, first_told
        self.workers: dict[str, Worker] = {}
        self.told: set[str] = set()
        self.early: set[str] = set()
        self._after: dict[str, float] = {}
        self._moments: dict[str, float] = {}

    def look(self) -> None:
        """Tell those whose moment has come, and make up for those that have ended."""
        for name, worker in self.workers.items():
            if name in self._after and connected(worker):
                self._moments[name] = time.monotonic() + self._after.pop(name)
            if self._moments.get(name, time.monotonic() + 1) < time.monotonic() and worker.running():
                del self._moments[name]
                self.told.add(name)
                if not connected(worker):
                    self.early.add(name)
                worker.send(signal.SIGTERM)
                if name == FIRST:
                    self._first_told.touch()
        for _ in range(AT_ONCE - sum(worker.running() for worker in self.workers.values())):
            name = f"w{len(self.workers)}"
            settings = FAST | {"MAX_JOBS": str(EACH), "IDLE_TIMEOUT_SEC": "1.5", "JOB_PATH": f"/usr/bin:/bin:/{name}"}
            worker = self.workers[name] = Worker(self._server, name, slots=self._rng.choice((1, 2, 8)), **settings)
            worker.arguments[worker.arguments.index(self._server.url)] = self._url
            worker.start()
            how = self._rng.random()
            if name == FIRST:
                self._after[name] = 0.0
            elif how < HASTY:
                self._moments[name] = time.monotonic() + self._rng.uniform(0.0, 0.8)
            elif how < HASTY + TOLD:
                self._after[name] = self._rng.uniform(0.0, 0.7)


def connected(worker: Worker) -> bool:
    """Whether it has been, so far."""
    return " connected " in worker.log.read_text()


def away(server: Server, crowd: Crowd, seconds: float) -> Api:
    """The server is killed, and comes again after so long, in which the crowd goes on; who asks it from then on."""
    server.kill9()
    back = time.monotonic() + seconds

    def over() -> bool:
        crowd.look()
        return time.monotonic() > back

    until(over, "it was away for so long", step=0.05)
    return server.start().api()


@pytest.mark.timeout(60 + 2 * JOBS)
def test_each_begins_as_many_as_it_may_and_every_job_runs_once(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    rng = random.Random(1109)
    ledger = Ledger(tmp_path / "ledger")
    with proxying(server.port) as proxy, ends(server):
        first_told = tmp_path / "first-told"
        crowd = Crowd(server, proxy.url, rng, first_told)
        api = server.api()
        says = ledger.says
        hold = f'[ "${{PATH##*/}}" != {FIRST} ] || while [ ! -e "{first_told}" ]; do sleep 0.02; done'
        line = f"{says('begin')}; {says('by-${PATH##*/}')}; {hold}; sleep $NAP; {says('end')}"
        jobs = api.create_many([{"command": line, "env": {"NAP": f"{rng.uniform(0, 0.2):.3f}"}} for _ in range(JOBS)])

        def ended() -> int:
            crowd.look()
            if rng.random() < CUT:
                proxy.cut()
            return sum(job["status"] not in ("queued", "assigned", "running", "unknown") for job in api.jobs(jobs))

        try:
            for outage in range(OUTAGES):
                share = JOBS * (outage + 1) // (OUTAGES + 2)
                until(lambda share=share: ended() >= share, f"{share} have ended", within=30 + JOBS, step=0.05)
                api = away(server, crowd, rng.uniform(0.5, 1.5))
            until(lambda: ended() == JOBS, "all jobs have ended", within=30 + JOBS, step=0.05)
            for name, worker in crowd.workers.items():
                codes = (0, -signal.SIGTERM) if name in crowd.early else (0,)
                assert worker.wait() in codes, f"{name}: {worker.log.read_text()[-2000:]}"
        finally:
            for worker in crowd.workers.values():
                worker.kill9()
        assert {(job["status"], job["run"]) for job in api.jobs(jobs)} == {("completed", 1)}
    assert ledger.count("begin") == dict.fromkeys(jobs, 1), "each began once"
    assert ledger.count("end") == dict.fromkeys(jobs, 1), "and came to its end"
    began = Counter(entry.word[3:] for entry in ledger.entries() if entry.word.startswith("by-"))
    assert max(began.values()) == EACH, began
    short = {name for name in crowd.workers if began[name] < EACH} - crowd.told
    assert len(short) <= AT_ONCE, "only those that found no more jobs began fewer by themselves"
    assert FIRST in crowd.told, "the first was told to end"
