"""What a worker was given, as its server remembers it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from cmdexec.model.job import Job
from cmdexec.model.matching import needs_of
from cmdexec.model.parts import Part

_ROUND_TRIP_WEIGHT = 0.1


def least(known: float | None, sample: float) -> float:
    """How long something takes at the least, after it took so long once more: the short times tell that."""
    return sample if known is None else min(sample, known + (sample - known) * _ROUND_TRIP_WEIGHT)


class Given:
    """An attempt that the worker has, or ought to have.

    given_at    when it was sent; before that, when it was claimed or loaded (seconds of the clock that counts suspended
                time)
    started_at  when its start was granted, None before
    batch       in which batch of this connection it was sent; 0: not on this connection
    needs       what its job needs
    part        what of that it asks for of the machine, None: nothing
    rank        where its job stands among all
    begin_by    when that is too old to begin (wall clock), None: never
    phase       what its worker does before it can be started, as it said last; None: nothing, as far as is known
    """

    __slots__ = ("attempt", "batch", "begin_by", "given_at", "needs", "part", "phase", "rank", "started_at")

    def __init__(self, job: Job, given_at: float, started_at: float | None) -> None:
        self.attempt = job.attempt
        self.given_at = given_at
        self.started_at = started_at
        self.batch = 0
        self.needs = needs_of(job.spec)
        self.part = self.needs.part
        self.rank = job.rank
        self.phase: str | None = None
        self.begin_by = None if job.spec.ttl_sec is None else job.begin_by


class Named(Protocol):
    """Something that a worker says of an attempt."""

    @property
    def job_id(self) -> str: ...

    @property
    def attempt(self) -> int: ...


class Claiming(msgspec.Struct, frozen=True):
    """A claim whose answer is not known: it is asked again as it was. `klasses`, `parts`, `free` and `ahead` as in
    `jobs_write.Wanted`."""

    claim_id: str
    limit: int
    klasses: tuple[str, ...] = ("",)
    parts: Mapping[str, Part] = msgspec.field(default_factory=dict)
    free: Part | None = None
    ahead: bool = False
