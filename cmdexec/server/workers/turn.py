"""The frames of one turn: what they ask of jobs, and the answers once that is known.

All that can be judged at once is one list of asks, so one write to the store and one message back.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cmdexec.protocol.messages import (
    Beat,
    CancelOrder,
    Done,
    Failure,
    Heartbeat,
    Held,
    Lease,
    Released,
    Told,
)
from cmdexec.server import jobs
from cmdexec.server.jobs import Ask, Fleet, Holder, Outcome
from cmdexec.server.workers.member import Member

Say = Callable[[Any, Ask, Outcome], Any]
"""The answer to an item of a frame."""


class Reply:
    """The answer to one frame, filled in item by item; `number` None: the frame wants none."""

    __slots__ = ("items", "number", "open")

    def __init__(self, number: int | None, size: int) -> None:
        self.number = number
        self.items: list[Any] = [None] * size
        self.open = size

    def set(self, index: int, item: Any) -> None:
        """The answer to one item."""
        self.items[index] = item
        self.open -= 1


class _Use:
    """What to do with the outcome of one ask: which attempt it was about, how it is told, where the answer goes."""

    __slots__ = ("attempt", "index", "item", "job_id", "reply", "say")

    def __init__(self, item: Any, say: Say, reply: "Reply | Parts", index: int) -> None:
        self.item = item
        self.job_id: str = item.job_id
        self.attempt: int = item.attempt
        self.say = say
        self.reply = reply
        self.index = index


class Parts:
    """The parts of the answer to one heartbeat."""

    __slots__ = ("cancel", "held", "released", "start")

    def __init__(self, beat: Heartbeat) -> None:
        self.held: list[Told] = []
        self.cancel: list[CancelOrder] = []
        self.start: list[Told | None] = [None] * len(beat.start)
        self.released: list[Told | None] = [None] * len(beat.released)

    def set(self, index: int, item: Any) -> None:
        """The answer about one attempt; `index` = kind × _PLACES + its place, which counts for starts and releases."""
        kind, place = divmod(index, _PLACES)
        if kind == _HELD:
            if isinstance(item, CancelOrder):
                self.cancel.append(item)
            elif item is not None:
                self.held.append(item)
        elif kind == _START:
            self.start[place] = item
        else:
            self.released[place] = item

    def beat(self, lease: Lease) -> Beat:
        """The whole answer."""
        return Beat(
            lease_sec=lease.lease_sec,
            heartbeat_sec=lease.heartbeat_sec,
            held=tuple(self.held),
            start=tuple(told for told in self.start if told is not None),
            released=tuple(told for told in self.released if told is not None),
            cancel=tuple(self.cancel),
        )


ASKS_AT_ONCE = 1000
"""Asks that are decided and written together: more would keep all others waiting."""

_PLACES = 1 << 20
_HELD, _START, _RELEASED = range(3)


class Turn:
    """What one turn of `member` asks. `fleet`: who else might take what it declines, looked up if `declines`.
    `changed`: some job is not as it was before. `roomless`: its machine has no room for another process."""

    def __init__(self, member: Member, fleet: Fleet) -> None:
        self._member = member
        self._holder: Holder = member.holder
        self._fleet = fleet
        self.declines = self.changed = self.roomless = False
        self._asks: list[Ask] = []
        self._uses: list[_Use] = []
        self._begun = self._done = 0
        self.beats: list[tuple[Reply, int, Parts]] = []

    def start(self, items: Sequence[Held], reply: Reply) -> None:
        """A frame `start`."""
        for index, item in enumerate(items):
            self._add(jobs.start(self._holder, item), _Use(item, _started, reply, index))

    def released(self, items: Sequence[Released], reply: Reply) -> None:
        """A frame `released`."""
        for index, item in enumerate(items):
            self._release(item, reply, index)

    def done(self, item: Done, reply: Reply, index: int, measure: jobs.Measure, limit: int) -> None:
        """One item of a frame `done`; `measure`: the output that is stored."""
        self._add(jobs.report(self._holder, item, measure, limit), _Use(item, _reported, reply, index))

    def heartbeat(self, beat: Heartbeat, missing: Sequence[tuple[str, int]], reply: Reply, index: int) -> None:
        """One item of a frame `heartbeat`; `missing`: what its complete list lacks."""
        parts = Parts(beat)
        self.beats.append((reply, index, parts))
        for place, item in enumerate(beat.released):
            self._release(item, parts, _RELEASED * _PLACES + place)
        for held in beat.jobs or ():
            self._add(jobs.resume(self._holder, held), _Use(held, _resumed, parts, _HELD * _PLACES))
        for place, asked in enumerate(beat.start):
            self._add(jobs.start(self._holder, asked), _Use(asked, _started, parts, _START * _PLACES + place))
        for job_id, attempt in missing:
            absent = Held(job_id=job_id, attempt=attempt)
            self._add(jobs.missing(self._holder, job_id, attempt), _Use(absent, _nothing, parts, _HELD * _PLACES))

    def next_asks(self) -> Sequence[Ask]:
        """The asks that come next, no more than are good for one write; none when all are answered."""
        self._begun, self._done = self._done, self._done + ASKS_AT_ONCE
        return self._asks[self._begun : self._done]

    def answered(self, outcomes: Sequence[Outcome], now: float) -> None:
        """Fill in the answers to those, and note how the attempts stand."""
        member = self._member
        part = slice(self._begun, self._done)
        for use, ask, outcome in zip(self._uses[part], self._asks[part], outcomes, strict=True):
            use.reply.set(use.index, use.say(use.item, ask, outcome))
            self.changed |= outcome.job is not outcome.before
            if not outcome.overloaded:
                member.stands(use.job_id, use.attempt, outcome.job, now)
                if use.say is _resumed:
                    member.does(use.job_id, use.attempt, use.item.phase)

    def postponed(self, failure: Failure) -> None:
        """The last ones, and those after them, could not be done now: each is told to ask again; a heartbeat is not
        acknowledged."""
        for use in self._uses[self._begun :]:
            use.reply.set(use.index, jobs.again(use.job_id, use.attempt))
        for reply, index, _ in self.beats:
            reply.set(index, failure)

    def _release(self, item: Released, reply: Reply | Parts, index: int) -> None:
        self.declines |= item.why == "declined"
        self.roomless |= item.why == "noRoom"
        self._add(jobs.release(self._holder, item, fleet=self._fleet), _Use(item, _released, reply, index))

    def _add(self, ask: Ask, use: _Use) -> None:
        self._asks.append(ask)
        self._uses.append(use)


def _started(item: Any, _ask: Ask, outcome: Outcome) -> Told:
    return jobs.started(item, outcome)


def _released(item: Any, _ask: Ask, outcome: Outcome) -> Told:
    return jobs.released(item, outcome)


def _reported(item: Any, ask: Ask, outcome: Outcome) -> Told:
    return jobs.reported(ask, item, outcome)


def _resumed(item: Any, _ask: Ask, outcome: Outcome) -> Told | CancelOrder | None:
    return jobs.resumed(item, outcome)


def _nothing(_item: Any, _ask: Ask, _outcome: Outcome) -> None:
    return None
