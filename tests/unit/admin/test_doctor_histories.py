"""Each rule of `doctor --verify --history` finds what is planted for it, names the job, and finds nothing else."""

import gzip
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from cmdexec.admin.doctor.recorded.case import Told
from cmdexec.admin.doctor.recorded.lines import digest, disorder, numbered, reaches
from cmdexec.admin.doctor.recorded.record import (
    Call,
    Calm,
    Case,
    End,
    Fault,
    Line,
    Ran,
    Repeated,
    Stored,
    Stream,
    Wrote,
)
from cmdexec.admin.doctor.recorded.record import Followed as Shown
from cmdexec.admin.doctor.recorded.rules import RULES
from cmdexec.admin.doctor.recorded.verify import judge
from cmdexec.errors import CmdexecError

A, B, C, D = (f"01936f0e-4f2a-7001-9c3f-{number:012d}" for number in range(4))
LINES = 12


def said(job: str, attempt: int, *numbers: int, err: bool = False) -> bytes:
    return "".join(f"{'err:' if err else ''}{job}:{attempt}:{number}\n" for number in numbers).encode()


def stream(job: str, attempt: int, lines: int, name: str = "stdout") -> Stream:
    found = numbered(job, name, said(job, attempt, *range(1, lines + 1), err=name == "stderr"))
    return replace(found, said_bytes=found.bytes, said_digest=found.digest, whole=True)


def ran(job: str, attempt: int = 1, exit_code: int = 7, lines: int = LINES) -> Ran:
    return Ran(
        attempt=attempt, ended=True, ok=exit_code == 0, reason="exit" if exit_code else None, exit=exit_code,
        stdout=stream(job, attempt, lines), stderr=stream(job, attempt, lines, "stderr"),
    )  # fmt: skip


EVENTS = (("submit", "queued", 0), ("claim", "assigned", 1), ("start", "running", 1), ("result", "failed", 1))
LOST = (*EVENTS[:3], ("lease_over", "scheduled", 1), ("due", "queued", 1), ("claim", "assigned", 2),
        ("start", "running", 2), ("result", "failed", 2))  # fmt: skip


def stored(job: str, name: str, **more: object) -> Stored:
    fields = {
        "status": "failed", "attempt": 1, "reason": "exit", "exit": 7, "ended_at": 3.0, "ran": (ran(job),),
        "events": EVENTS,
    }  # fmt: skip
    return Stored(job=job, name=name, **(fields | more))  # type: ignore[arg-type]


def wrote(job: str, attempt: int = 1, exit_code: int = 7, lines: int = LINES) -> tuple[Wrote, ...]:
    return (
        Wrote(job, attempt, "begin"), Wrote(job, attempt, "mark", 8), Wrote(job, attempt, "end", lines, exit_code),
    )  # fmt: skip


RAN_TWICE = stored(
    D, "k3/0", attempt=2, on_lost="requeue", events=LOST,
    ran=(replace(ran(D, 1, lines=9), ok=False, reason="lost", exit=None), ran(D, 2)),
)  # fmt: skip

CASE: tuple[Line, ...] = (
    Case(name="T1", number=4, seed=9, began=0, bound_sec=20.0),
    Call(at=0.1, op="jobs.create", key="k1", names=("k1/0", "k1/1"), jobs=(), status=None),
    Call(at=0.2, op="jobs.create", key="k1", names=("k1/0", "k1/1"), jobs=(A, B), status=200),
    Call(at=0.3, op="jobs.create", key="k2", names=("k2/0",), status=None),
    Call(at=0.4, op="jobs.create", key="k3", names=("k3/0",), jobs=(D,), status=200),
    Call(at=0.5, op="jobs.create", key="k4", names=("k4/0",), status=422, says="invalid_field"),
    Call(at=0.6, op="jobs.cancel", jobs=(B,), status=200, says="cancelled"),
    Repeated(at=0.6, op="users.create", way="http", lost=2, effects=1),
    Repeated(at=0.6, op="auth.login", way="http", lost=2, effects=3, anew=True),
    Fault(0.7, "kill -9 of the server"),
    Calm(0.9),
    Shown(A, 1, "stdout", len(said(A, 1, *range(1, 13))), digest(said(A, 1, *range(1, 13)))),
    *wrote(A),
    Wrote(D, 1, "begin"),
    Wrote(D, 1, "mark", 8),
    *wrote(D, 2),
    *wrote(C),
    stored(A, "k1/0"),
    stored(B, "k1/1", status="cancelled", attempt=0, reason=None, exit=None, ran=(),
           events=(EVENTS[0], ("cancel", "cancelled", 0))),
    stored(C, "k2/0"),
    RAN_TWICE,
    End(4.0, {"failed": 3, "cancelled": 1}),
)  # fmt: skip


