"""What the journal says of an attempt, in the order of events; each record is written before its effect."""

from typing import Literal

import msgspec

from cmdexec.protocol.messages import Assignment, Done


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """The base of all; on disk a record is a list that starts with its tag."""


class SessionBegins(_Record, frozen=True, tag="session"):
    """The first record of a spool. A spool without it is a new one, with a session of its own."""

    session: str


class Received(_Record, frozen=True, tag="received"):
    """The attempt is ours: it may now be asked to start."""

    assignment: Assignment


class Spawning(_Record, frozen=True, tag="spawning"):
    """Its process is about to be made. Without this record, and with no reboot since, there never was one."""

    job_id: str
    attempt: int


class Ended(_Record, frozen=True, tag="ended"):
    """How it ended. `done.inline` holds what of its output was on no other disk; each ends where its stream ends."""

    done: Done


class Released(_Record, frozen=True, tag="released"):
    """Nothing runs of it and no result will come; `why` as the protocol has it."""

    job_id: str
    attempt: int
    why: Literal["neverSpawned", "startedAhead", "noRoom", "declined", "handedBack", "dead"]
    message: str | None = None


class Forgotten(_Record, frozen=True, tag="forgotten"):
    """The server has all of it, or does not want it."""

    job_id: str
    attempt: int


Record = SessionBegins | Received | Spawning | Ended | Released | Forgotten


def key_of(job_id: str, attempt: int) -> str:
    """How an attempt is called within the worker: `<jobId>.<attempt>`."""
    return f"{job_id}.{attempt}"


def attempt_of(record: Record) -> str | None:
    """The key of the attempt that the record speaks of; None for the session's."""
    match record:
        case SessionBegins():
            return None
        case Received(assignment=about) | Ended(done=about):
            return key_of(about.job_id, about.attempt)
        case Spawning() | Released() | Forgotten():
            return key_of(record.job_id, record.attempt)
