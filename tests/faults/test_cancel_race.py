"""Cancels that come while jobs are claimed, started and ended: each job ends once, and as the cancel was answered."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.ledger import Ledger
from tests.support.system import FAST, Server, Worker, ends

JOBS = 300


def test_what_a_cancel_was_answered_is_what_became_of_the_job(tmp_path: Path) -> None:
    """`cancelled`: it never ran, by the ledger, too. `asked`, `too_late`: once at most, and its end says which."""
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", slots=8, **FAST)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        command = f"{ledger.says('begin')}; {ledger.says('end')}"
        job_ids = api.create_many([{"command": command}] * JOBS)
        random.Random(1).shuffle(job_ids)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda job_id: api.cancel(job_id)["outcome"], job_ids))
        jobs = api.wait_ended(job_ids, within=30)
        begun, ran = ledger.count("begin"), ledger.count("end")
        for job, answer in zip(jobs, answers, strict=True):
            times = begun[job["jobId"]], ran[job["jobId"]]
            if answer == "cancelled":
                assert (job["status"], times) == ("cancelled", (0, 0)), job
            elif job["status"] == "completed":
                assert (answer in ("asked", "too_late"), times) == (True, (1, 1)), job
            else:
                assert (answer, job["status"]) == ("asked", "cancelled"), job
                assert max(times) <= 1, job
            assert job["confirmed"] is not False, "nothing of it may still run"
        assert len(set(answers)) > 1, answers
