"""The worker's side of an attempt: what each piece of news makes of each state, and what has to be done about it."""

import pytest

from cmdexec.model import attempt as at
from cmdexec.model.attempt import Do, Ending, Record, Release, State, Step, advance, received, recover
from cmdexec.model.job import Reason, Result
from tests.support.each import over

GOOD = Result(exit_code=0)
BAD = Result(exit_code=3)
TERMED = Result(Reason.SIGNAL, signal=15)
TIMED_OUT = Result(Reason.TIMEOUT, signal=9)
LEFT = Result(Reason.SIGNAL, signal=9, left=1, survivors=("pid 7 (sh)",))

GO, LATE_GO = at.Go(in_time=True), at.Go(in_time=False)


def record(state: str, *, requeue: bool = False, ending: Ending | None = None) -> Record:
    """An attempt in that state."""
    return Record(
        "j1", 3, State(state), requeue, ending,
        result=GOOD if state == "ended" else None, release=Release.DEAD if state == "released" else None,
    )  # fmt: skip


NEVER, AHEAD, BACK = Release.NEVER_SPAWNED, Release.STARTED_AHEAD, Release.HANDED_BACK
ROOM = Release.NO_ROOM
SAY = (Do.JOURNAL, Do.RELEASE)

NEWS: dict[str, at.News] = {
    "journaled": at.Journaled(), "slot": at.SlotFree(), "go": GO, "stop": at.Stop(), "cancel": at.Cancel(),
    "hand back": at.HandBack(), "deadline": at.DeadlineOver(), "decline": at.Decline("not here"),
    "finished": at.Finished(GOOD), "acknowledged": at.Acknowledged(), "say again": at.SayAgain(),
    "not started": at.NotStarted(), "stalled": at.Stalled(), "no room": at.Unborn("no folder", machine=True),
    "gone": at.Gone("no container"), "unborn": at.Unborn("it ends"), "evict": at.Evict(),
}  # fmt: skip

# What is not named here changes nothing and asks for nothing: (news, state) → state after, release or ending, to do.
MOVES: dict[tuple[str, str], tuple[str, Release | Ending | None, tuple[Do, ...]]] = {
    ("journaled", "received"): ("journaled", None, ()),
    ("slot", "journaled"): ("asked", None, (Do.ASK_START,)),
    ("go", "asked"): ("running", None, (Do.JOURNAL, Do.SPAWN)),
    ("stalled", "asked"): ("released", AHEAD, SAY),
    ("no room", "running"): ("released", ROOM, SAY),
    ("unborn", "running"): ("released", NEVER, SAY),
    ("stop", "received"): ("released", NEVER, SAY),
    ("stop", "journaled"): ("released", NEVER, SAY),
    ("stop", "asked"): ("released", NEVER, SAY),
    ("stop", "running"): ("running", Ending.STOP, (Do.KILL,)),
    ("cancel", "received"): ("released", NEVER, SAY),
    ("cancel", "journaled"): ("released", NEVER, SAY),
    ("cancel", "asked"): ("released", NEVER, SAY),
    ("cancel", "running"): ("running", Ending.CANCEL, (Do.TERMINATE,)),
    ("evict", "running"): ("running", Ending.OWNER, (Do.TERMINATE,)),
    ("hand back", "received"): ("released", BACK, SAY),
    ("hand back", "journaled"): ("released", BACK, SAY),
    ("hand back", "asked"): ("released", AHEAD, SAY),
    ("hand back", "running"): ("running", Ending.HAND_BACK, (Do.TERMINATE,)),
    ("decline", "received"): ("released", Release.DECLINED, SAY),
    ("decline", "journaled"): ("released", Release.DECLINED, SAY),
    ("finished", "running"): ("ended", None, (Do.JOURNAL, Do.REPORT)),
    ("acknowledged", "ended"): ("acknowledged", None, (Do.FORGET,)),
    ("acknowledged", "released"): ("acknowledged", Release.DEAD, (Do.FORGET,)),
    ("gone", "running"): ("released", Release.DEAD, SAY),
    ("say again", "asked"): ("asked", None, (Do.ASK_START,)),
    ("say again", "running"): ("running", None, (Do.RESUME,)),
    ("say again", "ended"): ("ended", None, (Do.REPORT,)),
    ("say again", "released"): ("released", Release.DEAD, (Do.RELEASE,)),
    ("not started", "running"): ("running", None, (Do.ASK_START,)),
    ("not started", "ended"): ("ended", None, (Do.ASK_START,)),
}


