"""Writing jobs. Protected: only `cmdexec.server.jobs` may import this, and only the wiring hands it over."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from cmdexec.model.events import Claim
from cmdexec.model.job import Job
from cmdexec.model.parts import Part


class InlineOutput(msgspec.Struct, frozen=True, gc=False):
    """Output that travels with a result: `data` belongs at `offset` of the stream."""

    stream: str
    offset: int
    data: bytes


class JobWrite(msgspec.Struct, frozen=True, gc=False):
    """One change: write `job` if the stored `rev` is `rev`.

    change_id  stamped on the row, so that after an unknown outcome a re-read tells whether this very change was written
    opens      make the output row (job, attempt) for `job.session`, or open it again as it stood
    append     output for the attempt `append_to`, stored before the change as `Output.append` would; if the change
               conflicts, it may or may not have been stored
    closes     close the output row of that attempt: no more is appended to it
    measured   how long (stdout, stderr) that row was when the change was decided: it conflicts if it is not so before
               `append`. None: whatever is stored
    """

    job: Job
    rev: int
    change_id: str
    opens: int | None = None
    append_to: int | None = None
    append: tuple[InlineOutput, ...] = ()
    closes: int | None = None
    measured: tuple[int, int] | None = None


class Applied(msgspec.Struct, frozen=True, gc=False):
    """Written."""

    job: Job


class NotWritten(msgspec.Struct, frozen=True, gc=False):
    """The stored job is another revision: `current`, None if there is no such job. Or its output is not as `measured`
    says: then `output` is how long (stdout, stderr) it is."""

    current: Job | None
    output: tuple[int, int] | None = None


class Inserted(msgspec.Struct, frozen=True):
    """All were written, in the order given."""


class Present(msgspec.Struct, frozen=True):
    """Nothing was written: submit keys of these are there already, with these jobs (in the order of the keys)."""

    jobs: tuple[Job, ...]


class Wanted(msgspec.Struct, frozen=True):
    """A claim. Of `klasses`, take the `limit` queued jobs of the lowest rank that do not avoid the worker
    (`Claim.avoided_as`); but no more once those taken weigh (`Spec.weight`) `most` together.

    parts  what each job of a class uses of the machine; of a class that is not named here, nothing
    free   what there is of that: a job is taken only while its part is within what those before it left; None: no bound
    ahead  the first of all may be taken all the same, although its part is not free yet
    follows_sec  how long the claim may be kept back for a change that is decided upon what it foresees: an engine that
           can writes both at once then

    What is written to each is exactly `cmdexec.model.birth.claimed(job, claim, now)`.
    """

    claim: Claim
    klasses: tuple[str, ...]
    limit: int
    now: int
    most: int
    parts: Mapping[str, Part] = msgspec.field(default_factory=dict)
    free: Part | None = None
    ahead: bool = False
    follows_sec: float = 0.0


Foreseen = Callable[[Sequence[Job]], None]
"""Told what a claim is about to give."""


class JobWrites(Protocol):
    """The only way to change a job."""

    async def insert(self, jobs: Sequence[Job], standing: Callable[[], None] | None = None) -> Inserted | Present:
        """Add new jobs, all or none (one transaction).

        A submit key is that of a run of jobs that are added together; no jobs of another insert, nor of another run,
        have it for as long as it is kept. "" is none.

        An engine that carries out calls in their order calls `standing` when the insert has its place: a claim that is
        made from then on sees the jobs, and is answered only if they are stored, and after that.
        """
        ...

    async def claim(self, wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        """Give queued jobs to a worker, and return them as changed.

        An engine that knows the jobs before they are on disk calls `foreseen` with them, on the event loop. The claim
        may fail all the same: what counts is what is returned. A change that is decided upon a foreseen job is written
        with the claim or after it, or conflicts.

        The same `claim_id` again returns those of the same jobs that still stand as that claim left them, and takes no
        more while one of them names it: they are all that remembers it. Once each has ended or gone back to the queue
        the id is as good as new, and takes jobs: whoever asks with it wants work, and is told what it took.
        """
        ...

    async def apply(self, writes: Sequence[JobWrite]) -> list[Applied | NotWritten]:
        """Write each change on its own condition, as one commit where the engine can. One that conflicts does not stop
        the others, except later ones of the same job, which were decided upon it. Several writes of the same job in one
        call are applied in their order. The same call again says Applied again, unless the job was changed since."""
        ...

    async def forget_submit_keys(self, before: int, limit: int) -> int:
        """Free up to `limit` submit keys of jobs created before `before` (milliseconds); how many were freed."""
        ...
