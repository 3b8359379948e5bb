"""What must be true of a recorded case, each rule declared once. The letters are those of the rules of a store.

A rule gives, for each thing that is not so, the id of the job, None where it is no single job's, and a sentence that
says where to look.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cmdexec.admin.doctor.recorded.case import Told
from cmdexec.admin.doctor.recorded.lines import STREAMS, disorder, reaches
from cmdexec.admin.doctor.recorded.record import Ran, Stored, Stream, Wrote
from cmdexec.admin.doctor.rules import attempts_rise, ends_once
from cmdexec.model.events import Claim, HandedBack, Requeue
from cmdexec.model.job import ENDED, HISTORY_MAX, OnLost, Reason, Status
from cmdexec.model.rules_worker import SUPERSEDED

Findings = Iterator[tuple[str | None, str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`says`: what is true when all is well."""

    name: str
    says: str
    look: Callable[[Told], Findings]


def _acknowledged_is_there(told: Told) -> Findings:
    for job in told.stored_again:
        yield job, "it is stored twice"
    by_name = _by_name(told)
    for one in told.submissions.values():
        if not one.answers:
            continue
        answer = one.answers[0]
        if len(set(one.answers)) > 1:
            another = next(other for other in one.answers if other != answer)
            which = another[0] if another else None
            yield which, f"the submission {one.key} was answered with {len(set(one.answers))} sets of jobs"
        if one.names and len(answer) != len(one.names):
            yield None, f"the submission {one.key} of {len(one.names)} jobs was answered with {len(answer)}"
        for place, job in enumerate(answer):
            stored = told.stored.get(job)
            if stored is None:
                ran = ", though its ledger says that it ran" if told.wrote.get(job) else ""
                yield job, f"its submission {one.key} was acknowledged, and it is not stored{ran}"
            elif "not_found" in told.cancels.get(job, ()):
                yield (
                    job,
                    f"its submission {one.key} was acknowledged, and a cancel of it was answered with 'not_found'",
                )
            elif place < len(one.names) and stored.name != one.names[place]:
                yield job, f"it was submitted as {one.names[place]}, and is stored as {stored.name}"
        for name in one.names:
            if len(by_name.get(name, ())) > 1:
                yield by_name[name][1], f"it is one of {len(by_name[name])} jobs that {name} of {one.key} became"


def _by_name(told: Told) -> dict[str, list[str]]:
    """Jobs by the name that they were submitted under; another run of one has the same."""
    found: dict[str, list[str]] = {}
    for job in told.stored.values():
        if job.name is not None and job.rerun_of is None:
            found.setdefault(job.name, []).append(job.job)
    return found


def _none_invented(told: Told) -> Findings:
    known = {job for _, job in told.acknowledged()}
    silent = {name for one in told.submissions.values() if one.silent and not one.answers for name in one.names}
    left = Counter(told.rerun)
    for job in told.stored.values():
        if job.rerun_of is not None:
            left[job.rerun_of] -= 1
            if left[job.rerun_of] < 0:
                yield job.job, f"it is another run of {job.rerun_of}, which nobody asked for"
        elif job.job not in known and job.name not in silent:
            yield job.job, f"it is stored as {job.name}, and nobody submitted it, or all who did were refused"
    for number in told.wrote:
        if number not in told.stored and number not in known:
            yield number, "it ran, by its ledger, and is neither stored nor was it ever acknowledged"


def _silent_at_most_once(told: Told) -> Findings:
    by_name = _by_name(told)
    for one in told.submissions.values():
        if one.answers or not one.silent:
            continue
        there = {name: by_name[name] for name in one.names if name in by_name}
        for name, jobs in there.items():
            if len(jobs) > 1:
                yield jobs[1], f"{name} of {one.key}, which was never answered, is there {len(jobs)} times"
        if there and len(there) < len(one.names):
            yield None, f"of {one.key}, which was never answered, {len(there)} of {len(one.names)} jobs are there"


def _told_ends_once(told: Told) -> Findings:
    for job in told.stored.values():
        lines = [(event, status) for event, status, _ in job.events]
        for sentence in ends_once(job.status, lines, has_time=job.ended_at is not None):
            yield job.job, sentence


def _begun_were_claimed(told: Told) -> Findings:
    for job in told.stored.values():
        claims = [attempt for event, _, attempt in job.events if event == Claim.name]
        numbers = [ran.attempt for ran in job.ran]
        rise = attempts_rise(job.attempt, claims, numbers, all_kept=len(job.events) < HISTORY_MAX)
        for sentence in rise:
            yield job.job, sentence
        begun = [entry.attempt for entry in told.wrote.get(job.job, ()) if entry.word == "begin"]
        for attempt in sorted(set(begun) - set(numbers)):
            yield job.job, f"attempt {attempt} began, by its ledger, and the job knows of no such attempt"