@over({f"{news} | {state}": (news, str(state)) for news in NEWS for state in State})
def test_move(news: str, state: str) -> None:
    before = record(state)
    step = advance(before, NEWS[news])
    if (news, state) not in MOVES:
        assert step == Step(before)
        return
    after, why, do = MOVES[news, state]
    assert (step.record.state, step.record.release or step.record.ending, step.do) == (after, why, do)


def test_every_kind_of_news_is_tried() -> None:
    kinds = {kind for kind in vars(at).values() if isinstance(kind, type) and issubclass(kind, at.News)}
    assert {type(news) for news in NEWS.values()} == kinds - {at.News}


def test_an_assignment_is_journaled_before_anything_else() -> None:
    assert received("j1", 3, requeue=True) == Step(Record("j1", 3, requeue=True), (Do.JOURNAL,))
    assert advance(Record("j1", 3), at.SlotFree()) == Step(Record("j1", 3)), (
        "no start is asked before the journal has it"
    )


def test_a_spawn_is_journaled_first_and_happens_once_however_often_go_comes() -> None:
    first = advance(record("asked"), GO)
    assert first.do == (Do.JOURNAL, Do.SPAWN)
    assert advance(first.record, GO).do == ()


@pytest.mark.parametrize(
    ("state", "requeue", "ending", "after", "do"),
    [
        ("received", True, None, "received", ()),
        ("journaled", True, None, "journaled", ()),
        ("asked", True, None, "released", SAY),
        ("running", True, None, "running", (Do.KILL,)),
        ("running", True, Ending.CANCEL, "running", (Do.KILL,)),
        ("ended", True, None, "ended", ()),
        ("asked", False, None, "asked", ()),
        ("running", False, None, "running", ()),
    ],
)
def test_only_requeue_attempts_end_at_the_workers_own_deadline(
    state: str, requeue: bool, ending: Ending | None, after: str, do: tuple[Do, ...]
) -> None:
    step = advance(record(state, requeue=requeue, ending=ending), at.DeadlineOver())
    assert (step.record.state, step.do) == (after, do)
    if do == (Do.KILL,):
        assert step.record.ending is (ending or Ending.DEADLINE)


def test_a_go_after_the_deadline_starts_no_requeue_attempt_but_a_hold_one() -> None:
    late = advance(record("asked", requeue=True), LATE_GO)
    assert (late.record.state, late.record.release, late.do) == (State.RELEASED, NEVER, SAY)
    assert advance(record("asked"), LATE_GO).do == (Do.JOURNAL, Do.SPAWN)
    assert advance(record("asked", requeue=True), GO).do == (Do.JOURNAL, Do.SPAWN)