def found(lines: Sequence[Line]) -> dict[str, set[str | None]]:
    """The rules that these lines break, each with the jobs that it names."""
    head, *others = lines
    assert isinstance(head, Case)
    told = Told(head)
    for line in others:
        told.add(line)
    broken = {rule.name: {job for job, _ in rule.look(told)} for rule in RULES}
    return {name: jobs for name, jobs in broken.items() if jobs}


Change = Callable[[Line], Line | None]


def changed(change: Change, *more: Line) -> list[Line]:
    """The case with some of its lines changed or left out, and with more before its end."""
    lines = [line for line in map(change, CASE) if line is not None]
    return [*lines[:-1], *more, lines[-1]]


def of(job: str, **fields: object) -> Change:
    """That job is stored otherwise."""
    return lambda line: replace(line, **fields) if isinstance(line, Stored) and line.job == job else line


def in_stdout(job: str, *numbers: int, attempt: int = 1, of_job: str | None = None) -> Change:
    """The stored lines of its first attempt's stdout are these."""
    data = said(of_job or job, attempt, *numbers)

    def change(line: Line) -> Line:
        if not isinstance(line, Stored) or line.job != job:
            return line
        seen = numbered(job, "stdout", data)
        new = replace(seen, said_bytes=seen.bytes, said_digest=seen.digest, whole=True)
        return replace(line, ran=(replace(line.ran[0], stdout=new), *line.ran[1:]))

    return change


def gone(job: str) -> Change:
    """As if it had never been stored; the counts agree."""

    def change(line: Line) -> Line | None:
        if isinstance(line, End):
            return replace(line, counts=None)
        return None if isinstance(line, Stored | Shown) and line.job == job else line

    return change


def uncounted(line: Line) -> Line:
    return replace(line, counts=None) if isinstance(line, End) else line


RERUN = Call(at=1.0, op="jobs.rerun", of=A, status=None)
E1, E2 = (f"01936f0e-4f2a-7001-9c3f-{number:012d}" for number in (8, 9))

