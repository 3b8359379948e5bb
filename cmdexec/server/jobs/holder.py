"""Who speaks: the worker and its session; and how an outcome is told to it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from cmdexec.model.decision import Tell
from cmdexec.model.events import Back
from cmdexec.protocol.messages import Told
from cmdexec.server.jobs.ask import Outcome


class Holder(msgspec.Struct, frozen=True):
    """A worker, and the life of its spool. `known_as`: what a job remembers of it when it declines, if that is more
    than its id. `back`: it was away before this connection, and why."""

    worker_id: str
    session: str
    known_as: str = ""
    back: Back | None = None

    @property
    def avoided_as(self) -> str:
        """What stands in `Job.avoid`, if it declined the job."""
        return self.known_as or self.worker_id


Word = Literal["go", "stop", "ok", "resend", "again"]

_WORDS: Mapping[Tell | None, Word] = {
    Tell.GO: "go",
    Tell.OK: "ok",
    Tell.STOP: "stop",
    Tell.DROP: "stop",
    Tell.CANCEL: "ok",
}
"""Cancels are orders of their own (`CancelOrder`)."""


def told(job_id: str, attempt: int, outcome: Outcome, *, cancel: Word = "ok") -> Told:
    """The answer to the worker. `cancel`: what it is told in place of `go` or `ok` when the job shall be cancelled."""
    if outcome.overloaded:
        return again(job_id, attempt)
    refusal = outcome.refusal
    if refusal is not None:
        return Told(
            job_id=job_id, attempt=attempt, tell=_WORDS.get(refusal.tell, "stop"), code=refusal.code,
            message=refusal.message,
        )  # fmt: skip
    word = cancel if outcome.tell is Tell.CANCEL else _WORDS.get(outcome.tell, "ok")
    return Told(job_id=job_id, attempt=attempt, tell=word)


def again(job_id: str, attempt: int) -> Told:
    """It could not be done now."""
    return Told(job_id=job_id, attempt=attempt, tell="again", code="overloaded")