@pytest.mark.parametrize(
    ("ending", "result", "after", "told"),
    [
        (None, TERMED, "ended", Reason.SIGNAL),
        (None, BAD, "ended", None),
        (Ending.CANCEL, TERMED, "ended", Reason.CANCELLED),
        (Ending.STOP, TERMED, "ended", Reason.CANCELLED),
        (Ending.CANCEL, BAD, "ended", Reason.CANCELLED),
        (Ending.CANCEL, GOOD, "ended", None),
        (Ending.CANCEL, TIMED_OUT, "ended", Reason.TIMEOUT),
        (Ending.CANCEL, LEFT, "ended", Reason.CANCELLED),
        (Ending.HAND_BACK, TERMED, "released", BACK),
        (Ending.DEADLINE, TERMED, "released", BACK),
        (Ending.HAND_BACK, BAD, "released", BACK),
        (Ending.HAND_BACK, GOOD, "ended", None),
        (Ending.HAND_BACK, TIMED_OUT, "ended", Reason.TIMEOUT),
        (Ending.HAND_BACK, LEFT, "ended", Reason.WORKER),
        (Ending.DEADLINE, LEFT, "ended", Reason.WORKER),
    ],
)
def test_what_is_said_of_an_end_that_the_worker_may_have_brought_about(
    ending: Ending | None, result: Result, after: str, told: Reason | Release | None
) -> None:
    step = advance(record("running", ending=ending), at.Finished(result))
    assert step.record.state == after
    assert (step.record.release or (step.record.result and step.record.result.reason)) == told
    assert step.do == ((Do.JOURNAL, Do.REPORT) if after == "ended" else SAY)


@pytest.mark.parametrize(
    ("first", "news", "ending", "do"),
    [
        (Ending.STOP, at.Stop(), Ending.STOP, ()),
        (Ending.STOP, at.Cancel(), Ending.STOP, ()),
        (Ending.CANCEL, at.Stop(), Ending.STOP, (Do.KILL,)),
        (Ending.CANCEL, at.Cancel(), Ending.CANCEL, ()),
        (Ending.CANCEL, at.HandBack(), Ending.CANCEL, ()),
        (Ending.HAND_BACK, at.HandBack(), Ending.HAND_BACK, ()),
        (Ending.HAND_BACK, at.Cancel(), Ending.CANCEL, (Do.TERMINATE,)),
        (Ending.DEADLINE, at.Stop(), Ending.DEADLINE, ()),
        (Ending.DEADLINE, at.HandBack(), Ending.DEADLINE, ()),
    ],
)
def test_a_second_cause_to_end_it_counts_when_it_says_more(
    first: Ending, news: at.News, ending: Ending, do: tuple[Do, ...]
) -> None:
    step = advance(record("running", ending=first), news)
    assert (step.record.state, step.record.ending, step.do) == (State.RUNNING, ending, do)


@pytest.mark.parametrize(
    ("state", "same_boot", "after", "release", "do"),
    [
        ("received", True, "released", NEVER, SAY),
        ("journaled", True, "released", NEVER, SAY),
        ("asked", True, "released", NEVER, SAY),
        ("received", False, "released", Release.DEAD, SAY),
        ("journaled", False, "released", Release.DEAD, SAY),
        ("asked", False, "released", Release.DEAD, SAY),
        ("running", True, "released", Release.DEAD, SAY),
        ("running", False, "released", Release.DEAD, SAY),
        ("ended", True, "ended", None, (Do.REPORT,)),
        ("ended", False, "ended", None, (Do.REPORT,)),
        ("released", True, "released", Release.DEAD, (Do.RELEASE,)),
        ("acknowledged", True, "acknowledged", None, ()),
    ],
)
def test_what_a_new_process_makes_of_a_journaled_record(
    state: str, same_boot: bool, after: str, release: Release | None, do: tuple[Do, ...]
) -> None:
    step = recover(record(state), same_boot=same_boot)
    assert (step.record.state, step.record.release, step.do) == (after, release, do)


@pytest.mark.parametrize("release", Release)
def test_after_another_boot_nobody_says_never_spawned(release: Release) -> None:
    before = Record("j1", 3, State.RELEASED, release=release)
    assert recover(before, same_boot=True).record.release is release
    told = recover(before, same_boot=False).record.release
    assert told is (Release.DEAD if release in (NEVER, AHEAD, ROOM) else release)


def test_the_complete_list_names_what_is_held_until_it_is_acknowledged_or_released() -> None:
    assert {str(state) for state in at.HELD} == {"received", "journaled", "asked", "running", "ended"}
