"""Why a job waits: as data, and in words with what would end it."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from cmdexec.model.matching import ANY, Lacks, Miss, Needs
from cmdexec.model.parts import memory

_NAMED_MAX = 3

DRAINED = "drained"
"""As the detail of AWAY: nor would they take jobs if they were there."""


class Cause(StrEnum):
    """What a job waits for."""

    TIME = "time"
    RETRY = "retry"
    STOPPING = "stopping"
    NO_WORKER = "no_worker"
    AWAY = "away"
    DRAINING = "draining"
    NO_MATCH = "no_match"
    DECLINED = "declined"
    SILENT = "silent"
    BUSY = "busy"
    ROOM = "room"
    SOON = "soon"
    ASKS = "asks"
    NEXT = "next"
    UNKNOWN = "unknown"


class Why(msgspec.Struct, frozen=True):
    """Why a job waits.

    needs    what it needs
    workers  those that it is about, by name: that match, drain, declined it, or have it; of NO_MATCH the nearest
    misses   of NO_MATCH: what the nearest lacks
    detail   of ROOM what is free, of TIME when, of RETRY what became of the run before, of AWAY whether they drain too
    seconds  of RETRY how long still, of SILENT for how long
    run, runs  of RETRY which run comes next, of how many
    before   of BUSY and ROOM: how many that need the same go first; None: not known
    more     `before` counts no further
    """

    cause: Cause
    needs: Needs = Needs()
    workers: tuple[str, ...] = ()
    misses: tuple[Miss, ...] = ()
    detail: str = ""
    seconds: float = 0.0
    run: int = 0
    runs: int = 0
    before: int | None = None
    more: bool = False

    @property
    def sentence(self) -> str:
        """In words, to follow "waits for" or to stand alone."""
        return _SENTENCES[self.cause](self)

    @property
    def mend(self) -> str | None:
        """What one could do; None: it needs nothing but time."""
        return _MENDS[self.cause](self) if self.cause in _MENDS else None


def wanted(needs: Needs) -> str:
    """`gpu=a100, 2 cores and 512 MB of memory`; "" for nothing."""
    words = [key if value == ANY else f"{key}={value}" for key, value in needs.requires]
    if needs.part is not None:
        words.append(str(needs.part))
    return _joined(words)


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _named(workers: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c and 7 more`"""
    if len(workers) <= _NAMED_MAX:
        return _joined(workers)
    return f"{', '.join(workers[:_NAMED_MAX])} and {len(workers) - _NAMED_MAX} more"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _asked(miss: Miss) -> str:
    if miss.what is Lacks.RAM:
        return f"{memory(float(miss.wanted))} of memory"
    if miss.what is Lacks.CPU:
        return _cores(float(miss.wanted))
    if miss.what is Lacks.HOLDS:
        return "limits for single jobs"
    return f"the label {miss.key}" if miss.wanted == ANY else f"{miss.key}={miss.wanted}"


def _instead(miss: Miss) -> str:
    if miss.what is Lacks.RAM:
        return memory(float(miss.has or 0))
    if miss.what is Lacks.CPU:
        return f"{float(miss.has or 0):g}"
    if miss.what is Lacks.HOLDS:
        return "none"
    return f"{miss.key}={miss.has}" if miss.what is Lacks.OTHER_VALUE else f"no label {miss.key}"


def _cores(count: float) -> str:
    return f"{count:g} core{'' if count == 1 else 's'}"


_SIZES = frozenset({Lacks.CPU, Lacks.RAM})


def _no_match(why: Why) -> str:
    """`no worker has gpu=a100; the nearest, build-07, has gpu=t4`"""
    lacks = _joined([_asked(miss) for miss in why.misses])
    has = _instead(why.misses[0]) if len(why.misses) == 1 else _joined([_most(miss) for miss in why.misses])
    sizes = all(miss.what in _SIZES for miss in why.misses)
    labels = Needs(why.needs.requires)
    among = f"no worker with {wanted(labels)}" if sizes and labels.requires else "no worker"
    return f"{among} has {lacks}; the {'largest' if sizes else 'nearest'}, {_named(why.workers)}, has {has}"


def _that_match(why: Why) -> str:
    """`the one worker that has gpu=a100, build-07,`, `3 workers that have gpu=a100`, `all 3 workers`"""
    what, count = wanted(why.needs), len(why.workers)
    if count == 1:
        return f"the one worker that has {what}, {why.workers[0]}," if what else f"the one worker, {why.workers[0]},"
    return f"all {count} workers that have {what}" if what else f"all {count} workers"


def _queue(why: Why) -> str:
    if not why.before:
        return "" if why.before is None else "; it is next"
    count = f"more than {why.before}" if why.more else f"{why.before}"
    return f"; {count} {'job like it goes' if why.before == 1 and not why.more else 'jobs like it go'} first"