PLANTED: dict[str, tuple[list[Line], dict[str, set[str | None]]]] = {
    "lost": (changed(gone(A)), {"C1": {A}}),
    "acknowledged twice, as two": (
        changed(uncounted, Call(at=1.0, op="jobs.create", key="k1", names=("k1/0", "k1/1"), jobs=(E1, E2), status=200),
                stored(E1, "k1/0", ran=(), events=(), reason="expired", exit=None), ),
        {"C1": {E1}},
    ),
    "acknowledged with fewer": (
        changed(lambda line: replace(line, jobs=(A,)) if getattr(line, "jobs", ()) == (A, B) else line),
        {"C1": {None}, "C2": {B}},
    ),
    "stored twice": (changed(uncounted, stored(A, "k1/0")), {"C1": {A}}),
    "another's name": (changed(of(A, name="k9/9")), {"C1": {A}}),
    "not found by a cancel": (
        changed(lambda line: line, Call(at=1.0, op="jobs.cancel", jobs=(A,), status=200, says="not_found")),
        {"C1": {A}},
    ),
    "invented": (changed(uncounted, stored(E1, "k9/0"), *wrote(E1)), {"C2": {E1}}),
    "refused and there": (changed(uncounted, stored(E1, "k4/0"), *wrote(E1)), {"C2": {E1}}),
    "ran, and is nowhere": (changed(lambda line: line, *wrote(E1)), {"C2": {E1}}),
    "another run that nobody wanted": (
        changed(uncounted, RERUN, *(stored(one, "k1/0", rerun_of=A) for one in (E1, E2)), *wrote(E1), *wrote(E2)),
        {"C2": {E2}},
    ),
    "goes on after its end": (changed(of(A, events=(*EVENTS, ("start", "running", 1), EVENTS[-1]))), {"C3": {A}}),
    "ended once more": (changed(of(A, events=(*EVENTS, EVENTS[-1]))), {"C3": {A}}),
    "began unclaimed": (changed(of(A, events=(EVENTS[0], *EVENTS[2:]))), {"C4": {A}}),
    "an attempt that nobody knows": (changed(of(D, ran=RAN_TWICE.ran[1:])), {"C4": {D}}),
    "began twice": (changed(lambda line: line, Wrote(A, 1, "begin")), {"C5": {A}}),
    "ran again unasked": (changed(of(D, on_lost="hold")), {"C5": {D}}),
    "ran more often than it may": (changed(of(D, max_lost=0)), {"C5": {D}}),
    "two at a time": (changed(lambda line: line, Wrote(D, 1, "mark", 8)), {"C5": {D}}),
    "met another": (changed(lambda line: line, Wrote(D, 2, "overlap")), {"C5": {D}}),
    "another exit code": (changed(of(A, exit=0, ran=(ran(A, exit_code=0),), reason=None, status="completed",
                                     events=(*EVENTS[:3], ("result", "completed", 1))), ), {"C6": {A}, "C10": {None}}),
    "an end that the ledger lacks": (
        changed(lambda line: None if isinstance(line, Wrote) and (line.job, line.word) == (A, "end") else line),
        {"C6": {A}},
    ),
    "not as its attempt": (changed(of(A, exit=8)), {"C6": {A}}),
    "failed as no attempt did": (changed(of(A, reason="timeout")), {"C6": {A}}),
    "failed without an attempt": (changed(of(C, ran=())), {"C4": {C}, "C6": {C}}),
    "its cancel was answered otherwise": (
        changed(lambda line: line, Call(at=1.0, op="jobs.cancel", jobs=(A,), status=200, says="cancelled")),
        {"C6": {A}},
    ),
    "a line is missing": (changed(in_stdout(C, *range(1, 6), *range(7, LINES + 1))), {"C7": {C}}),
    "a line is doubled": (changed(in_stdout(C, *range(1, 6), *range(5, LINES + 1))), {"C7": {C}}),
    "out of order": (changed(in_stdout(C, 2, 1, *range(3, LINES + 1))), {"C7": {C}}),
    "the last is missing": (changed(in_stdout(C, *range(1, LINES))), {"C7": {C}}),
    "the last is missing, and it is not called whole": (
        changed(of(C, ran=(replace(ran(C), stdout=replace(stream(C, 1, LINES - 1), whole=False)),))), {"C7": {C}},
    ),
    "of another attempt": (changed(in_stdout(C, *range(1, LINES + 1), attempt=2)), {"C7": {C}}),
    "of another job": (changed(in_stdout(C, *range(1, LINES + 1), of_job=A)), {"C7": {C}}),
    "shown otherwise": (changed(lambda line: line, Shown(C, 1, "stderr", 1, digest(b"x"))), {"C7": {C}}),
    "shown, and not there": (changed(lambda line: line, Shown(B, 1, "stdout", 1, digest(b"x"))), {"C7": {B}}),
    "whole without a digest": (
        changed(of(C, ran=(replace(ran(C), stderr=replace(stream(C, 1, LINES, "stderr"), said_digest=None)),))),
        {"C8": {C}},
    ),
    "another digest": (
        changed(of(C, ran=(replace(ran(C), stderr=replace(stream(C, 1, LINES, "stderr"), said_digest="0" * 16)),))),
        {"C8": {C}},
    ),
    "another length": (
        changed(of(C, ran=(replace(ran(C), stderr=replace(stream(C, 1, LINES, "stderr"), said_bytes=1)),))),
        {"C8": {C}},
    ),
    "unanswered and there twice": (changed(uncounted, stored(E1, "k2/0"), *wrote(E1)), {"C9": {E1}}),
    "half of what was unanswered": (
        changed(lambda line: replace(line, names=("k2/0", "k2/1")) if getattr(line, "key", "") == "k2" else line),
        {"C9": {None}},
    ),
    "counted otherwise": (
        changed(lambda line: replace(line, counts={"failed": 4}) if isinstance(line, End) else line), {"C10": {None}},
    ),
    "what came late counted": (
        changed(of(D, events=(*LOST[:5], ("superseded", "scheduled", 1), *LOST[5:]))), {"C11": {D}},
    ),
    "an older attempt counted": (changed(of(D, events=(*LOST[:7], ("result", "running", 1), LOST[7]))), {"C11": {D}}),
    "cancelled, and nobody asked": (
        changed(lambda line: None if getattr(line, "op", "") == "jobs.cancel" else line), {"C11": {B}},
    ),
    "a cancel that was refused counted": (
        changed(lambda line: replace(line, status=403, says="forbidden") if getattr(line, "op", "") == "jobs.cancel"
                else line),
        {"C11": {B}},
    ),
    "run again, and nobody asked": (
        changed(of(D, events=(*LOST[:3], ("lease_over", "unknown", 1), ("requeue", "queued", 1), *LOST[5:]))),
        {"C11": {D}},
    ),
    "still running": (
        changed(of(A, status="running", ended_at=None, ran=(replace(ran(A), ended=False, reason=None),),
                   events=EVENTS[:3])),
        {"C10": {None}, "C12": {A}},
    ),
    "ended late": (changed(of(A, ended_at=21.0)), {"C12": {A}}),
    "done twice": (
        changed(lambda line: line, Repeated(at=1.0, op="users.create", way="http", lost=1, effects=2)),
        {"C13": {None}},
    ),
    "never done": (
        changed(lambda line: line, Repeated(at=1.0, op="start", way="frame", lost=1, effects=0)), {"C13": {None}},
    ),
    "not done anew": (
        changed(lambda line: line, Repeated(at=1.0, op="auth.login", way="http", lost=1, effects=1, anew=True)),
        {"C13": {None}},
    ),
}  # fmt: skip


