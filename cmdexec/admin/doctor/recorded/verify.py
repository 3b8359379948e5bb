"""Going through recorded histories, case by case, with the rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cmdexec.admin.doctor.recorded.case import cases
from cmdexec.admin.doctor.recorded.rules import RULES
from cmdexec.admin.doctor.verify import Found


@dataclass(frozen=True, slots=True)
class Judged:
    """How much was looked at, and what came of each rule."""

    cases: int
    jobs: int
    calls: int
    found: tuple[Found, ...]

    @property
    def well(self) -> bool:
        """Whether every rule holds."""
        return not any(one.wrong for one in self.found)


def judge(paths: Iterable[Path]) -> Judged:
    """Look at all cases of these files, in time that grows as they do. Raises CmdexecError(`bad_history`)."""
    found = [Found(rule.name, rule.says) for rule in RULES]
    looked = jobs = calls = 0
    for told in cases(paths):
        looked += 1
        jobs += len(told.stored)
        calls += told.calls
        for rule, into in zip(RULES, found, strict=True):
            for job, sentence in rule.look(told):
                into.add(job, f"{sentence} ({told.name})")
    return Judged(looked, jobs, calls, tuple(found))
