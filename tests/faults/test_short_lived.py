"""Workers that come for a few jobs and go: none begins one more, none is lost, also when they are told to end at any
moment.

Longer: `SHORT_LIVED_JOBS=200 pytest tests/faults/test_short_lived.py`.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.ledger import Ledger
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import until

JOBS = int(os.environ.get("SHORT_LIVED_JOBS", "36"))
EACH = 3
AT_ONCE = 3
TOLD = 0.4
"""The share of workers that are told to end before they end by themselves."""


class Crowd:
    """Workers, one after the other, `AT_ONCE` at a time. `told`: those that were told to end."""

    def __init__(self, server: Server, rng: random.Random) -> None:
        self._server, self._rng = server, rng
        self.workers: dict[str, Worker] = {}
        self.told: set[str] = set()
        self._moments: dict[str, float] = {}

    def look(self) -> None:
        """Tell those whose moment has come, and make up for those that have ended."""
        for name, worker in self.workers.items():
            if self._moments.get(name, time.monotonic() + 1) < time.monotonic() and worker.running():
                del self._moments[name]
                self.told.add(name)
                worker.send(signal.SIGTERM)
        for _ in range(AT_ONCE - sum(worker.running() for worker in self.workers.values())):
            name = f"w{len(self.workers)}"
            settings = FAST | {"MAX_JOBS": str(EACH), "IDLE_TIMEOUT_SEC": "1.5", "JOB_PATH": f"/usr/bin:/bin:/{name}"}
            self.workers[name] = Worker(self._server, name, slots=self._rng.choice((1, 2, 8)), **settings).start()
            if self._rng.random() < TOLD:
                self._moments[name] = time.monotonic() + self._rng.uniform(0.2, 1.2)


@pytest.mark.timeout(60 + 2 * JOBS)
def test_each_begins_as_many_as_it_may_and_every_job_runs_once(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    rng = random.Random(1109)
    crowd, ledger = Crowd(server, rng), Ledger(tmp_path / "ledger")
    with ends(server):
        api = server.api()
        says = ledger.says
        line = f"{says('begin')}; {says('by-${PATH##*/}')}; sleep $NAP; {says('end')}"
        jobs = api.create_many([{"command": line, "env": {"NAP": f"{rng.uniform(0, 0.2):.3f}"}} for _ in range(JOBS)])

        def all_ended() -> bool:
            crowd.look()
            return all(job["status"] not in ("queued", "assigned", "running") for job in api.jobs(jobs))

        try:
            until(all_ended, "all jobs have ended", within=30 + JOBS, step=0.05)
            for worker in crowd.workers.values():
                assert worker.wait() in (0, -signal.SIGTERM), f"{worker.name}: {worker.log.read_text()[-2000:]}"
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
    assert crowd.told, "some were told to end"
