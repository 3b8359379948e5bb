"""New jobs, most of which differ in nothing but their ids."""

from collections.abc import Iterator, Sequence
from typing import overload

from msgspec.structs import replace

from cmdexec.model.job import Job


class Batch(Sequence[Job]):
    """New jobs in the order in which they were asked for: of those next to each other that are alike only the first is
    made; the others when somebody wants to see them. Its ids are all of one length."""

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("job_ids", "kinds")

    def __init__(self, kinds: Sequence[tuple[Job, Sequence[str]]]) -> None:
        """`kinds`: the first of each run of jobs that are alike, and the ids of all of that run."""
        self.kinds = kinds
        self.job_ids = tuple([job_id for _, ids in kinds for job_id in ids])

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> "Batch":
        """The same jobs, each taken for one of its own kind, if they are not a batch."""
        return jobs if isinstance(jobs, Batch) else cls([(job, (job.job_id,)) for job in jobs])

    def __len__(self) -> int:
        return len(self.job_ids)

    def __iter__(self) -> Iterator[Job]:
        return (_named(job, job_id) for job, ids in self.kinds for job_id in ids)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Job]: ...
    def __getitem__(self, place: int | slice) -> Job | Sequence[Job]:
        if isinstance(place, slice):
            return list(self)[place]
        at = range(len(self))[place]
        for job, ids in self.kinds:
            if at < len(ids):
                return _named(job, ids[at])
            at -= len(ids)
        raise IndexError(place)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented


def _named(job: Job, job_id: str) -> Job:
    return job if job.job_id == job_id else replace(job, job_id=job_id)
