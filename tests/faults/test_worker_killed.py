"""kill -9 of the worker: nothing of its jobs stays alive, and the jobs end as the table says."""

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.ledger import Ledger
from tests.support.proc import with_marker
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import until

ROUNDS = 20
KINDS = ("stubborn", "leaves", "escapes")
PROCESSES = 1 + 2 + 3
EVIL = Path(__file__).parent / "evil.py"


@contextmanager
def marked(folder: Path) -> Iterator[str]:
    """A word by which the processes of a test are found; what lives of them, and of `folder`, at the end is killed."""
    marker = f"evil-{secrets.token_hex(8)}"
    try:
        yield marker
    finally:
        for pid in with_marker(str(folder)) | with_marker(marker):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(150)
def test_twenty_times_no_process_is_alive_two_seconds_later(tmp_path: Path) -> None:
    """Jobs ignore TERM, start sessions of their own, double-fork, close descriptors and empty their environment."""
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with marked(tmp_path) as name, ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        for number in range(ROUNDS):
            marker = f"{name}-{number:02}"
            jobs = api.create_many(
                [{"command": [sys.executable, "-S", "-E", str(EVIL), marker, kind, str(ledger.path)]} for kind in KINDS]
            )
            until(lambda jobs=jobs: ledger.unended() >= set(jobs), "all three have begun")
            until(lambda marker=marker: len(with_marker(marker)) == PROCESSES, "all six processes live")
            worker.kill9()
            until(lambda marker=marker: not with_marker(marker), "no process of theirs is alive", within=2)
            worker.start(api)
            for job in api.wait_ended(jobs, within=15):
                assert (job["status"], job["reason"]) == ("failed", "worker"), job
                assert job["run"] == 1
                assert job["output"]["stdout"]["whole"] is False, "what was not yet spooled is unknown"
        assert ledger.count("begin").total() == ROUNDS * len(KINDS)
        assert worker.stop() == 0
        assert server.stop() == 0


def test_a_cancelled_job_leaves_nothing_running_and_proves_it(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with marked(tmp_path) as marker, ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        command = [sys.executable, "-S", "-E", str(EVIL), marker, "escapes", str(ledger.path)]
        job_id = api.create({"command": command, "killGraceSec": 0.2})["jobId"]
        until(lambda: len(with_marker(marker)) == 3, "all three processes live")
        assert api.cancel(job_id)["outcome"] == "asked"
        job = api.wait_status(job_id, "cancelled")
        assert not with_marker(marker), "an end that was told is an end"
        assert job["confirmed"] is True
        assert job["attempts"][-1]["proof"] == {"left": 0, "survivors": []}


def test_a_job_over_its_time_ends_as_timeout_with_its_whole_tree(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with marked(tmp_path) as marker, ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        command = [sys.executable, "-S", "-E", str(EVIL), marker, "escapes", str(ledger.path)]
        job_id = api.create({"command": command, "timeoutSec": 1, "killGraceSec": 0.2})["jobId"]
        job = api.wait_status(job_id, "failed")
        assert job["reason"] == "timeout"
        assert not with_marker(marker)
