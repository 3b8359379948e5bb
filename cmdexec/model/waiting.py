"""Why a job waits: as data, and in words with what would end it."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from cmdexec.model.matching import ANY, ANY_WAY, CONTAINER, Lacks, Miss, Needs
from cmdexec.model.parts import memory

_NAMED_MAX = 3

DRAINED = "drained"
"""As the detail of AWAY: nor would they take jobs if they were there."""

UNREADY = "unready"
"""As the detail of STALLED: they have not said yet what they hold."""


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
    STALLED = "stalled"
    SUSPECT = "suspect"
    SOON = "soon"
    ASKS = "asks"
    NEXT = "next"
    KEPT = "kept"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    PHASE = "phase"


class Why(msgspec.Struct, frozen=True):
    """Why a job waits.

    needs    what it needs
    workers  those that it is about, by name: that match, drain, declined it, or have it; of NO_MATCH the nearest
    misses   of NO_MATCH: what the nearest lacks
    detail   of PHASE what its worker does, of ROOM what is free, of TIME when, of RETRY what became of the run before,
             of AWAY whether they drain too, of STALLED whether they are only new
    seconds  of RETRY how long still, of SILENT for how long; of KEPT, too: 0 for one that is not connected
    run, runs  of RETRY which run comes next, of how many
    before   of BUSY and ROOM: how many that need the same go first; None: not known
    more     `before` counts no further
    some     of NO_MATCH: another one has what the nearest lacks, but lacks something else; of others: there are more
             that match, which drain, declined it, or are full
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
    some: bool = False

    @property
    def sentence(self) -> str:
        """In words, to follow "waits for" or to stand alone."""
        return _SENTENCES[self.cause](self)

    @property
    def phase(self) -> str | None:
        """What its worker does before it can start it; None: it waits for something else."""
        return self.detail if self.cause is Cause.PHASE else None

    @property
    def mend(self) -> str | None:
        """What one could do; None: it needs nothing but time."""
        return _MENDS[self.cause](self) if self.cause in _MENDS else None


def wanted(needs: Needs) -> str:
    """`gpu=a100, a container engine, 2 cores and 512 MB of memory`; "" for nothing."""
    words = [key if value == ANY else f"{key}={value}" for key, value in needs.requires]
    if needs.executor == CONTAINER:
        words.append(_ENGINE)
    if needs.part is not None:
        words.append(str(needs.part))
    return _joined(words)


def lacking(needs: Needs, missing: Sequence[Miss]) -> Needs:
    """What is said to be nowhere when that is missing of the nearest: what it lacks, and of sizes with what labels."""
    if any(miss.what is Lacks.HOLDS for miss in missing):
        return needs
    sizes = {miss.what: miss.wanted for miss in missing if miss.what in _SIZES}
    labels = tuple((miss.key, str(miss.wanted)) for miss in missing if miss.what in _LABELS)
    only_sizes = len(sizes) == len(missing)
    way = needs.executor if only_sizes or any(miss.what is Lacks.EXECUTOR for miss in missing) else ANY_WAY
    return Needs(
        needs.requires if only_sizes else labels, float(sizes.get(Lacks.CPU, 0)), int(sizes.get(Lacks.RAM, 0)), way
    )


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
        return f"{memory(float(miss.wanted), asked=True)} of memory"
    if miss.what is Lacks.CPU:
        return _cores(float(miss.wanted))
    if miss.what is Lacks.HOLDS:
        return "limits for single jobs"
    if miss.what is Lacks.EXECUTOR:
        return _ENGINE if miss.wanted == CONTAINER else "jobs as processes"
    return f"the label {miss.key}" if miss.wanted == ANY else f"{miss.key}={miss.wanted}"


