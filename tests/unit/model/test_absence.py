"""Why a worker was away, from what its black box recorded."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cmdexec.model import events as on
from cmdexec.model.absence import (
    KEPT,
    SENTENCES,
    Absence,
    Cause,
    Followed,
    Kind,
    Vitals,
    absence,
    follow,
    remembered,
    said_of,
)
from cmdexec.model.decision import Change, Refusal
from cmdexec.model.job import Status
from cmdexec.model.transitions import decide
from tests.unit.model.cells import GONE
from tests.unit.model.states import BAD, GOOD, NOW, STATES, N, S, W

BOUND = 30_000
BEAT = 5_000
START = 1_000_000_000
HOUR = 3_600_000
BOOT, LIFE, NEXT_LIFE = b"b" * 16, b"l" * 8, b"n" * 8


class Box:
    """Records of a worker that is told what to go through."""

    def __init__(self) -> None:
        self.now = Vitals(
            Kind.CONNECTED, START, 10_000, 10_000, BOOT, LIFE, link=True, heard_at=START, heard=10_000,
            disk_free=1 << 30, group=7, group_kills=3, machine_kills=9,
        )  # fmt: skip
        self.records = [self.now]

    def write(self, kind: Kind = Kind.BEAT, **fields: Any) -> "Box":
        self.now = replace(self.now, kind=kind, **fields)
        self.records.append(self.now)
        return self

    def passes(self, ms: int = BEAT, *, slept: int = 0, wall: int = 0, **fields: Any) -> "Box":
        """So much time passes awake, and `slept` beside it, and the wall clock jumps by `wall`; then a beat."""
        now = self.now
        return self.write(
            at=now.at + ms + slept + wall, elapsed=now.elapsed + ms + slept, awake=now.awake + ms, **fields
        )

    def heard(self, ms: int = BEAT) -> "Box":
        """A beat later, and the server has just been heard."""
        now = self.now
        return self.passes(ms, heard_at=now.at + ms, heard=now.elapsed + ms)

    def restart(self, ms: int = 1_000, **fields: Any) -> "Box":
        """Another process begins, so much later."""
        now = self.now
        fields = {"link": False, "stopping": False, "heard_at": 0, "heard": 0, "life": NEXT_LIFE} | fields
        return self.write(
            Kind.STARTED, **{"at": now.at + ms, "elapsed": now.elapsed + ms, "awake": now.awake + ms} | fields
        )

    def lost(self) -> "Box":
        return self.write(Kind.LINK_LOST, link=False)

    def verdict(self, bound: int = BOUND) -> Absence | None:
        return absence(followed(self.records), replace(self.now, kind=Kind.BEAT), bound)


def followed(records: Sequence[Vitals], bound: int = BOUND) -> Followed | None:
    known: Followed | None = None
    for one in records:
        known = follow(known, one, bound)
    return known


def beats(box: Box, ms: int) -> Box:
    for _ in range(ms // BEAT):
        box.passes()
    return box


CASES: dict[str, tuple[Callable[[Box], Box], Cause | None]] = {
    "it was connected all the time": (lambda box: beats(box.heard().heard(), 0), None),
    "the link broke for a moment": (lambda box: box.heard().lost().passes(), None),
    "the link was away": (lambda box: beats(box.heard().lost(), HOUR), Cause.NETWORK),
    "it slept": (lambda box: box.heard().passes(slept=HOUR), Cause.SLEPT),
    "it slept, and its link seems to live": (lambda box: box.passes(slept=HOUR).heard().heard(), Cause.SLEPT),
    "it slept while the link was away, most of the time": (
        lambda box: beats(box.lost().passes(slept=HOUR), HOUR // 2), Cause.SLEPT,
    ),
    "it slept while the link was away, for a while": (
        lambda box: beats(box.lost().passes(slept=HOUR), 2 * HOUR), Cause.NETWORK,
    ),
    "its process was stopped": (lambda box: box.heard().passes(HOUR), Cause.STALLED),
    "a clock that does not count sleep, and the wall clock": (
        lambda box: beats(box.lost().passes(wall=HOUR), 60_000), Cause.NOT_KNOWN,
    ),
    "the machine was started anew": (
        lambda box: box.heard().restart(boot=b"o" * 16, at=START + HOUR, elapsed=5_000, awake=5_000), Cause.RESTARTED,
    ),
    "the machine was started anew after an ordinary stop": (
        lambda box: box.write(Kind.STOPPED).restart(boot=b"o" * 16, elapsed=5_000, awake=5_000), Cause.RESTARTED,
    ),
    "kill -9": (lambda box: box.heard().restart(), Cause.NOT_KNOWN),
    "the kernel killed it for memory": (lambda box: box.heard().restart(group_kills=4, machine_kills=10), Cause.OOM),
    "the kernel killed another of its machine, as its group knows": (
        lambda box: box.heard().restart(machine_kills=10), Cause.NOT_KNOWN,
    ),
    "its group was made anew, and the kernel killed something": (
        lambda box: box.heard().restart(group=8, group_kills=0, machine_kills=10), Cause.OOM_PERHAPS,
    ),
    "no group is known, and the kernel killed something": (
        lambda box: box.write(group=0, group_kills=-1).restart(machine_kills=10), Cause.OOM_PERHAPS,
    ),
    "nothing is counted here": (
        lambda box: box.write(group=0, group_kills=-1, machine_kills=-1).restart(machine_kills=10), Cause.NOT_KNOWN,
    ),
    "its disk was full": (lambda box: box.write(disk_free=4096).restart(), Cause.DISK_FULL),
    "a stop": (lambda box: box.write(Kind.STOPPED, stopping=True).restart(HOUR), Cause.STOPPED),
    "a short stop": (lambda box: box.write(Kind.STOPPED, stopping=True).restart(), None),
    "a stop that took too long for who asked for it": (
        lambda box: box.write(Kind.STOPPING, stopping=True).passes().restart(HOUR), Cause.STOPPED,
    ),
    "killed for memory while it stopped": (
        lambda box: box.write(Kind.STOPPING, stopping=True).restart(group_kills=4), Cause.OOM,
    ),
    "killed, and the first process after it as well": (
        lambda box: box.heard().restart(group_kills=4).restart(life=b"3" * 8), Cause.OOM,
    ),
    "it was started anew after the link had been away for long": (
        lambda box: beats(box.lost(), HOUR).write(Kind.STOPPED).restart(), Cause.NETWORK,
    ),
    "so was its machine": (
        lambda box: beats(box.lost(), HOUR).restart(boot=b"o" * 16, at=START + HOUR + BEAT, elapsed=5_000, awake=5_000),
        Cause.NETWORK,
    ),
    "it was stopped for long after the link had been away for a moment": (
        lambda box: beats(box.lost(), 60_000).write(Kind.STOPPED).restart(HOUR), Cause.STOPPED,
    ),
    "it slept after it was killed": (
        lambda box: box.heard().restart(at=START + HOUR, elapsed=10_000 + HOUR), Cause.SLEPT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_what_the_records_show(name: str) -> None:
    happened, cause = CASES[name]
    box = happened(Box())
    found = box.verdict()
    assert (found.cause if found is not None else None) == cause
    if found is not None:
        assert found.since < found.until == box.now.at


def test_an_absence_begins_when_the_server_was_heard_last() -> None:
    box = beats(Box().heard().lost(), HOUR)
    assert box.verdict() == Absence(START + BEAT, START + BEAT + HOUR, Cause.NETWORK)


def test_what_was_told_is_told_once() -> None:
    box = Box().heard().restart()
    assert box.verdict() is not None
    box.write(Kind.CONNECTED, link=True)
    assert box.verdict() is None


def test_a_worker_that_never_came_was_not_away() -> None:
    box = Box()
    box.records = []
    box.now = replace(box.now, link=False, heard_at=0, heard=0)
    box.write(Kind.STARTED)
    assert beats(box, HOUR).verdict() is None
    assert absence(None, box.now, BOUND) is None


def test_each_cause_has_its_sentence_and_a_word_of_a_newer_worker_is_not_known() -> None:
    assert set(SENTENCES) == set(Cause)
    assert said_of("beamed_up") == said_of("not_known") == "not known"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["beat", "heard", "lost", "connected", "restart", "boot", "stopped"]),
        st.integers(0, 2 * BOUND), st.integers(0, 2 * BOUND), st.integers(-BOUND, BOUND), st.integers(-1, 4),
    ),
    max_size=30,
)  # fmt: skip


@given(STEPS)
def test_whatever_is_recorded_there_is_a_verdict_with_a_beginning_before_its_end(steps: list[Any]) -> None:
    box = Box()
    for what, ms, slept, wall, count in steps:
        box.passes(ms, slept=slept, wall=wall)
        if what == "heard":
            box.heard()
        elif what == "lost":
            box.lost()
        elif what == "connected":
            box.write(Kind.CONNECTED, link=True, heard_at=box.now.at, heard=box.now.elapsed)
        elif what == "stopped":
            box.write(Kind.STOPPED)
        elif what in ("restart", "boot"):
            box.restart(
                group_kills=count, machine_kills=count, disk_free=count, boot=BOOT if what == "restart" else b"x"
            )
    found = box.verdict()
    if found is not None:
        assert found.since <= found.until
        assert found.cause in SENTENCES


@given(st.lists(st.integers(1, BOUND // 2), max_size=50))
def test_a_worker_that_is_heard_as_it_beats_was_never_away(gaps: list[int]) -> None:
    box = Box()
    for ms in gaps:
        box.heard(ms)
        assert box.verdict() is None


@given(st.lists(st.integers(0, 2**40), max_size=KEPT * 2))
def test_the_newest_are_kept_and_one_that_is_told_again_stands_once(begins: list[int]) -> None:
    told = [Absence(since, since + 1, "slept") for since in begins]
    kept: tuple[Absence, ...] = ()
    for one in told:
        kept = remembered(kept, [one])
    assert len(kept) == min(KEPT, len({one.since for one in kept})) <= KEPT
    assert remembered(kept, [replace(one, until=one.until + 5) for one in kept[-1:]])[:-1] == kept[:-1]
    assert set(kept) <= set(told)
    assert not told or kept[-1] == told[-1]


# What a job says of it ----------------------------------------------------------------------------------------------

BACK = on.Back(NOW, "worker w1 was away 2025-11-25 14:02–14:45 UTC: machine slept")


@pytest.mark.parametrize(
    ("state", "event", "note"),
    [
        ("unknown", on.Resume(W, S, N, back=BACK), BACK.note),
        ("lost", on.Resume(W, S, N, back=BACK), BACK.note),
        ("lost", on.Ended(W, S, N, GOOD, back=BACK), BACK.note),
        ("unknown", on.Ended(W, S, N, BAD, back=BACK), f"exit code 3; {BACK.note}"),
        ("running, missed", on.Missing(W, S, N, back=BACK), f"{GONE}: it no longer has the job; {BACK.note}"),
        ("running", on.Dead(W, S, N, "it ended", back=BACK), f"{GONE}: it ended; {BACK.note}"),
        ("running", on.Ended(W, S, N, BAD, back=BACK), "exit code 3"),
        ("unknown", on.Resume(W, S, N, back=on.Back(NOW - 30_000, BACK.note)), None),
    ],
)
def test_a_job_that_had_trouble_by_it_says_where_its_worker_was(state: str, event: on.Event, note: str | None) -> None:
    """One that had none does not, nor one that began after it."""
    decision = decide(STATES[state], event, NOW, 0.5)
    change = decision.also if isinstance(decision, Refusal) else decision
    assert isinstance(change, Change)
    assert change.job.history[-1].note == note


def test_where_its_worker_was_a_job_says_once() -> None:
    first = decide(STATES["unknown"], on.Resume(W, S, N, back=BACK), NOW, 0.5)
    assert isinstance(first, Change)
    again = replace(first.job, status=Status.UNKNOWN)
    second = decide(again, on.Resume(W, S, N, back=BACK), NOW + 1, 0.5)
    assert isinstance(second, Change)
    assert [line.note for line in second.job.history if line.note] == [BACK.note]
