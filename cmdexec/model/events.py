"""What can happen to a job. Each event is one row of the table in `transitions`.

What comes from a worker names its session W, its id, and the attempt n that it speaks of.
"""

from typing import ClassVar

import msgspec

from cmdexec.model.job import Result


class Event(msgspec.Struct, frozen=True, gc=False):
    """The base of all; `name` is what the history calls it."""

    name: ClassVar[str] = ""

    @property
    def who(self) -> str | None:
        """The worker or person it comes from, for the history."""
        return None


class Due(Event, frozen=True):
    """The time of a scheduled job has come, or what it depended on is done."""

    name: ClassVar[str] = "due"


class DependencyFailed(Event, frozen=True):
    """A job that it depends on ended otherwise."""

    name: ClassVar[str] = "dependency"
    job_id: str


class Expired(Event, frozen=True):
    """`ttlSec` is over and it has not begun."""

    name: ClassVar[str] = "expired"


class Claim(Event, frozen=True):
    """A worker takes it; only from queued. `known_as`: what a job that it declined calls it, if that is not its id."""

    name: ClassVar[str] = "claim"
    worker_id: str
    session: str
    claim_id: str
    known_as: str = ""

    @property
    def avoided_as(self) -> str:
        """What stands in `Job.avoid`, if it declined the job."""
        return self.known_as or self.worker_id

    @property
    def who(self) -> str:
        return self.worker_id


class Recall(Event, frozen=True):
    """Another worker could start it now."""

    name: ClassVar[str] = "recall"


class Cancel(Event, frozen=True):
    """A person wants it ended."""

    name: ClassVar[str] = "cancel"
    by: str

    @property
    def who(self) -> str:
        return self.by


class LeaseOver(Event, frozen=True):
    """The lease of the session is over, or its worker was revoked. Says nothing to jobs of other sessions."""

    name: ClassVar[str] = "lease_over"
    session: str


class LostTimeout(Event, frozen=True):
    """It was unknown for too long."""

    name: ClassVar[str] = "lost_timeout"


class Requeue(Event, frozen=True):
    """A person wants an unknown job run again; `accept_duplicate`: although the first run may still be going on."""

    name: ClassVar[str] = "requeue"
    by: str
    accept_duplicate: bool = False

    @property
    def who(self) -> str:
        return self.by


class Back(msgspec.Struct, frozen=True, gc=False):
    """A worker is back: since when (the server's wall clock), and what is said of where it was."""

    at: int
    note: str


class OfWorker(Event, frozen=True, kw_only=True):
    """`back`: W was away before it said this, which may be why the attempt was unknown, or ended as it did."""

    back: Back | None = None


class FromWorker(OfWorker, frozen=True):
    """What a worker says of attempt n."""

    worker_id: str
    session: str
    attempt: int

    @property
    def who(self) -> str:
        return self.worker_id


class Start(FromWorker, frozen=True):
    """W has journaled n and a slot for it: may it make the process?"""

    name: ClassVar[str] = "start"


class Output(FromWorker, frozen=True):
    """W brings output of n."""

    name: ClassVar[str] = "output"


class Resume(FromWorker, frozen=True):
    """W names n as held."""

    name: ClassVar[str] = "resume"


class Missing(FromWorker, frozen=True):
    """W's complete list, sent after n was given to it, lacks n."""

    name: ClassVar[str] = "missing"


class Ended(FromWorker, frozen=True):
    """W reports how n ended."""

    name: ClassVar[str] = "result"
    result: Result


class NeverSpawned(FromWorker, frozen=True):
    """W had n journaled, made no process of it and will make none. `blameless`: that says nothing against the job: no
    slot came free for it, or W's machine had no room for a process."""

    name: ClassVar[str] = "never_spawned"
    message: str | None = None
    blameless: bool = False


class Declined(FromWorker, frozen=True):
    """W's own policy forbids n. `others_match`: another worker might take it; `known_as`: what the job shall call W, if
    not by its id."""

    name: ClassVar[str] = "declined"
    message: str
    others_match: bool = False
    known_as: str = ""


class HandedBack(FromWorker, frozen=True):
    """W gives n up: its owner returns, or its drain is over. What ran of it is dead."""

    name: ClassVar[str] = "handed_back"


class Dead(FromWorker, frozen=True):
    """W knows that n is dead: W or its machine restarted. `message` says what W knows of it."""

    name: ClassVar[str] = "dead"
    message: str | None = None
