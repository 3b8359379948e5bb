"""The worker's side of an attempt: what each piece of news makes of its record, and what is to be done about it.

    received ─ journaled ─ asked ─ running ─ ended ─────── acknowledged
        └──────────┴─────────┴────────┴───── released ────────┘

The record is what the spool journals. `advance` is pure: the shell carries out what it returns, in that order, and
tells it what came of it. A record is journaled before its start is asked, and its spawn before the process is made, so
that a new process of the worker can tell what can have run (promise 3).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs

from cmdexec.model.ends import reason_of
from cmdexec.model.job import Reason, Result


class State(StrEnum):
    """How far an attempt has come on its worker."""

    RECEIVED = "received"
    """Assigned; not journaled yet."""
    JOURNALED = "journaled"
    """Waits for a slot."""
    ASKED = "asked"
    """Has a slot; `start` was asked, `go` has not come."""
    RUNNING = "running"
    """`go` came and the spawn is journaled: from here on a process may exist."""
    ENDED = "ended"
    """Its result is journaled, to be reported until it is acknowledged."""
    RELEASED = "released"
    """Nothing runs of it and no result will come; to be said until it is acknowledged."""
    ACKNOWLEDGED = "acknowledged"
    """The server has what there is to know; the spool forgets it."""


UNSPAWNED = frozenset({State.RECEIVED, State.JOURNALED, State.ASKED})
HELD = UNSPAWNED | {State.RUNNING, State.ENDED}
"""States that the worker's complete list names; what is released is told in or before the first list without it."""


class Release(StrEnum):
    """Why an attempt is released, as the protocol names it."""

    NEVER_SPAWNED = "neverSpawned"
    STARTED_AHEAD = "startedAhead"
    NO_ROOM = "noRoom"
    DECLINED = "declined"
    HANDED_BACK = "handedBack"
    DEAD = "dead"


class Ending(StrEnum):
    """Why the worker itself ends what runs of an attempt."""

    STOP = "stop"
    CANCEL = "cancel"
    HAND_BACK = "handBack"
    DEADLINE = "deadline"
    OWNER = "owner"


_ASKED_FOR = frozenset({Ending.STOP, Ending.CANCEL})
_UNBORN = frozenset({Release.NEVER_SPAWNED, Release.STARTED_AHEAD, Release.NO_ROOM})
_TOO_LATE = "its lease was over before it was started"
_OWNER = "ended by the owner of that machine"
_KILLED = frozenset({Reason.EXIT, Reason.SIGNAL})
"""Ends that a kill leads to; after any other (a timeout, a lost executor, exit 0) the kill came too late to matter."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One attempt, as its worker knows it. `requeue`: its job is `onLost: requeue`, so it obeys its own deadline."""

    job_id: str
    attempt: int
    state: State = State.RECEIVED
    requeue: bool = False
    ending: Ending | None = None
    result: Result | None = None
    release: Release | None = None
    message: str | None = None


class Do(StrEnum):
    """What the shell has to do, in the order given; all data stands in the record."""

    JOURNAL = "journal"
    """Write the record to the spool, before anything that comes after. It need not be flushed to disk."""
    ASK_START = "ask_start"
    SPAWN = "spawn"
    """Make the process; tell `Finished` even when that fails, or `Unborn`."""
    TERMINATE = "terminate"
    """TERM to the whole tree, KILL after the job's grace."""
    KILL = "kill"
    """KILL the whole tree now."""
    RESUME = "resume"
    """Name it as held, at once."""
    REPORT = "report"
    """Send what output is missing, then `record.result`."""
    RELEASE = "release"
    """Send `record.release` and `record.message`."""
    FORGET = "forget"
    """Remove record and output from the spool."""


_SAID: dict[State, tuple[Do, ...]] = {
    State.ASKED: (Do.ASK_START,),
    State.RUNNING: (Do.RESUME,),
    State.ENDED: (Do.REPORT,),
    State.RELEASED: (Do.RELEASE,),
}


class Step(msgspec.Struct, frozen=True, gc=False):
    """The record after the news, and what to do."""

    record: Record
    do: tuple[Do, ...] = ()


# What can happen to it -----------------------------------------------------------------------------------------------


class News(msgspec.Struct, frozen=True, gc=False):
    """The base of all."""


class Journaled(News, frozen=True):
    """The spool has it."""


