"""The ledger of many jobs on two servers while servers and Redis are killed: each job runs once.

`CMDEXEC_SERVERS_JOBS=10000 pytest tests/servers/test_ledger.py` is the long run: 20 kills of servers, 10 of Redis.
"""

import os
import threading
from pathlib import Path

import pytest

from tests.servers.pair import Pair
from tests.services.mongo import shared_uri
from tests.services.packages import Missing
from tests.services.redis import RedisServer
from tests.support.api import Api
from tests.support.ledger import Ledger
from tests.support.system import ends
from tests.support.waiting import until

JOBS = int(os.environ.get("CMDEXEC_SERVERS_JOBS", "300"))
KILLS = 20 if JOBS >= 10_000 else 3
REDIS_KILLS = 10 if JOBS >= 10_000 else 2
BATCH = 10


class Submitting:
    """Submits its share at one server, through whatever happens to that."""

    def __init__(self, api: Api, ledger: Ledger, count: int) -> None:
        self.job_ids: list[str] = []
        self.failure: BaseException | None = None
        self._api = api
        self._spec = {"command": f"{ledger.says('begin')}; echo $CMDEXEC_JOB_ID; {ledger.says('end')}"}
        self._count = count
        self.pace = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            while len(self.job_ids) < self._count:
                assert self.pace.acquire(timeout=120), "nobody let it go on"
                some = min(BATCH, self._count - len(self.job_ids))
                self.job_ids += self._api.create_surely([self._spec] * some, within=120)
        except BaseException as failure:
            self.failure = failure

    @property
    def over(self) -> bool:
        return not self.thread.is_alive()


@pytest.mark.timeout(120 + JOBS)
def test_each_job_runs_once_while_servers_and_redis_are_killed(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis")
    try:
        pair = Pair(tmp_path, shared_uri(), redis, RATE_LIMIT_MAX_JOBS="1000000", MONGODB_SELECT_SEC="6s")
        redis.start()
    except Missing as missing:
        pytest.skip(f"an engine is missing here: {missing}")
    workers = [pair.worker(server, f"w{n}", slots=4) for n, server in enumerate((pair.a, pair.b))]
    ledger = Ledger(tmp_path / "ledger")
    try:
        with ends(*pair.processes):
            pair.start()
            for worker, server in zip(workers, (pair.a, pair.b), strict=True):
                worker.locate(server).start(server.api())
            halves = [Submitting(api, ledger, JOBS // 2) for api in pair.apis()]
            for number in range(KILLS):
                share = JOBS // BATCH // 2 // (KILLS + 1)
                for half in halves:
                    half.pace.release(share)
                goal = number * JOBS // (KILLS + 1)
                until(lambda goal=goal: len(ledger.entries()) // 2 > goal, f"jobs run before kill {number + 1}", 120)
                if number * REDIS_KILLS // KILLS < (number + 1) * REDIS_KILLS // KILLS:
                    redis.kill()
                victim = (pair.a, pair.b)[number % 2]
                victim.kill9()
                victim.start()
                if not redis.running:
                    redis.start()
            for half in halves:
                half.pace.release(JOBS)
            until(lambda: all(half.over for half in halves), "all are submitted", 120 + JOBS / 10)
            assert [half.failure for half in halves] == [None, None]
            job_ids = [job_id for half in halves for job_id in half.job_ids]
            assert len(set(job_ids)) == 2 * (JOBS // 2)
            judge(pair.apis()[1], ledger, job_ids)
            assert all(worker.running() for worker in workers), "the workers lived through it all"
    finally:
        pair.drop()


def judge(api: Api, ledger: Ledger, job_ids: list[str]) -> None:
    """By the ledger each job ran once, by the store each has its end and its output."""
    jobs = api.wait_ended(job_ids, 60 + len(job_ids) / 10)
    assert ledger.count("begin") == dict.fromkeys(job_ids, 1), "each began once, and nothing else did"
    assert ledger.count("end") == dict.fromkeys(job_ids, 1), "each came to its end, once"
    assert {(job["status"], job["exitCode"], job["run"]) for job in jobs} == {("completed", 0, 1)}
    assert all(job["output"]["stdout"]["bytes"] == len(job["jobId"]) + 1 for job in jobs)
    assert all(job["output"]["stdout"]["whole"] for job in jobs)
