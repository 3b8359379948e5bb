"""New jobs: answered only when they are on disk, and made once however often they are sent (promise 1)."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.birth import queued
from cmdexec.model.job import Job, Spec
from cmdexec.server.jobs.room import Room
from cmdexec.server.jobs.shell import Shell
from cmdexec.store.contract.jobs_write import Present


class Submitter:
    """`age_sec`: how much earlier a job is ranked for each step of priority."""

    def __init__(self, shell: Shell, *, max_queued: int, age_sec: float) -> None:
        self._shell = shell
        self._room = Room(shell.reads, max_queued)
        self._age_ms = int(age_sec * 1000)

    async def submit(
        self, owner: str, specs: Sequence[Spec], *, key: str | None, body: bytes, by: str | None = None,
        rerun_of: str | None = None,
    ) -> list[Job]:  # fmt: skip
        """The jobs of `specs`, in their order, all or none. With a `key` that was used before: those made then. `by`:
        what people call the owner; `rerun_of`: the older job whose spec this is.

        Raises Refused("key_reused") if that was with another body, Unavailable("queue_full" | "disk_full" | …).
        """
        body_hash = hashlib.sha256(body).hexdigest()
        jobs = self._born(owner, specs, key, body_hash, by, rerun_of)
        try:
            await self._room.reserve(owner, len(jobs))
        except Unavailable:
            before = [] if key is None else await self._shell.reads.by_submit_keys([job.submit_key for job in jobs])
            if before:
                return _same(before, jobs, body_hash)
            raise
        try:
            written = await self._shell.writes.insert(jobs, lambda: self._shell.coming(jobs))
        except BaseException:
            self._room.added(owner, len(jobs))
            raise
        if isinstance(written, Present):
            self._room.given_back(owner, len(jobs))
            return _same(written.jobs, jobs, body_hash)
        self._room.added(owner, len(jobs))
        self._shell.memory.born(written.jobs[-1:])
        self._shell.changed(written.jobs, jobs[0].job_id)
        return list(written.jobs)

    def _born(
        self, owner: str, specs: Sequence[Spec], key: str | None, body_hash: str, by: str | None, rerun_of: str | None
    ) -> list[Job]:
        runtime = self._shell.runtime
        now = runtime.clock.now()
        keys = None if key is None else submit_keys(owner, key, len(specs))
        jobs = []
        for index, spec in enumerate(specs):
            job_id = runtime.ids.new()
            submit_key = job_id if keys is None else keys[index]
            jobs.append(
                queued(
                    spec, job_id=job_id, owner=owner, submit_key=submit_key, body_hash=body_hash, now=now,
                    age_ms=self._age_ms, rerun_of=rerun_of, by=by,
                )
            )  # fmt: skip
        return jobs


def submit_keys(owner: str, key: str, count: int) -> list[str]:
    """The keys of the jobs of a submission: unique in the store, and no two owners share one.

    Those of one submission differ at their ends alone: so a batch touches a few pages of the index, not one a job.
    """
    name = hashlib.sha256(f"{len(owner)}:{owner}:{key}".encode()).hexdigest()[:40]
    return [name + end for end in _ends(count)]


@lru_cache(maxsize=4)
def _ends(count: int) -> tuple[str, ...]:
    """Remembered, as most lists are as long as the one before."""
    return tuple(f"-{index:04}" for index in range(count))


def _same(before: Sequence[Job], jobs: Sequence[Job], body_hash: str) -> list[Job]:
    if len(before) != len(jobs) or any(job.body_hash != body_hash for job in before):
        raise Refused(
            "key_reused",
            "This Idempotency-Key was used before, with another body.",
            field="Idempotency-Key",
            mend="Use a new key for a new request, and the same body for a repeat.",
        )
    return list(before)