class SlotFree(News, frozen=True):
    """It gets a slot, or is let ahead of one."""


class Go(News, frozen=True):
    """The server grants the start. `in_time`: the session's own deadline is not over; only `requeue` jobs care."""

    in_time: bool


class Stalled(News, frozen=True):
    """Its start was granted ahead of a slot, and no slot comes free."""


class Unborn(News, frozen=True):
    """No process was made, and nothing is wrong with the order: this `machine` had no room for it, or the worker
    ends."""

    message: str
    machine: bool = False


class Stop(News, frozen=True):
    """The server says that the attempt does not hold its job (told unasked, or on `start` or `resume`)."""


class Cancel(News, frozen=True):
    """A person wants it ended."""


class Evict(News, frozen=True):
    """Whoever owns this machine wants it off: that is its end, with the reason `worker`."""


class HandBack(News, frozen=True):
    """The worker gives it up: its owner returns, or its drain is over."""


class DeadlineOver(News, frozen=True):
    """The session's own deadline is over (`lease.own_deadline`): the server may be giving `requeue` jobs away."""


class Decline(News, frozen=True):
    """The worker's policy forbids it."""

    message: str


class Finished(News, frozen=True):
    """Nothing runs of it any more, or what does is named by the result."""

    result: Result


class Acknowledged(News, frozen=True):
    """The server took the result or the release, or refused it for good (`stale_attempt`, `conflict`)."""


class Gone(News, frozen=True):
    """Of what an earlier process of the worker started nothing is left, nor how it ended."""

    message: str


class SayAgain(News, frozen=True):
    """A new connection, or the server asks again: say where it stands."""


class NotStarted(News, frozen=True):
    """The server, which knows no start of it (it was set back to an older state), refuses its output."""


def received(job_id: str, attempt: int, *, requeue: bool) -> Step:
    """A new assignment.

    A process of the worker makes one record of each attempt it is given, and none of an attempt that it knows or knew:
    an assignment that comes again, late, must not start it again.
    """
    return Step(Record(job_id, attempt, requeue=requeue), (Do.JOURNAL,))


def advance(record: Record, news: News) -> Step:
    """What the news makes of the record. News that comes late or twice changes nothing."""
    return _RULES[type(news)](record, news)


def recover(record: Record, *, same_boot: bool, outlives: bool = False) -> Step:
    """What a new process of the worker makes of a record that it finds in its spool; the old one's processes are dead.
    `outlives`: but not what it started of this one, if anything (containers): what becomes of that is to be told.

    After another boot the journal's newest lines may be missing, so only the end of an attempt is certain (promise 3).
    """
    if record.state in UNSPAWNED:
        if same_boot:
            return _released(record, Release.NEVER_SPAWNED, "the worker's process ended before it was started")
        return _released(record, Release.DEAD, "the machine restarted")
    if record.state is State.RUNNING and outlives:
        return Step(record, _SAID[State.RUNNING])
    if record.state is State.RUNNING:
        return _released(record, Release.DEAD, "the worker's process ended" if same_boot else "the machine restarted")
    if record.release in _UNBORN and not same_boot:
        return _released(record, Release.DEAD, "the machine restarted")
    return Step(record, _SAID.get(record.state, ()))


def _released(record: Record, why: Release, message: str | None = None) -> Step:
    after = structs.replace(record, state=State.RELEASED, release=why, message=message)
    return Step(after, (Do.JOURNAL, Do.RELEASE))


def _journaled(record: Record, _news: Journaled) -> Step:
    return Step(structs.replace(record, state=State.JOURNALED) if record.state is State.RECEIVED else record)


def _slot_free(record: Record, _news: SlotFree) -> Step:
    if record.state is not State.JOURNALED:
        return Step(record)
    return Step(structs.replace(record, state=State.ASKED), (Do.ASK_START,))


def _go(record: Record, news: Go) -> Step:
    if record.state is not State.ASKED:
        return Step(record)
    if record.requeue and not news.in_time:
        return _released(record, Release.NEVER_SPAWNED, _TOO_LATE)
    return Step(structs.replace(record, state=State.RUNNING), (Do.JOURNAL, Do.SPAWN))


def _stalled(record: Record, _news: Stalled) -> Step:
    if record.state is not State.ASKED:
        return Step(record)
    return _released(record, Release.STARTED_AHEAD, "no slot came free for it")


