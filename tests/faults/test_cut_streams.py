"""`run` and `attach`, each cut at random bytes again and again, show the job's output as the job itself wrote it down.

`CMDEXEC_CUTS=200 python -m pytest tests/faults/test_cut_streams.py` cuts more often.
"""

import os
import random
import sys
from pathlib import Path

import pytest

from tests.support.cli import command
from tests.support.cutting import cutting
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until

CUTS = int(os.environ.get("CMDEXEC_CUTS", "100"))
"""Of each of the two."""

WRITER = """
import os, random, sys, time
folder, rng = sys.argv[1], random.Random(7)
ledgers = {1: open(folder + "/stdout", "ab", 0), 2: open(folder + "/stderr", "ab", 0)}
while not os.path.exists(folder + "/stop"):
    stream, data = rng.choice((1, 2)), rng.randbytes(rng.choice((1, 80, 1000, 20000)))
    ledgers[stream].write(data)
    while data:
        data = data[os.write(stream, data):]
    time.sleep(0.002)
sys.exit(7)
"""
"""Writes to both streams until it is told to stop, and the same bytes to files of its own."""


@pytest.mark.timeout(600 if CUTS > 200 else 120)
def test_joined_output_is_the_jobs_own(tmp_path: Path) -> None:
    """The server is killed in the middle of it, too."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    server = Server(tmp_path).start()
    worker = Worker(server, "w")
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    with ends(server, worker), cutting(server.port) as first, cutting(server.port) as second:
        api = server.api()
        worker.start(api)
        given = {
            "CMDEXEC_TOKEN": str(api.token), "RETRY_FIRST_SEC": "1ms", "RETRY_MAX_SEC": "20ms", "TELL_AFTER_SEC": "60s",
        }  # fmt: skip
        job = ("--", sys.executable, "-c", WRITER, str(ledger))
        with command(tmp_path / "run", "run", "--name", "cut", *job, SERVER_URL=first.url, **given) as run:
            until(lambda: run.out.stat().st_size > 0, "it shows something")
            job_id = str(api.ask("GET", "/api/jobs")["jobs"][0]["jobId"])
            with command(tmp_path / "attach", "attach", job_id, SERVER_URL=second.url, **given) as attach:
                until(lambda: attach.out.stat().st_size > 0, "it shows something as well")
                for number, proxy in enumerate((first, second)):
                    rng = random.Random(seed + number)
                    proxy.cut_from_now_on(lambda rng=rng: int(2 ** rng.uniform(0, 19)))
                until(lambda: min(first.cuts, second.cuts) >= CUTS // 2, "half of the cuts", 300)
                server.kill9()
                server.start()
                until(lambda: min(first.cuts, second.cuts) >= CUTS, "all cuts", 300)
                (ledger / "stop").touch()
                first.budget = second.budget = lambda: None
                ended = [one.ended(60) for one in (run, attach)]
        for one, shown in zip(ended, (tmp_path / "run", tmp_path / "attach"), strict=True):
            for stream in ("stdout", "stderr"):
                assert (shown / stream).read_bytes() == (ledger / stream).read_bytes(), f"{shown.name} {stream}"
            assert one.code == 7
        assert (ledger / "stdout").stat().st_size > 100_000