def test_a_case_in_which_all_is_well_breaks_no_rule() -> None:
    assert found(CASE) == {}
    assert found(changed(gone(C))) == {"C2": {C}}, "what was never answered need not be there, but then cannot run"
    assert found(changed(lambda line: None if getattr(line, "job", "") == C else uncounted(line))) == {}
    assert found(changed(uncounted, RERUN, stored(E1, "k1/0", rerun_of=A), *wrote(E1))) == {}


def test_every_rule_is_broken_here() -> None:
    assert {name for _, broken in PLANTED.values() for name in broken} == {rule.name for rule in RULES}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found_by_the_rule_for_it(planted: str) -> None:
    lines, broken = PLANTED[planted]
    assert found(lines) == broken


def test_an_attempt_that_finds_another_before_it_begins_did_not_begin_twice() -> None:
    """One sentence for what it found."""
    head, *others = CASE
    assert isinstance(head, Case)
    told = Told(head)
    for line in others:
        if line == Wrote(D, 2, "begin"):
            told.add(Wrote(D, 2, "overlap"))
        told.add(line)
    (rule,) = (rule for rule in RULES if rule.name == "C5")
    assert list(rule.look(told)) == [(D, "attempt 2 found that another was not dead yet")]


def test_the_order_of_lines_is_told_in_words() -> None:
    seen = numbered(A, "stdout", said(A, 1, 1, 2, 4, 3) + b"x\n" + said(A, 2, 5) + b"no end")
    assert list(disorder(1, seen)) == [
        "goes from line 2 to line 4", "has line 3 behind line 4", "holds line 5 of attempt 2",
        "holds 'x', which is no line of the job",
    ]  # fmt: skip
    assert (reaches(seen), seen.rest) == (5, "no end")


def packed(folder: Path, lines: Sequence[Line]) -> list[Path]:
    """The same plain, and by both packers."""
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    paths = [folder / "plain", folder / "by.gz", folder / "by.xz"]
    for path, pack in zip(paths, (bytes, gzip.compress, lzma.compress), strict=True):
        path.write_bytes(pack(data))
    return paths


def test_files_are_read_plain_or_packed_and_may_hold_several_cases(tmp_path: Path) -> None:
    judged = judge(packed(tmp_path, [*CASE, *CASE]))
    assert (judged.well, judged.cases, judged.jobs, judged.calls) == (True, 6, 24, 36)
    wrong = judge(packed(tmp_path, [*CASE, *changed(gone(A))]))
    (lost,) = (one for one in wrong.found if one.wrong)
    assert (lost.name, lost.wrong, wrong.well) == ("C1", 3, False)
    assert lost.told[0] == (
        A, "its submission k1 was acknowledged, and it is not stored, though its ledger says that it ran (T1, case 4)",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it holds no case"),
        (b"{}\n", "its line 1 is no record of one"),
        (msgspec.json.encode(CASE[1]) + b"\n", "it does not begin with a case"),
        (msgspec.json.encode(CASE[0]) + b"\n", "T1, case 4 has no end, so it was broken off"),
        (msgspec.json.encode(CASE[0]) + b"\n" + msgspec.json.encode(CASE[-1]), "T1, case 4 has no end"),
        ((msgspec.json.encode(CASE[0]) + b"\n") * 2, "T1, case 4 has no end"),
        (msgspec.json.encode(replace(CASE[0], format=2)) + b"\n", "its format is 2, and this version knows 1"),
        (lzma.compress(b"x" * 1000)[:-20], "it is packed, and damaged or not complete"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "it is packed, and damaged or not complete"),
    ],
)
def test_what_is_no_history_or_not_all_of_one_is_said_to_be_so(data: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(data)
    with pytest.raises(CmdexecError) as wrong:
        judge([path])
    assert wrong.value.code == "bad_history"
    assert f"{path} cannot be judged: {why}" in wrong.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CmdexecError, match=r"nothing.* cannot be judged: No such file or directory\."):
        judge([tmp_path / "nothing"])