def _unborn(record: Record, news: Unborn) -> Step:
    if record.state is not State.RUNNING:
        return Step(record)
    return _released(record, Release.NO_ROOM if news.machine else Release.NEVER_SPAWNED, news.message)


def _stop(record: Record, _news: Stop) -> Step:
    if record.state in UNSPAWNED:
        return _released(record, Release.NEVER_SPAWNED, "stopped before it was started")
    if record.state is not State.RUNNING or record.ending in (Ending.STOP, Ending.DEADLINE):
        return Step(record)
    return Step(structs.replace(record, ending=Ending.STOP), (Do.KILL,))


def _cancel(record: Record, _news: Cancel) -> Step:
    if record.state in UNSPAWNED:
        return _released(record, Release.NEVER_SPAWNED, "cancelled before it was started")
    if record.state is not State.RUNNING or record.ending in _ASKED_FOR:
        return Step(record)
    return Step(structs.replace(record, ending=Ending.CANCEL), (Do.TERMINATE,))


def _evict(record: Record, _news: Evict) -> Step:
    if record.state is not State.RUNNING or record.ending is not None:
        return Step(record)
    return Step(structs.replace(record, ending=Ending.OWNER), (Do.TERMINATE,))


def _hand_back(record: Record, _news: HandBack) -> Step:
    if record.state is State.ASKED:
        return _released(record, Release.STARTED_AHEAD, "handed back before it was started")
    if record.state in UNSPAWNED:
        return _released(record, Release.HANDED_BACK)
    if record.state is not State.RUNNING or record.ending is not None:
        return Step(record)
    return Step(structs.replace(record, ending=Ending.HAND_BACK), (Do.TERMINATE,))


def _deadline_over(record: Record, _news: DeadlineOver) -> Step:
    if not record.requeue:
        return Step(record)
    if record.state is State.ASKED:
        return _released(record, Release.NEVER_SPAWNED, _TOO_LATE)
    if record.state is not State.RUNNING:
        return Step(record)
    ending = record.ending if record.ending in _ASKED_FOR else Ending.DEADLINE
    return Step(structs.replace(record, ending=ending), (Do.KILL,))


def _decline(record: Record, news: Decline) -> Step:
    if record.state not in (State.RECEIVED, State.JOURNALED):
        return Step(record)
    return _released(record, Release.DECLINED, news.message)


def _finished(record: Record, news: Finished) -> Step:
    if record.state is not State.RUNNING:
        return Step(record)
    result = news.result
    if record.ending is not None and reason_of(result, cancel_asked=False) in _KILLED:
        if record.ending in _ASKED_FOR:
            result = structs.replace(result, reason=Reason.CANCELLED)
        elif record.ending is Ending.OWNER:
            result = structs.replace(result, reason=Reason.WORKER, message=_OWNER)
        elif result.left == 0:
            return _released(record, Release.HANDED_BACK, result.message)
        else:
            result = structs.replace(result, reason=Reason.WORKER)
    return Step(structs.replace(record, state=State.ENDED, result=result), (Do.JOURNAL, Do.REPORT))


def _gone(record: Record, news: Gone) -> Step:
    return _released(record, Release.DEAD, news.message) if record.state is State.RUNNING else Step(record)


def _acknowledged(record: Record, _news: Acknowledged) -> Step:
    if record.state not in (State.ENDED, State.RELEASED):
        return Step(record)
    return Step(structs.replace(record, state=State.ACKNOWLEDGED), (Do.FORGET,))


def _say_again(record: Record, _news: SayAgain) -> Step:
    return Step(record, _SAID.get(record.state, ()))


def _not_started(record: Record, _news: NotStarted) -> Step:
    return Step(record, (Do.ASK_START,) if record.state in (State.RUNNING, State.ENDED) else ())


_RULES: dict[type[News], Callable[[Record, Any], Step]] = {
    Journaled: _journaled,
    SlotFree: _slot_free,
    Go: _go,
    Stalled: _stalled,
    Unborn: _unborn,
    Stop: _stop,
    Cancel: _cancel,
    Evict: _evict,
    HandBack: _hand_back,
    DeadlineOver: _deadline_over,
    Decline: _decline,
    Finished: _finished,
    Gone: _gone,
    Acknowledged: _acknowledged,
    SayAgain: _say_again,
    NotStarted: _not_started,
}