def _is(why: Why, one: str, many: str) -> str:
    return one if len(why.workers) == 1 else many


def _retry(why: Why) -> str:
    run = f"run {why.run} of {why.runs}" if why.runs else f"run {why.run}"
    return f"retries in {_seconds(why.seconds)} ({run}){': ' if why.detail else ''}{why.detail}"


_SENTENCES: dict[Cause, Callable[[Why], str]] = {
    Cause.TIME: lambda why: f"its time, {why.detail}" if why.detail else "its time",
    Cause.RETRY: _retry,
    Cause.STOPPING: lambda _: "the server is stopping; it goes on when the server is back",
    Cause.NO_WORKER: lambda _: "no worker is connected",
    Cause.AWAY: lambda why: (
        f"no connected worker matches; {_named(why.workers)}, which {_is(why, 'does', 'do')},"
        f" {_is(why, 'is', 'are')} not connected"
        f"{_is(why, ' and is draining', ' and are draining') if why.detail == DRAINED else ''}"
    ),
    Cause.DRAINING: lambda why: f"{_that_match(why)} {_is(why, 'is', 'are')} draining",
    Cause.NO_MATCH: _no_match,
    Cause.DECLINED: lambda why: f"declined by {_named(why.workers)}; no other worker matches",
    Cause.SILENT: lambda why: f"{_that_match(why)} {_is(why, 'has', 'have')} been silent for {_seconds(why.seconds)}",
    Cause.BUSY: lambda why: f"{_that_match(why)} {_is(why, 'is', 'are')} busy{_queue(why)}",
    Cause.ROOM: lambda why: (
        f"{_that_match(why)} {_is(why, 'has', 'have')} too little free now: {why.detail}{_queue(why)}"
    ),
    Cause.SOON: lambda _: "a worker has room for it and is about to get it",
    Cause.ASKS: lambda _: "a worker has room for it and gets it when it asks for jobs again",
    Cause.NEXT: lambda why: (
        f"room on worker {_named(why.workers)}: {why.detail}" if why.detail else f"next on worker {_named(why.workers)}"
    ),
    Cause.UNKNOWN: lambda why: f"news of worker {_named(why.workers)}, which is silent",
}


def _mend_no_match(why: Why) -> str:
    mends = []
    sizes = [miss for miss in why.misses if miss.what in _SIZES]
    labels = [miss for miss in why.misses if miss.what in (Lacks.OTHER_VALUE, Lacks.NO_LABEL)]
    if sizes:
        mends.append(f"ask for no more than {_joined([_most(miss) for miss in sizes])}")
    if labels and not sizes:
        given = _joined([f"{miss.key}={'…' if miss.wanted == ANY else miss.wanted}" for miss in labels])
        mends.append(f"give {_named(why.workers)} the label{'s' if len(labels) > 1 else ''} {given}")
    if any(miss.what is Lacks.HOLDS for miss in why.misses):
        mends.append("ask for no part of the machine")
    text = ", or ".join([*mends, f"add a worker that has {wanted(why.needs)}"])
    return f"{text[0].upper()}{text[1:]}."


def _most(miss: Miss) -> str:
    return _cores(float(miss.has or 0)) if miss.what is Lacks.CPU else _instead(miss)


def _add(why: Why) -> str:
    what = wanted(why.needs)
    return f"add a worker that has {what}" if what else "add a worker"


def _mend_busy(why: Why) -> str:
    if why.before:
        return f"Give it a higher priority, or {_add(why)}."
    text = _add(why)
    return f"{text[0].upper()}{text[1:]}, or wait for an end."


_MENDS: dict[Cause, Callable[[Why], str]] = {
    Cause.TIME: lambda _: "Cancel it and submit it without `runAt` to run it now.",
    Cause.NO_WORKER: lambda why: f"Start {_add(why).removeprefix('add ')}.",
    Cause.AWAY: lambda why: (
        f"Start {_named(why.workers)} again"
        f"{_is(why, ' and let it take jobs', ' and let them take jobs') if why.detail == DRAINED else ''}"
        f", or {_add(why)}."
    ),
    Cause.DRAINING: lambda why: f"Let {_named(why.workers)} take jobs again, or {_add(why)}.",
    Cause.NO_MATCH: _mend_no_match,
    Cause.DECLINED: lambda why: f"Change what the owner of {_named(why.workers)} allows, or {_add(why)}.",
    Cause.SILENT: lambda why: f"Look after {_named(why.workers)}, or {_add(why)}.",
    Cause.BUSY: _mend_busy,
    Cause.ROOM: lambda why: f"Ask for less of the machine, or {_add(why)}.",
    Cause.UNKNOWN: lambda why: f"If {_named(why.workers)} does not come back, requeue it: it may run twice then.",
}
