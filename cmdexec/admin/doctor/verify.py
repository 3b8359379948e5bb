"""Going through a store, job by job, with the rules."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from cmdexec.admin.doctor.rules import COUNTED, RULES, counted
from cmdexec.admin.doctor.seen import see
from cmdexec.errors import CmdexecError
from cmdexec.model.job import Status
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.contract.listing import Filter, PageWanted

_PAGE = 100
_KEPT = 20
"""Findings of a rule that are told one by one; the others are counted."""


@dataclass(slots=True)
class Found:
    """What came of one rule. `wrong`: how often it does not hold; `told`: the first of those, each with the job's id,
    None where it is no single job's."""

    name: str
    says: str
    wrong: int = 0
    told: list[tuple[str | None, str]] = field(default_factory=list)

    def add(self, job_id: str | None, sentence: str) -> None:
        """One more."""
        self.wrong += 1
        if len(self.told) < _KEPT:
            self.told.append((job_id, sentence))


@dataclass(frozen=True, slots=True)
class Verified:
    """`jobs`: how many were looked at; `passed_over`: those that changed too fast, or went, meanwhile."""

    jobs: int
    passed_over: int
    bytes: int
    found: tuple[Found, ...]

    @property
    def well(self) -> bool:
        """Whether every rule holds."""
        return not any(one.wrong for one in self.found)


async def verify(store: Inspection, tell: Callable[[int, int], None] = lambda _done, _of: None) -> Verified:
    """Look at all that is stored of jobs. `tell` is told now and then how many were looked at, of about how many.

    Raises Unavailable when the store is away, and CmdexecError(`bad_data_dir`) for jobs that cannot be read at all.
    """
    try:
        return await _verify(store, tell)
    except msgspec.MsgspecError as wrong:
        raise CmdexecError(
            "bad_data_dir", "What is stored of a job is none of cmdexec's, so that it cannot be read.",
            mend="Put a backup of the store in place.",
        ) from wrong  # fmt: skip


async def _verify(store: Inspection, tell: Callable[[int, int], None]) -> Verified:
    found = [Found(rule.name, rule.says) for rule in RULES]
    of_all = Found(*COUNTED)
    before = await store.jobs.counts()
    statuses: Counter[Status] = Counter()
    looked = passed_over = size = 0
    after: str | None = None
    while True:
        page = await store.lists.page(
            PageWanted(Filter(), limit=_PAGE, scan=_PAGE, newest=0, newest_first=False, after=after)
        )
        statuses.update(job.status for job in page.jobs)
        seen = await see(store, [job.job_id for job in page.jobs])
        for one in seen:
            size += sum(stored.bytes for streams in one.streams.values() for stored in streams.values())
            for rule, into in zip(RULES, found, strict=True):
                for sentence in rule.look(one):
                    into.add(one.job.job_id, sentence)
        looked += len(seen)
        passed_over += len(page.jobs) - len(seen)
        after = page.next
        if after is None:
            break
        tell(looked, sum(before.values()))
    for sentence in counted(before, statuses, await store.jobs.counts()):
        of_all.add(None, sentence)
    return Verified(looked, passed_over, size, (*found, of_all))
