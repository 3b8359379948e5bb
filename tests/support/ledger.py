"""The ledger: a file outside cmdexec to which the jobs themselves append, so that no part of cmdexec can tell it lies.

Each line is one `write` to a file opened with O_APPEND, so lines of jobs that run side by side never mix.
"""

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One line: which attempt of which job, and what it says of itself (`begin`, `end`, …), perhaps with numbers."""

    job_id: str
    attempt: int
    word: str
    numbers: tuple[tuple[str, int], ...] = ()


class Ledger:
    """Where jobs write down that they began and ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def says(self, word: str, **numbers: int | str) -> str:
        """A line of shell that writes an entry. `numbers`: or names of the shell's variables, as `$i`."""
        more = "".join(f" {name}={number}" for name, number in numbers.items())
        return f'echo "$CMDEXEC_JOB_ID $CMDEXEC_ATTEMPT {word}{more}" >> {shlex.quote(str(self.path))}'

    def entries(self) -> list[Entry]:
        """All entries so far, in the order written."""
        text = self.path.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [_entry(*line.split()) for line in lines]

    def unended(self) -> set[str]:
        """Jobs that have begun and not ended."""
        running: set[str] = set()
        for entry in self.entries():
            if entry.word == "begin":
                running.add(entry.job_id)
            elif entry.word == "end":
                running.discard(entry.job_id)
        return running

    def count(self, word: str) -> Counter[str]:
        """How often each job wrote that word."""
        return Counter(entry.job_id for entry in self.entries() if entry.word == word)


def _entry(job_id: str, attempt: str, word: str, *numbers: str) -> Entry:
    parted = (one.partition("=") for one in numbers)
    return Entry(job_id, int(attempt), word, tuple((name, int(number)) for name, _, number in parted))
