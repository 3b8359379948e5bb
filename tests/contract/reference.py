"""What a plain dictionary makes of calls to a store: the counts, the lists and the jobs must agree with it."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from cmdexec.model.job import HELD, WAITING, Job, Status
from cmdexec.model.matching import NOTHING
from cmdexec.store.contract.classes import ClassRow
from cmdexec.store.contract.jobs_write import Applied, Inserted, NotWritten, Present
from tests.contract.engines import Store
from tests.contract.making import as_claimed, changed, job, wanted, write

CLASSES = ("", "a", "b")
OWNERS = ("owner", "other")
WORKERS = ("w1", "w2")


@dataclass
class Reference:
    """The contract on a dictionary. `ids`: in the order in which they came."""

    store: Store
    jobs: dict[str, Job] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    calls: int = 0

    async def insert(self, made: list[tuple[str, int, str]], with_a_used_key: bool) -> None:
        start = len(self.ids)
        new = [job(start + n, klass=klass, rank=rank, owner=owner) for n, (klass, rank, owner) in enumerate(made)]
        used = self.jobs[self.ids[0]] if self.ids and with_a_used_key else None
        outcome = await self.store.jobs_write.insert(
            [*new, job(start + 99, submit_key=used.submit_key)] if used else new
        )
        if used:
            assert outcome == Present((used,))
            return
        assert outcome == Inserted()
        self.jobs |= {one.job_id: one for one in new}
        self.ids += [one.job_id for one in new]

    async def claim(self, classes: set[str], limit: int, worker_id: str) -> None:
        self.calls += 1
        asked = wanted(f"claim-{self.calls}", limit, sorted(classes), worker_id)
        fit = [
            one for one in (self.jobs[job_id] for job_id in self.ids)
            if one.status is Status.QUEUED and one.klass in classes and worker_id not in one.avoid
        ]  # fmt: skip
        expected = [as_claimed(one, asked) for one in sorted(fit, key=lambda one: one.rank)[:limit]]
        assert await self.store.jobs_write.claim(asked) == expected
        self.jobs |= {one.job_id: one for one in expected}

    async def apply(self, made: list[tuple[int, Status, bool, bool]]) -> None:
        self.calls += 1
        writes, expected = [], []
        stale: set[str] = set()
        for number, (index, status, on_an_old_rev, avoids) in enumerate(made if self.ids else []):
            before = self.jobs[self.ids[index % len(self.ids)]]
            after = changed(before, status=status, avoid=WORKERS[:1] if avoids else ())
            change = write(before, after, f"change-{self.calls}-{number}")
            if on_an_old_rev or before.job_id in stale:
                stale.add(before.job_id)
                writes.append(msgspec.structs.replace(change, rev=before.rev + 70))
                expected.append(None)
            else:
                self.jobs[before.job_id] = after
                writes.append(change)
                expected.append(after)
        outcomes = await self.store.jobs_write.apply(writes)
        for change, outcome, after in zip(writes, outcomes, expected, strict=True):
            if after is None:
                assert isinstance(outcome, NotWritten)
                assert outcome.current is not None
                assert outcome.current.job_id == change.job.job_id
            else:
                assert outcome == Applied(after)

    async def agrees(self) -> None:
        reads = self.store.reads.jobs
        mine = list(self.jobs.values())
        assert await reads.get(self.ids) == [self.jobs[job_id] for job_id in self.ids]
        for worker_id in WORKERS:
            held = [one for one in mine if one.worker_id == worker_id and one.status in HELD]
            assert await reads.held_by(worker_id) == held
        counted = Counter(one.status for one in mine)
        assert await reads.counts() == {status: counted[status] for status in Status}
        for owner in OWNERS:
            waiting = sum(one.owner == owner and one.status in WAITING for one in mine)
            assert await reads.waiting_of(owner) == waiting
        await self._agree_on_classes(mine)

    async def _agree_on_classes(self, mine: list[Job]) -> None:
        """Counted with each commit, never by walking: and yet as if they were."""
        ranks = {
            klass: sorted(one.rank for one in mine if one.klass == klass and one.status is Status.QUEUED)
            for klass in CLASSES
        }
        rows = [
            None if not waiting else ClassRow(klass, NOTHING, len(waiting), waiting[0])
            for klass, waiting in ranks.items()
        ]  # fmt: skip
        reads = self.store.reads.classes
        assert await reads.get(CLASSES) == rows
        assert await reads.all() == [row for row in rows if row is not None and row.klass]
        fronts = [[self.jobs[job_id].rank for job_id in front] for front in await reads.fronts(CLASSES, 2)]
        assert fronts == [waiting[:2] for waiting in ranks.values()]