def _instead(miss: Miss) -> str:
    if miss.what is Lacks.RAM:
        return memory(float(miss.has or 0))
    if miss.what is Lacks.CPU:
        return f"{float(miss.has or 0):g}"
    if miss.what is Lacks.HOLDS:
        return "none"
    if miss.what is Lacks.EXECUTOR:
        return f"no {_ENGINE.removeprefix('a ')}" if miss.wanted == CONTAINER else "containers only"
    return f"{miss.key}={miss.has}" if miss.what is Lacks.OTHER_VALUE else f"no label {miss.key}"


def _cores(count: float) -> str:
    return f"{count:g} core{'' if count == 1 else 's'}"


_ENGINE = "a container engine"
_SIZES = frozenset({Lacks.CPU, Lacks.RAM})
_LABELS = frozenset({Lacks.OTHER_VALUE, Lacks.NO_LABEL})
_OWN = frozenset({"os", "arch", "hostname"})
"""Labels that say what a machine is: it does not become another one by being called so."""


def _no_match(why: Why) -> str:
    """`no worker has gpu=a100; the nearest, build-07, has gpu=t4`"""
    if _only_way(why):
        return _no_way(why)
    has = _instead(why.misses[0]) if len(why.misses) == 1 else _joined([_most(miss) for miss in why.misses])
    if why.some:
        return f"no worker has {wanted(why.needs)}; the nearest, {_named(why.workers)}, has {has}"
    lacks = _joined([_asked(miss) for miss in why.misses])
    sizes = all(miss.what in _SIZES for miss in why.misses)
    others = wanted(Needs(why.needs.requires, executor=why.needs.executor))
    among = f"no worker with {others}" if sizes and others else "no worker"
    return f"{among} has {lacks}; the {'largest' if sizes else 'nearest'}, {_named(why.workers)}, has {has}"


def _only_way(why: Why) -> bool:
    """Whether all that is missing is the way to run it."""
    return all(miss.what is Lacks.EXECUTOR for miss in why.misses)


def _no_way(why: Why) -> str:
    """`no worker with gpu=a100 runs containers; build-07 runs processes only`"""
    others = wanted(Needs(why.needs.requires, why.needs.cpu, why.needs.ram_mb))
    among = f"no worker with {others}" if others else "no worker"
    way, other = ("containers", "processes") if why.needs.executor == CONTAINER else ("processes", "containers")
    count = len(why.workers)
    who = f"{count} workers run" if count > _NAMED_MAX else f"{_named(why.workers)} {_is(why, 'runs', 'run')}"
    return f"{among} runs {way}; {who} {other} only"


def _that_match(why: Why) -> str:
    """`the one worker that has gpu=a100, build-07,`, `3 workers that have gpu=a100`, `all 3 workers`"""
    what, count = wanted(why.needs), len(why.workers)
    if why.some:
        who = "the one worker" if count == 1 else f"all {count} workers"
        return f"{who} that may have it{f', {why.workers[0]},' if count == 1 else ''}"
    if count == 1:
        return f"the one worker that has {what}, {why.workers[0]}," if what else f"the one worker, {why.workers[0]},"
    return f"all {count} workers that have {what}" if what else f"all {count} workers"


def _queue(why: Why) -> str:
    if not why.before:
        return "" if why.before is None else "; it is the first of its kind"
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
    Cause.STALLED: lambda why: (
        f"{_that_match(why)} {_is(why, 'has', 'have')} room for it, and"
        f" {'not said yet what runs there' if why.detail == UNREADY else 'not begun what came before'}"
    ),
    Cause.SUSPECT: lambda why: (
        f"{_that_match(why)} {_is(why, 'begins', 'begin')} nothing that {_is(why, 'it is', 'they are')} given"
    ),
    Cause.SOON: lambda _: "a worker has room for it and is about to get it",
    Cause.ASKS: lambda _: "a worker has room for it and gets it when it asks for jobs again",
    Cause.NEXT: lambda why: (
        f"room on worker {_named(why.workers)}: {why.detail}" if why.detail else f"next on worker {_named(why.workers)}"
    ),
    Cause.KEPT: lambda why: (
        f"worker {_named(why.workers)}, which"
        f" {f'has been silent for {_seconds(why.seconds)}' if why.seconds else 'is not connected'};"
        " it goes back to the queue when its lease is over"
    ),
    Cause.PHASE: lambda why: why.detail,
    Cause.UNKNOWN: lambda why: f"news of worker {_named(why.workers)}, which is silent",
    Cause.REVOKED: lambda why: f"a decision: worker {_named(why.workers)}, which ran it, was revoked",
}


