"""The jobs that workers hold, as they were last seen, and the few that came last: a hint that may be out of date, and
bounded."""

from collections import OrderedDict
from collections.abc import Iterable
from sys import getsizeof

from cmdexec.model.job import HELD, Job, Spec

_JOB_BYTES = 1536
_LINE_BYTES = 256
_ATTEMPT_BYTES = 1024
"""What one job, a line of its history and an attempt take in memory, without what people gave it: as measured, rounded
up."""


_BORN_MAX = 64
_BORN_WEIGHT = 4096
"""How many new jobs are kept, and how much one may weigh (`Spec.weight`): whoever sent one asks for it at once, mostly
before a worker holds it."""


class _Seen:
    __slots__ = ("job", "size", "spec_size")

    def __init__(self, job: Job, spec_size: int) -> None:
        self.job = job
        self.spec_size = spec_size
        self.size = _JOB_BYTES + spec_size + _LINE_BYTES * len(job.history) + _ATTEMPT_BYTES * len(job.attempts)


class Memory:
    """Up to `most` bytes of jobs, the least recently seen forgotten first; and a few new ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._born: OrderedDict[str, Job] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._seen)

    def recall(self, job_id: str) -> Job | None:
        """The job as last seen."""
        seen = self._seen.get(job_id)
        return self._born.get(job_id) if seen is None else seen.job

    def born(self, jobs: Iterable[Job]) -> None:
        """These are new, and queued. A worker may hold one already."""
        for job in jobs:
            if job.job_id not in self._seen and job.spec.weight <= _BORN_WEIGHT:
                self._born[job.job_id] = job
        while len(self._born) > _BORN_MAX:
            self._born.popitem(last=False)

    def remember(self, jobs: Iterable[Job]) -> None:
        """Keep these, if a worker holds them."""
        for job in jobs:
            before = self._take(job.job_id)
            if job.status not in HELD:
                continue
            if before is None:
                seen = _Seen(job, _spec_size(job.spec))
            elif before.job.rev >= job.rev:
                seen = before
            else:
                same = before.job.spec is job.spec
                seen = _Seen(job, before.spec_size if same else _spec_size(job.spec))
            self._seen[job.job_id] = seen
            self.size += seen.size
        while self.size > self._most:
            _, oldest = self._seen.popitem(last=False)
            self.size -= oldest.size

    def forget(self, job_ids: Iterable[str]) -> None:
        """What became of these is not known."""
        for job_id in job_ids:
            self._take(job_id)

    def _take(self, job_id: str) -> _Seen | None:
        self._born.pop(job_id, None)
        seen = self._seen.pop(job_id, None)
        if seen is not None:
            self.size -= seen.size
        return seen


def _spec_size(spec: Spec) -> int:
    command = spec.command
    size = getsizeof(command) if isinstance(command, str) else sum(map(getsizeof, command))
    return size + sum(map(getsizeof, spec.env)) + sum(map(getsizeof, spec.env.values()))
