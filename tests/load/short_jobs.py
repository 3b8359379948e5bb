"""The load of W1 (docs/benchmarks.md): short jobs in lists of a thousand, without a pause, each of them checked."""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.api import ENDED, Api
from tests.support.waiting import until

SLOTS = 16
LIST = 1000
COMMAND = ["sh", "-c", "echo $CMDEXEC_JOB_ID"]
_ASKING, _QUESTIONS = 16, 64
_LOOK_SEC = 0.25
_WITHIN_SEC = 300.0


class ShortJobs:
    """`wrong`: jobs that did not end as they had to."""

    def __init__(self, api: Api, each: int = LIST) -> None:
        self._api = api
        self._each = each
        self.done = 0
        self.wrong: list[dict[str, Any]] = []

    def run(self, go_on: Callable[[], bool]) -> None:
        """List after list as long as `go_on` says so; one is there to be taken while the other is waited for."""
        under_way: deque[list[str]] = deque()
        while go_on():
            under_way.append(self._api.create_many([{"command": COMMAND}] * self._each))
            if len(under_way) > 1:
                self._end(under_way.popleft())
        while under_way:
            self._end(under_way.popleft())

    def lists(self, count: int) -> None:
        """So many lists."""
        left = iter(range(count))
        self.run(lambda: next(left, None) is not None)

    def warm_up(self) -> None:
        """Some jobs; and many questions at once, so that the store has all its connections open: as many as threads."""
        self.lists(2)
        job_ids = [job["jobId"] for job in self._api.ask("GET", "/api/jobs?limit=100")["jobs"]]
        with ThreadPoolExecutor(_ASKING) as pool:
            assert len(list(pool.map(self._api.jobs, [job_ids] * _QUESTIONS))) == _QUESTIONS

    def _end(self, job_ids: list[str]) -> None:
        last = job_ids[-1]
        until(lambda: self._api.job(last)["status"] in ENDED, f"{last} has ended", _WITHIN_SEC, _LOOK_SEC)
        jobs = self._api.wait_ended(job_ids, _WITHIN_SEC)
        self.done += len(jobs)
        self.wrong += [job for job in jobs if not _as_it_must_be(job)]


def _as_it_must_be(job: dict[str, Any]) -> bool:
    wrote = f"{job['jobId']}\n".encode()
    stdout = job["output"]["stdout"]
    ran_once = (job["status"], job["exitCode"], job["run"]) == ("completed", 0, 1)
    return ran_once and (stdout["bytes"], stdout["digest"]) == (len(wrote), hashlib.sha256(wrote).hexdigest())
