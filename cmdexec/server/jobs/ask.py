"""What is asked of the shell, and what came of it."""

from typing import Protocol

import msgspec

from cmdexec.model.decision import Change, Decision, Refusal, Tell
from cmdexec.model.events import Event
from cmdexec.model.job import Job
from cmdexec.store.contract.jobs_write import InlineOutput


class Judged(msgspec.Struct, frozen=True):
    """What a report means for the job as it stands.

    events   to be decided one after the other; one that is refused ends it
    append   output to be stored with the change that the last event makes
    measured stored lengths (stdout, stderr) that this rests on, if it does
    resend   stored lengths, if output is missing: the result does not count yet
    """

    events: tuple[Event, ...]
    append: tuple[InlineOutput, ...] = ()
    measured: tuple[int, int] | None = None
    resend: tuple[int, int] | None = None


class Judge(Protocol):
    """A report whose meaning depends on how the job stands."""

    def against(self, job: Job) -> Judged: ...


class Ask(msgspec.Struct, frozen=True):
    """One event of one job; or, where what happened depends on the job, a judge in its place."""

    job_id: str
    event: Event | None = None
    judge: Judge | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What came of an ask.

    before     the job as it was decided on, None if there is no such job
    decision   what the last event led to, None if there is no such job
    resend     as in `Judged`
    """

    before: Job | None
    decision: Decision | None
    resend: tuple[int, int] | None = None

    @property
    def job(self) -> Job | None:
        """The job after it."""
        return self.decision.job if isinstance(self.decision, Change) else self.before

    @property
    def tell(self) -> Tell | None:
        """What the worker that asked is told."""
        return self.decision.tell if self.decision is not None else Tell.STOP

    @property
    def refusal(self) -> Refusal | None:
        """The refusal, if it was refused; also when there is no such job."""
        if self.decision is None:
            return NO_SUCH_JOB
        return self.decision if isinstance(self.decision, Refusal) else None

    @property
    def overloaded(self) -> bool:
        """Whether the job was changed by others again and again, so that nothing was written."""
        return self.decision is CROWDED


NO_SUCH_JOB = Refusal("not_found", "There is no such job.", {}, Tell.STOP)
CROWDED = Refusal("overloaded", "The job is changed by others again and again; ask again.", {})
