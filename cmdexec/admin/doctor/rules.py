"""What must be true of what a store holds, each rule declared once. The letters are those of the judge of fault tests.

A rule gives a sentence for each thing that is not so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cmdexec.admin.doctor.seen import Seen, Stored
from cmdexec.model.ends import newest_run
from cmdexec.model.events import Claim
from cmdexec.model.job import ENDED, HELD, HISTORY_MAX, Attempt, Reason, Status, StreamEnd
from cmdexec.model.rules_worker import SUPERSEDED

Sentences = Iterator[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """`says`: what is true when all is well."""

    name: str
    says: str
    look: Callable[[Seen], Sentences]


def _ends_once(seen: Seen) -> Sentences:
    job = seen.job
    lines = [(line.event, str(line.status)) for line in job.history]
    yield from ends_once(job.status, lines, has_time=job.finished_at is not None)


def ends_once(status: str, lines: Sequence[tuple[str, str]], *, has_time: bool) -> Sentences:
    """Of a job with that status: `lines` are the events of its history, each with the status after it. Of one that was
    cancelled it may still be confirmed that nothing runs."""
    for (_, before), (event, after) in pairwise(lines):
        if before in ENDED and after != before:
            yield f"it was {before}, and {after} after that"
        elif before in ENDED and before != Status.CANCELLED and event != SUPERSEDED:
            yield f"it was {before}, and after that '{event}' still counted"
    if lines and lines[-1][1] != status:
        yield f"it is {status}, and its history ends with {lines[-1][1]}"
    if (status in ENDED) != has_time:
        yield f"it is {status}, and {'has' if has_time else 'lacks'} a time of its end"


def _attempts_rise(seen: Seen) -> Sentences:
    job = seen.job
    claims = [line.attempt for line in job.history if line.event == Claim.name]
    numbers = [attempt.number for attempt in job.attempts]
    yield from attempts_rise(job.attempt, claims, numbers, all_kept=len(job.history) < HISTORY_MAX)


def attempts_rise(newest: int, claims: Sequence[int], numbers: Sequence[int], *, all_kept: bool) -> Sentences:
    """Of a job with that number of the newest claim: `numbers` of attempts that began; `all_kept`: no claim is missing
    since its history became too long."""
    for what, several in (("claims", claims), ("attempts", numbers)):
        if any(before >= after for before, after in pairwise(several)):
            yield f"the numbers of its {what} do not rise: {list(several)}"
        if several and several[-1] > newest:
            yield f"its newest attempt is {newest}, and {several[-1]} is among its {what}"
    if all_kept:
        for number in sorted(set(numbers) - set(claims)):
            yield f"attempt {number} began, and nobody claimed it"


def _one_holder(seen: Seen) -> Sentences:
    job = seen.job
    if job.status in HELD and not (job.worker_id and job.session and job.attempt):
        yield f"it is {job.status}, and no worker holds it"
    for attempt in job.attempts[:-1]:
        if attempt.ended_at is None:
            yield f"attempt {attempt.number} has not ended, and attempt {job.attempts[-1].number} has begun"
    run = newest_run(job)
    runs = run is not None and run.ended_at is None
    if runs != (job.status in (Status.RUNNING, Status.UNKNOWN)):
        yield f"it is {job.status}, and its newest attempt {'has not ended' if runs else 'does not run'}"


def _its_attempts_end(seen: Seen) -> Sentences:
    job = seen.job
    run = newest_run(job)
    if job.status is Status.COMPLETED and (run is None or not run.ok):
        yield "it is completed, and no attempt ended well"
    if run is None or run.result is None:
        return
    if job.status is Status.FAILED and run.end is not job.reason:
        yield f"it failed for the reason {job.reason}, and its newest attempt for {run.end}"
    if job.status is Status.FAILED and job.reason in (Reason.EXIT, Reason.SIGNAL):
        told, stored = (run.result.exit_code, run.result.signal), (job.exit_code, job.signal)
        if told != stored:
            yield f"its worker told of exit code {told[0]}, signal {told[1]}; it has {stored[0]} and {stored[1]}"


def _output_as_counted(seen: Seen) -> Sentences:
    for attempt in seen.job.attempts:
        row = seen.rows.get(attempt.number)
        if row is None:
            yield f"attempt {attempt.number} began, and has no place for its output"
            continue
        for name, stored in seen.streams[attempt.number].items():
            if stored.bytes != row.end(name):
                yield f"{name} of attempt {attempt.number} has {stored.bytes} bytes, and counts {row.end(name)}"


def _whole_output(seen: Seen) -> Sentences:
    for attempt in seen.job.attempts:
        streams = seen.streams.get(attempt.number)
        if streams is None or attempt.result is None:
            continue
        for name, end in _ends(attempt).items():
            wrong = _differs(end, streams[name])
            if wrong:
                yield f"{name} of attempt {attempt.number} {wrong}"


def _ends(attempt: Attempt) -> Mapping[str, StreamEnd]:
    result = attempt.result
    return {} if result is None else {"stdout": result.stdout, "stderr": result.stderr}


def _differs(end: StreamEnd, stored: Stored) -> str | None:
    if end.bytes is not None and end.bytes != stored.bytes:
        return f"ended with {end.bytes} bytes, and {stored.bytes} are stored"
    if end.whole and end.digest is not None and end.digest != stored.digest:
        return f"is called whole with the digest {end.digest}, and has {stored.digest}"
    return None


def _taken_while_it_runs(seen: Seen) -> Sentences:
    job = seen.job
    for number, row in seen.rows.items():
        if row.open and not (job.status in HELD and number == job.attempt):
            yield f"it is {job.status}, and output of attempt {number} is still taken"


RULES: tuple[Rule, ...] = (
    Rule("C3", "A job ends once, and stays as it ended.", _ends_once),
    Rule("C4", "Attempts rise, and each that began was claimed.", _attempts_rise),
    Rule("C5", "At most one attempt holds a job, and only while it says so.", _one_holder),
    Rule("C6", "A job ended as its newest attempt did.", _its_attempts_end),
    Rule("C7", "Output is stored without gaps, as far as it counts.", _output_as_counted),
    Rule("C8", "What is called whole has the length and the digest that its worker named.", _whole_output),
    Rule("C11", "Output is taken for no attempt but the one that holds its job.", _taken_while_it_runs),
)
"""Of each job."""

COUNTED = ("C10", "There are as many jobs of each status as the store counts.")
"""Of all together."""


def counted(before: Mapping[Status, int], seen: Mapping[Status, int], after: Mapping[Status, int]) -> Sentences:
    """`seen` was found one by one between the two counts. Servers go on meanwhile: jobs may come, and end. Where the
    counts stay the same, hardly anything happened."""
    totals = [sum(one.values()) for one in (before, seen, after)]
    if not totals[0] <= totals[1] <= totals[2]:
        yield f"the store counted {totals[0]} jobs before and {totals[2]} after, and {totals[1]} were found"
    for status in sorted(Status if before == after else ENDED):
        least, found, most = (one.get(status, 0) for one in (before, seen, after))
        if not least <= found <= most:
            yield f"the store counted {least} {status} before and {most} after, and {found} were found"
