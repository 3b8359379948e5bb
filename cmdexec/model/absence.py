"""Why a worker was away, worked out from what its black box recorded: records in, a verdict out.

A record says when it was written, by three clocks, and how the worker was then. `follow` takes in one after another,
across processes and starts of the machine, and keeps what is needed of all since the server was last heard;
`absence` is the verdict. All times are milliseconds: `at` of the wall clock, which is shown and never judged by
(promise 9), `elapsed` of the clock that counts suspended time, `awake` of the one that does not.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum

import msgspec
from msgspec.structs import replace


class Cause(StrEnum):
    """Why a worker was away."""

    RESTARTED = "restarted"
    STOPPED = "stopped"
    OOM = "oom"
    OOM_PERHAPS = "oom_perhaps"
    DISK_FULL = "disk_full"
    SLEPT = "slept"
    STALLED = "stalled"
    NETWORK = "network"
    NOT_KNOWN = "not_known"


SENTENCES: dict[str, str] = {
    Cause.RESTARTED: "the machine was started anew",
    Cause.STOPPED: "worker stopped by an ordinary stop",
    Cause.OOM: "worker killed by the kernel's OOM killer",
    Cause.OOM_PERHAPS: "not known; the kernel's OOM killer ended some process of the machine then, perhaps this worker",
    Cause.DISK_FULL: "worker ended when its disk was full",
    Cause.SLEPT: "machine slept",
    Cause.STALLED: "the worker's process stood still while its machine did not",
    Cause.NETWORK: "network away; the worker lived on and could not reach its server",
    Cause.NOT_KNOWN: "not known",
}
"""What is said of each cause, after "worker w1 was away 14:02–14:45: "."""


def said_of(cause: str) -> str:
    """The sentence of a cause; of one that a newer worker knows and this version does not: not known."""
    return SENTENCES.get(cause, SENTENCES[Cause.NOT_KNOWN])


class Kind(IntEnum):
    """What a record was written for."""

    BEAT = 0
    STARTED = 1
    CONNECTED = 2
    LINK_LOST = 3
    WOKE = 4
    STOPPING = 5
    STOPPED = 6


class Vitals(msgspec.Struct, frozen=True, gc=False):
    """One record.

    boot, life     which start of the machine, and which process of the worker
    link           the server knows this worker now, as far as is known
    stopping       it was told to end
    heard_at, heard   when the server was last heard, by the wall clock and elapsed; 0: not yet by this process
    disk_free      bytes; -1, as in all that follow: not known
    group, group_kills   which cgroup the process is in, 0 for none, and how many processes of that group alone the
                   kernel's OOM killer has ended
    machine_kills  how many of the whole machine it has ended
    """

    kind: Kind
    at: int
    elapsed: int
    awake: int
    boot: bytes
    life: bytes
    link: bool = False
    stopping: bool = False
    heard_at: int = 0
    heard: int = 0
    memory_used: int = -1
    memory_total: int = -1
    load: float = -1.0
    disk_free: int = -1
    group: int = 0
    group_kills: int = -1
    machine_kills: int = -1


class Absence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """From when to when a worker was away, in milliseconds of its wall clock, and why: a `Cause`, or another word
    from a newer worker."""

    since: int
    until: int
    cause: str


class Followed(msgspec.Struct, frozen=True, gc=False):
    """What is known of the time since the server was last heard.

    last     the newest record
    since    when that was, by the wall clock; 0: it never was, as far as is known
    passed   for how long, as far as clocks counted it: not over a start of the machine
    slept    so much of it the machine slept
    stalled  so much of it the process lived, and wrote nothing
    cut      so much of it the process lived and worked, without its link
    astray   so much the wall clock went otherwise than the others
    booted   the machine was started anew
    death    how the process ended that was there when it began; None: it lives
    hole     it slept or stood still for so long that the server must be told, whether or not the link broke by that
    """

    last: Vitals
    since: int
    passed: int = 0
    slept: int = 0
    stalled: int = 0
    cut: int = 0
    astray: int = 0
    booted: bool = False
    death: Cause | None = None
    hole: bool = False


DISK_FULL_BYTES = 1 << 20
"""With less than this left, what a worker has to write does not fit."""


def follow(before: Followed | None, record: Vitals, bound: int) -> Followed:
    """What is known with one more record. `bound`: an absence that is shorter is none."""
    if before is None or record.kind is Kind.CONNECTED:
        return Followed(record, record.at if record.link else record.heard_at)
    last = before.last
    if record.boot != last.boot:
        return replace(before, last=record, booted=True, death=before.death or _death(last, record))
    passed, awake = max(0, record.elapsed - last.elapsed), max(0, record.awake - last.awake)
    slept = max(0, passed - awake)
    same_life = record.life == last.life
    stalled = awake if same_life and awake >= bound else 0
    hole = same_life and (slept >= bound or stalled > 0)
    astray = abs(record.at - last.at - passed)
    if same_life and record.heard >= last.elapsed and record.heard and not (hole or before.hole or before.death):
        since = record.heard_at if astray < bound else last.at
        return Followed(record, since, max(0, record.elapsed - record.heard), astray=astray)
    cut = awake if same_life and not (record.link or stalled) else 0
    return Followed(
        record, before.since, before.passed + passed, before.slept + slept, before.stalled + stalled, before.cut + cut,
        before.astray + astray, before.booted,
        before.death if same_life or before.death is not None else _death(last, record), before.hole or hole,
    )  # fmt: skip


def _death(last: Vitals, next_one: Vitals) -> Cause:
    """Why the process of `last` is no more, as the first record of the next one shows it."""
    if last.kind is Kind.STOPPED:
        return Cause.STOPPED
    same_boot = last.boot == next_one.boot
    if same_boot and last.group and last.group == next_one.group and last.group_kills >= 0:
        if next_one.group_kills > last.group_kills:
            return Cause.OOM
    elif same_boot and 0 <= last.machine_kills < next_one.machine_kills:
        return Cause.OOM_PERHAPS
    if last.stopping:
        return Cause.STOPPED
    return Cause.DISK_FULL if 0 <= last.disk_free < DISK_FULL_BYTES else Cause.NOT_KNOWN


def absence(followed: Followed | None, now: Vitals, bound: int) -> Absence | None:
    """The verdict, now that the server is about to hear of this worker again. None: it was not away, or not for as long
    as `bound`, or was never there. A process that ended otherwise than by a stop is always told: its jobs ended with
    it."""
    if followed is None:
        return None
    known = follow(followed, now, bound)
    if not known.since:
        return None
    sudden = known.booted or known.hole or known.death not in (None, Cause.STOPPED)
    if not sudden and max(known.passed, now.at - known.since) < bound:
        return None
    return Absence(known.since, max(known.since, now.at), _cause(known, max(known.passed, now.at - known.since)))


def _cause(known: Followed, lasted: int) -> Cause:
    if 2 * known.cut >= lasted and (known.booted or known.death is Cause.STOPPED):
        return Cause.NETWORK  # somebody started it anew, as people do then: that is not why it was away
    if known.booted:
        return Cause.RESTARTED
    if known.death not in (None, Cause.NOT_KNOWN):
        return known.death
    if known.slept and 2 * known.slept >= known.passed:
        return Cause.SLEPT
    if known.death is not None:
        return known.death
    if known.stalled and 2 * known.stalled >= known.passed:
        return Cause.STALLED
    return Cause.NOT_KNOWN if known.astray > known.passed else Cause.NETWORK


KEPT = 10
"""So many absences are kept of each worker, the newest."""


def remembered(before: Iterable[Absence], told: Iterable[Absence]) -> tuple[Absence, ...]:
    """What is kept once these are told, in the order in which it was: one that is told again, since its worker could
    not know that it had arrived, stands once, as it was told last."""
    known: dict[int, Absence] = {}
    for one in (*before, *told):
        known.pop(one.since, None)
        known[one.since] = one
    return tuple(known.values())[-KEPT:]
