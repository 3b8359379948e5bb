"""New jobs: answered only when they are on disk, and made once however often they are sent (promise 1)."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.birth import queued
from cmdexec.model.job import Job, Spec
from cmdexec.server.jobs.shell import Shell
from cmdexec.store.contract.jobs_write import Present

_OWNERS_MAX = 10_000
_RETRY_AFTER_SEC = 5.0


class Submitter:
    """`age_sec`: how much earlier a job is ranked for each step of priority."""

    def __init__(self, shell: Shell, *, max_queued: int, age_sec: float) -> None:
        self._shell = shell
        self._max_queued = max_queued
        self._age_ms = int(age_sec * 1000)
        self._at_most: OrderedDict[str, int] = OrderedDict()

    async def submit(self, owner: str, specs: Sequence[Spec], *, key: str | None, body: bytes) -> list[Job]:
        """The jobs of `specs`, in their order, all or none. With a `key` that was used before: those made then.

        Raises Refused("key_reused") if that was with another body, Unavailable("queue_full" | "disk_full" | …).
        """
        body_hash = hashlib.sha256(body).hexdigest()
        jobs = self._born(owner, specs, key, body_hash)
        await self._room(owner, len(jobs))
        written = await self._shell.writes.insert(jobs)
        if isinstance(written, Present):
            return _same(written, jobs, body_hash)
        self._at_most[owner] = self._at_most.get(owner, 0) + len(jobs)
        self._shell.changed(written.jobs)
        return list(written.jobs)

    def _born(self, owner: str, specs: Sequence[Spec], key: str | None, body_hash: str) -> list[Job]:
        runtime = self._shell.runtime
        now = runtime.clock.now()
        jobs = []
        for index, spec in enumerate(specs):
            job_id = runtime.ids.new()
            submit_key = job_id if key is None else submit_key_of(owner, key, index)
            jobs.append(
                queued(
                    spec, job_id=job_id, owner=owner, submit_key=submit_key, body_hash=body_hash, now=now,
                    age_ms=self._age_ms,
                )
            )  # fmt: skip
        return jobs

    async def _room(self, owner: str, more: int) -> None:
        """Whether so many may be added. What is remembered is never too low as far as this server knows, so that the
        store is asked only when it might be full."""
        at_most = self._at_most.get(owner)
        if at_most is not None and at_most + more <= self._max_queued:
            self._at_most.move_to_end(owner)
            return
        waiting = await self._shell.reads.waiting_of(owner)
        self._at_most[owner] = waiting
        self._at_most.move_to_end(owner)
        while len(self._at_most) > _OWNERS_MAX:
            self._at_most.popitem(last=False)
        if waiting + more > self._max_queued:
            raise Unavailable(
                "queue_full",
                f"{waiting} jobs of yours wait already; {self._max_queued} may.",
                retry_after=_RETRY_AFTER_SEC,
                mend="Send fewer, or wait until some have begun.",
            )


def submit_key_of(owner: str, key: str, index: int) -> str:
    """The key of the job at `index` of a submission: unique in the store, and no two owners share one."""
    text = f"{len(owner)}:{owner}:{index}:{key}"
    return hashlib.sha256(text.encode()).hexdigest()


def _same(present: Present, jobs: Sequence[Job], body_hash: str) -> list[Job]:
    if len(present.jobs) != len(jobs) or any(job.body_hash != body_hash for job in present.jobs):
        raise Refused(
            "key_reused",
            "This Idempotency-Key was used before, with another body.",
            field="Idempotency-Key",
            mend="Use a new key for a new request, and the same body for a repeat.",
        )
    return list(present.jobs)