def _mend_no_match(why: Why) -> str:
    """All that the nearest lacks has to be mended for it to match."""
    if _only_way(why):
        one = why.workers[0] if len(why.workers) == 1 else "one of them"
        if why.needs.executor == CONTAINER:
            return f"Start a container engine on {one}, or cancel it and submit it without `containerImage`."
        return f"Let {one} run processes (ALLOW_HOST), or cancel it and submit it with `containerImage`."
    steps, asked = [], _asked_anew(why.misses)
    given = [miss for miss in why.misses if miss.what in _LABELS]
    if any(miss.key in _OWN for miss in given):
        return f"Add a worker that has {wanted(why.needs)}."
    if asked:
        steps.append(f"cancel it and submit it with {asked}")
    steps += [_opened(miss, why) for miss in why.misses if miss.what is Lacks.EXECUTOR]
    if given:
        labels = _joined([f"{miss.key}={'…' if miss.wanted == ANY else miss.wanted}" for miss in given])
        steps.append(f"give {_named(why.workers)} the label{'s' if len(given) > 1 else ''} {labels}")
    text = ", or ".join([_joined(steps), f"add a worker that has {wanted(why.needs)}"])
    return f"{text[0].upper()}{text[1:]}."


def _opened(miss: Miss, why: Why) -> str:
    """What gives the nearest another way to run jobs."""
    named = _named(why.workers)
    return f"start {_ENGINE} on {named}" if miss.wanted == CONTAINER else f"let {named} run processes (ALLOW_HOST)"


def _asked_anew(missing: Sequence[Miss]) -> str:
    """What to ask of the machine for the nearest to be enough; "" if that does not matter."""
    if any(miss.what is Lacks.HOLDS for miss in missing):
        return "no part of the machine"
    sizes = [miss for miss in missing if miss.what in _SIZES]
    return f"no more than {_joined([_most(miss) for miss in sizes])}" if sizes else ""


def _most(miss: Miss) -> str:
    """What there is of it, as one of several things."""
    if miss.what is Lacks.CPU:
        return _cores(float(miss.has or 0))
    has = _instead(miss)
    return (
        "no limits for single jobs"
        if miss.what is Lacks.HOLDS
        else f"{has} of memory"
        if miss.what is Lacks.RAM
        else has
    )


def _add(why: Why) -> str:
    what = wanted(why.needs)
    return f"add a worker that has {what}" if what else "add a worker"


def _mend_busy(why: Why) -> str:
    if why.before:
        return f"Cancel it and submit it with a higher priority, or {_add(why)}."
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
    Cause.DECLINED: lambda why: f"Cancel it and submit it again once {_named(why.workers)} may run it, or {_add(why)}.",
    Cause.SILENT: lambda why: f"Look after {_named(why.workers)}, or {_add(why)}.",
    Cause.BUSY: _mend_busy,
    Cause.ROOM: lambda why: f"Cancel it and submit it with less of the machine, or {_add(why)}.",
    Cause.STALLED: lambda why: f"Look after {_named(why.workers)}, or {_add(why)}.",
    Cause.SUSPECT: lambda why: (
        f"Look after {_named(why.workers)} and start {_is(why, 'it', 'them')} anew, or {_add(why)}."
    ),
    Cause.REVOKED: lambda why: f"Requeue it: it runs twice then if {_named(why.workers)} still runs it. Or cancel it.",
    Cause.UNKNOWN: lambda why: f"If {_named(why.workers)} does not come back, requeue it: it may run twice then.",
}