def _one_at_a_time(told: Told) -> Findings:
    for job, entries in told.wrote.items():
        begun: list[int] = []
        newest = 0
        for entry in entries:
            if entry.attempt < newest:
                yield job, f"attempt {entry.attempt} wrote '{entry.word}' when attempt {newest} had begun"
            if entry.word == "overlap":
                yield job, f"attempt {entry.attempt} found that another was not dead yet"
            if entry.word == "begin":
                begun.append(entry.attempt)
                newest = max(newest, entry.attempt)
        for attempt, times in Counter(begun).items():
            if times > 1:
                yield job, f"attempt {attempt} began {times} times, by its ledger"
        stored = told.stored.get(job)
        most = _may_begin(told, stored) if stored is not None and len(stored.events) < HISTORY_MAX else len(begun)
        if len(begun) > most:
            asked = "one" if most == 1 else most
            yield job, f"it began {len(begun)} times, by its ledger, and nobody asked for more than {asked}"


def _may_begin(told: Told, job: Stored) -> int:
    """How often it may have begun: by retries, by `requeue`, by a person's wish, and since a worker gave it back."""
    events = Counter(event for event, _, _ in job.events)
    lost = job.max_lost if job.on_lost == OnLost.REQUEUE else 0
    wanted = events[Requeue.name] if job.job in told.requeued else 0
    return 1 + job.max_retries + lost + wanted + events[HandedBack.name]


def _ends_as_its_attempt(told: Told) -> Findings:
    for job in told.stored.values():
        for ran in job.ran:
            for sentence in _by_ledger(ran, told.wrote.get(job.job, [])):
                yield job.job, sentence
        if job.status == Status.COMPLETED and not (job.ran and job.ran[-1].ok):
            yield job.job, "it is completed, and its newest attempt did not end well"
        if job.status == Status.FAILED and job.reason in _OF_AN_ATTEMPT:
            newest = job.ran[-1] if job.ran else None
            if newest is None or newest.reason != job.reason:
                how = "has none" if newest is None else f"ended with {newest.reason or 'success'}"
                yield job.job, f"it failed with {job.reason}, and its newest attempt {how}"
            elif job.reason == Reason.EXIT and newest.exit != job.exit:
                yield job.job, f"it has exit code {job.exit}, and its newest attempt {newest.exit}"
        answers = told.cancels.get(job.job, [])
        if "cancelled" in answers and job.status != Status.CANCELLED:
            yield job.job, f"its cancel was answered with 'cancelled', and it is {job.status}"
        if answers and set(answers) == {"too_late"} and job.status == Status.CANCELLED:
            yield job.job, "each cancel of it was answered with 'too_late', and it is cancelled"


_OF_AN_ATTEMPT = frozenset({Reason.EXIT, Reason.SIGNAL, Reason.TIMEOUT, Reason.OOM, Reason.WORKER})
"""Reasons for which a job fails only when an attempt of it did."""


def _by_ledger(ran: Ran, entries: list[Wrote]) -> Iterator[str]:
    if not ran.ok and ran.reason != Reason.EXIT:
        return
    end = _end_of(ran, entries)
    told = 0 if ran.ok and ran.exit is None else ran.exit
    if end is None:
        yield f"attempt {ran.attempt} ended with exit code {told}, and by its ledger it came to no end"
    elif end.exit != told:
        yield f"attempt {ran.attempt} ended with exit code {told}, and by its ledger with {end.exit}"


def _end_of(ran: Ran, entries: list[Wrote]) -> Wrote | None:
    return next((one for one in entries if one.attempt == ran.attempt and one.word == "end"), None)


def _streams(told: Told) -> Iterator[tuple[Stored, Ran, str, Stream]]:
    for job in told.stored.values():
        for ran in job.ran:
            for name in STREAMS:
                stream = ran.stdout if name == "stdout" else ran.stderr
                if stream is not None:
                    yield job, ran, name, stream


def _lines_in_order(told: Told) -> Findings:
    stored: dict[tuple[str, int, str], Stream] = {}
    for job, ran, name, stream in _streams(told):
        stored[job.job, ran.attempt, name] = stream
        what = f"{name} of attempt {ran.attempt}"
        for wrong in disorder(ran.attempt, stream):
            yield job.job, f"{what} {wrong}"
        entries = [one for one in told.wrote.get(job.job, ()) if one.attempt == ran.attempt and one.lines is not None]
        least = max((one.lines or 0 for one in entries), default=0)
        end = _end_of(ran, entries)
        last = reaches(stream)
        by_itself = ran.ok or ran.reason == Reason.EXIT
        if (stream.whole or by_itself) and last < least:
            how = "is called whole" if stream.whole else "ended by itself"
            yield job.job, f"{what} {how} and ends with line {last}, and by its ledger it wrote {least}"
        if end is not None and last > (end.lines or 0):
            yield job.job, f"{what} ends with line {last}, and by its ledger it wrote {end.lines}"
        if stream.whole and stream.rest:
            yield job.job, f"{what} is called whole, and ends within a line: {stream.rest!r}"
    for seen in told.followed:
        there = stored.get((seen.job, seen.attempt, seen.stream))
        what = f"{seen.stream} of attempt {seen.attempt}"
        if there is None and seen.bytes:
            yield seen.job, f"{what} was shown as {seen.bytes} bytes, and nothing of it is stored"
        elif there is not None and (there.bytes, there.digest) != (seen.bytes, seen.digest):
            shown, is_so = f"{seen.bytes} bytes ({seen.digest})", f"{there.bytes} ({there.digest})"
            yield seen.job, f"{what} was shown as {shown}, and is {is_so}"


