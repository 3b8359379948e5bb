"""New jobs: answered only when they are on disk, and made once however often they are sent (promise 1)."""

import hashlib
from collections.abc import Sequence
from itertools import groupby

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.batch import Batch
from cmdexec.model.birth import alike, queued
from cmdexec.model.job import Job, Spec
from cmdexec.server.jobs.kinds import Kinds
from cmdexec.server.jobs.room import Room
from cmdexec.server.jobs.shell import Shell
from cmdexec.store.contract.jobs_write import Present

_HASH_DIGITS = 40
"""Of a SHA-256, in hex: each job bears two of them, and 160 bits are enough to tell submissions apart."""


class Submitter:
    """`age_sec`: how much earlier a job is ranked for each step of priority."""

    def __init__(self, shell: Shell, kinds: Kinds, *, max_queued: int, age_sec: float) -> None:
        self._shell = shell
        self._kinds = kinds
        self._room = Room(shell.reads, max_queued)
        self._age_ms = int(age_sec * 1000)

    async def submit(
        self, owner: str, specs: Sequence[Spec], *, key: str | None, body: bytes, by: str | None = None,
        rerun_of: str | None = None,
    ) -> Sequence[Job]:  # fmt: skip
        """The jobs of `specs`, in their order, all or none. With a `key` that was used before: those made then. `by`:
        what people call the owner; `rerun_of`: the older job whose spec this is.

        Raises Refused("key_reused") if that was with another body, Unavailable("queue_full" | "disk_full" | …).
        """
        body_hash = "" if key is None else hashlib.sha256(body).hexdigest()[:_HASH_DIGITS]
        jobs = self._born(owner, specs, key, body_hash, by, rerun_of)
        try:
            await self._kinds.admit(owner, [job for job, _ in jobs.kinds])
            await self._room.reserve(owner, len(jobs))
        except Unavailable:
            before = [] if key is None else await self._shell.reads.by_submit_keys([submit_key(owner, key)])
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
        self._shell.memory.born((jobs[-1],))
        self._shell.came(jobs)
        return jobs

    def _born(
        self, owner: str, specs: Sequence[Spec], key: str | None, body_hash: str, by: str | None, rerun_of: str | None
    ) -> Batch:
        runtime = self._shell.runtime
        now = runtime.clock.now()
        name = "" if key is None else submit_key(owner, key)
        job_ids = runtime.ids.several(len(specs))
        kinds: list[tuple[Job, Sequence[str]]] = []
        first = 0
        for _, run in groupby(specs, key=id):
            spec, *others = run
            ids = job_ids[first : first + 1 + len(others)]
            job = alike(kinds[-1][0], spec, ids[0]) if kinds else None
            if job is None:
                job = queued(
                    spec, job_id=ids[0], owner=owner, submit_key=name, body_hash=body_hash, now=now,
                    age_ms=self._age_ms, rerun_of=rerun_of, by=by,
                )  # fmt: skip
            kinds.append((job, ids))
            first += len(ids)
        return Batch(kinds)


def submit_key(owner: str, key: str) -> str:
    """What the jobs of a submission are found by: unique in the store, and no two owners share one."""
    return hashlib.sha256(f"{len(owner)}:{owner}:{key}".encode()).hexdigest()[:_HASH_DIGITS]


def _same(before: Sequence[Job], jobs: Batch, body_hash: str) -> Sequence[Job]:
    if len(before) != len(jobs) or any(job.body_hash != body_hash for job in before):
        raise Refused(
            "key_reused",
            "This Idempotency-Key was used before, with another body.",
            field="Idempotency-Key",
            mend="Use a new key for a new request, and the same body for a repeat.",
        )
    return before
