"""The numbered lines that jobs of recorded cases write: `JOB:ATTEMPT:NUMBER` to stdout, the same behind `err:` to
stderr, each from 1 on. So from what is stored alone it shows where something is missing, doubled, or another's."""

import hashlib
import re
from collections.abc import Iterator

from cmdexec.admin.doctor.recorded.record import Stream

STREAMS = ("stdout", "stderr")
DIGEST_DIGITS = 16
"""Of a SHA-256 (hex), from its beginning: enough to see that two differ, and histories are kept."""

_OTHERS_KEPT, _TEXT_KEPT = 20, 200
_LINE = re.compile(rb"(err:)?([0-9a-f-]{36}):([0-9]{1,9}):([0-9]{1,9})")


def digest(data: bytes) -> str:
    """As histories have it."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]


def numbered(job: str, name: str, data: bytes) -> Stream:
    """What was read of the stream `name` of a job, as a history keeps it."""
    runs: list[tuple[int, int, int]] = []
    others: list[str] = []
    *lines, rest = data.split(b"\n")
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found[2].decode() != job or bool(found[1]) != (name == "stderr"):
            others.append(line[:_TEXT_KEPT].decode(errors="replace"))
            continue
        attempt, number = int(found[3]), int(found[4])
        if runs and runs[-1][0] == attempt and runs[-1][2] + 1 == number:
            runs[-1] = (attempt, runs[-1][1], number)
        else:
            runs.append((attempt, number, number))
    return Stream(
        bytes=len(data), digest=digest(data), runs=tuple(runs), others=tuple(others[:_OTHERS_KEPT]),
        rest=rest[:_TEXT_KEPT].decode(errors="replace"),
    )  # fmt: skip


def reaches(stream: Stream) -> int:
    """The highest number of a line of it; 0 if there is none."""
    return max((last for _, _, last in stream.runs), default=0)


def disorder(attempt: int, stream: Stream) -> Iterator[str]:
    """What is not as the attempt has written it, up to where its lines reach."""
    wanted = 1
    for of, first, last in stream.runs:
        if of != attempt:
            yield f"holds line {first} of attempt {of}"
            continue
        if first > wanted:
            yield f"goes from line {wanted - 1} to line {first}"
        elif first < wanted:
            yield f"has line {first} behind line {wanted - 1}"
        wanted = max(wanted, last + 1)
    for text in stream.others:
        yield f"holds {text!r}, which is no line of the job"