def _whole_as_said(told: Told) -> Findings:
    for job, ran, name, stream in _streams(told):
        what = f"{name} of attempt {ran.attempt}"
        if stream.whole and (stream.said_bytes is None or stream.said_digest is None):
            yield job.job, f"{what} is called whole, and the job tells no length and digest of it"
        elif stream.said_bytes is not None and stream.said_bytes != stream.bytes:
            yield job.job, f"{what} is said to have {stream.said_bytes} bytes, and {stream.bytes} can be read"
        elif stream.whole and stream.said_digest != stream.digest:
            yield job.job, f"{what} is called whole with the digest {stream.said_digest}, and has {stream.digest}"


def _refused_changed_nothing(told: Told) -> Findings:
    for job in told.stored.values():
        newest, status = 0, None
        for event, after, attempt in job.events:
            newest = attempt if event == Claim.name else newest
            if event == SUPERSEDED and status not in (None, after):
                yield job.job, f"what came late from attempt {attempt} made it {after}, and it was {status}"
            elif event != SUPERSEDED and attempt < newest:
                yield job.job, f"'{event}' of attempt {attempt} counted when attempt {newest} held it"
            status = after
        events = {event for event, _, _ in job.events}
        if job.status == Status.CANCELLED and job.job not in told.cancels:
            yield job.job, "it is cancelled, and nobody asked for that, or all who did were refused"
        if Requeue.name in events and job.job not in told.requeued:
            yield job.job, "it was given back to be run again, and nobody asked for that, or all who did were refused"


def _counts_add_up(told: Told) -> Findings:
    counts = told.end.counts if told.end is not None else None
    if counts is None:
        return
    found = Counter(job.status for job in told.stored.values())
    for status in sorted(found.keys() | counts.keys()):
        if found[status] != counts.get(status, 0):
            yield None, f"the store counts {counts.get(status, 0)} {status}, and {found[status]} were found"


def _all_end_in_time(told: Told) -> Findings:
    waited = (told.end.at if told.end is not None else 0.0) - told.calm
    for job in told.stored.values():
        if job.status not in ENDED:
            yield job.job, f"{waited:.0f} s after the last fault it is still {job.status}"
        elif job.ended_at is not None and job.ended_at - told.calm > told.head.bound_sec:
            late = job.ended_at - told.calm
            yield job.job, f"it ended {late:.0f} s after the last fault, and {told.head.bound_sec:g} s are allowed"


def _repeated_is_done_once(told: Told) -> Findings:
    for one in told.repeated:
        due = one.lost + 1 if one.anew else 1
        if one.effects != due:
            asked = f"{one.op} ({one.way}) was asked for {one.lost + 1} times, since answers were lost"
            yield None, f"{asked}, and was done {one.effects} times, not {due}"


RULES: tuple[Rule, ...] = (
    Rule("C1", "A job whose submission was acknowledged is there, once.", _acknowledged_is_there),
    Rule("C2", "No job is there, or ran, that nobody submitted.", _none_invented),
    Rule("C3", "A job ends once, and stays as it ended.", _told_ends_once),
    Rule("C4", "Attempts rise, and each that began was claimed.", _begun_were_claimed),
    Rule("C5", "At most one attempt of a job runs, and a second one only where that was asked for.", _one_at_a_time),
    Rule("C6", "A job ended as its newest attempt did, by its own ledger, and as its cancel was answered.",
         _ends_as_its_attempt),
    Rule("C7", "Of the lines that a job wrote none is missing, doubled, out of order or another's.", _lines_in_order),
    Rule("C8", "What is called whole has the length and the digest that the job tells.", _whole_as_said),
    Rule("C9", "Jobs whose submission was never answered are there once or not at all.", _silent_at_most_once),
    Rule("C10", "There are as many jobs of each status as the store counts.", _counts_add_up),
    Rule("C11", "What was refused, or came from an attempt that no longer counts, has changed nothing.",
         _refused_changed_nothing),
    Rule("C12", "All jobs have ended soon after the last fault.", _all_end_in_time),
    Rule("C13", "What was asked for again, since its answer was lost, was done once.", _repeated_is_done_once),
)  # fmt: skip
"""Of each case."""
