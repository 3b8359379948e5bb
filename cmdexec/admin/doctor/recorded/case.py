"""One case of a recorded history, put together: what was submitted, what was asked, what ran, and what is stored."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cmdexec.admin.doctor.recorded import record
from cmdexec.admin.doctor.recorded.record import (
    Call,
    Calm,
    Case,
    End,
    Fault,
    Followed,
    Line,
    Repeated,
    Stored,
    Wrote,
)

_CREATE, _RERUN, _CANCEL, _REQUEUE = "jobs.create", "jobs.rerun", "jobs.cancel", "jobs.requeue"


@dataclass(slots=True)
class Submission:
    """All calls with one key, or one without.

    answers  the ids of each answer
    silent   how often none came, or one that leaves open whether it was done (status 5xx)
    refused  the codes of the others
    """

    key: str
    names: tuple[str, ...]
    answers: list[tuple[str, ...]] = field(default_factory=list)
    silent: int = 0
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """What the lines of a case say.

    cancels     by job what each call was answered that was not refused; None: silence
    requeued    jobs that a person wanted to run again, answered or not
    rerun       jobs of which somebody wanted another, how often
    wrote       by job, in the order of the ledger
    calm        when the last fault was over
    """

    head: Case
    submissions: dict[str, Submission] = field(default_factory=dict)
    cancels: dict[str, list[str | None]] = field(default_factory=lambda: defaultdict(list))
    requeued: set[str] = field(default_factory=set)
    rerun: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stored: dict[str, Stored] = field(default_factory=dict)
    stored_again: list[str] = field(default_factory=list)
    wrote: dict[str, list[Wrote]] = field(default_factory=lambda: defaultdict(list))
    followed: list[Followed] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    calm: float = 0.0
    calls: int = 0
    end: End | None = None

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.head.name}, case {self.head.number}"

    def acknowledged(self) -> Iterator[tuple[Submission, str]]:
        """Each id that somebody was given."""
        for one in self.submissions.values():
            for job in dict.fromkeys(job for answer in one.answers for job in answer):
                yield one, job

    def add(self, line: Line) -> None:
        """One more."""
        match line:
            case Call():
                self._called(line)
            case Stored():
                if line.job in self.stored:
                    self.stored_again.append(line.job)
                self.stored[line.job] = line
            case Wrote():
                self.wrote[line.job].append(line)
            case Followed():
                self.followed.append(line)
            case Repeated():
                self.repeated.append(line)
            case Calm() | Fault():
                self.calm = line.at
            case End():
                self.end = line
            case Case():
                raise TypeError("A case begins another one.")

    def _called(self, call: Call) -> None:
        self.calls += 1
        known = call.status is not None and call.status < 500
        done = known and call.status == 200
        if call.op == _CANCEL and (done or not known):
            for job in call.jobs:
                self.cancels[job].append(call.says if done else None)
        elif call.op == _REQUEUE and (done or not known):
            self.requeued.update(call.jobs)
        elif call.op == _RERUN and (done or not known):
            self.rerun[call.of or ""] += 1
        if call.op in (_CREATE, _RERUN):
            key = call.key or f"number {len(self.submissions) + 1}, without a key"
            one = self.submissions.setdefault(key, Submission(key, call.names))
            if done:
                one.answers.append(call.jobs)
            elif known:
                one.refused.append(call.says or str(call.status))
            else:
                one.silent += 1


def cases(paths: Iterable[Path]) -> Iterator[Told]:
    """Each case of these files, one after the other. Raises CmdexecError(`bad_history`)."""
    for path in paths:
        told: Told | None = None
        empty = True
        for line in record.read(path):
            if isinstance(line, Case):
                if told is not None:
                    raise record.bad(path, f"{told.name} has no end")
                if line.format != record.FORMAT:
                    raise record.bad(path, f"its format is {line.format}, and this version knows {record.FORMAT}")
                told = Told(line)
            elif told is None:
                raise record.bad(path, "it does not begin with a case")
            else:
                told.add(line)
                if told.end is not None:
                    yield told
                    told, empty = None, False
        if told is not None:
            raise record.bad(path, f"{told.name} has no end, so it was broken off")
        if empty:
            raise record.bad(path, "it holds no case")
