"""Why a job ended, in words for a person."""

from collections.abc import Callable, Iterable
from itertools import pairwise

from cmdexec.model.job import MESSAGE_MAX, Attempt, Job, Reason, Result

_SIGNALS = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 8: "SIGFPE", 9: "SIGKILL",
    11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
}  # fmt: skip
"""Those that have the same number on every POSIX system: the worker's may be another than the server's."""

_MINUTE = 60
_UNITS = (("day", 86_400), ("h", 3600), ("min", _MINUTE), ("s", 1))
_MB_OF_GB = 1024


def signal_name(number: int) -> str:
    """`9` → "SIGKILL"; one whose name depends on the system: "signal 10"."""
    return _SIGNALS.get(number, f"signal {number}")


def clipped(text: str) -> str:
    """At most MESSAGE_MAX characters of it."""
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"


def sentence(job: Job, reason: Reason, result: Result | None = None, detail: str | None = None) -> str:
    """Why `job`, or its newest attempt, ended; with what the worker said of it, and what the kill left alive."""
    return _sentence(job, job.worker_id, reason, result, detail)


def attempt_sentence(job: Job, attempt: Attempt) -> str | None:
    """Why that attempt of `job` ended; None if it runs, or ended well and its worker had nothing to say."""
    if attempt.end is None:
        said = attempt.result.message if attempt.result is not None else None
        return None if said is None else clipped(said)
    return _sentence(job, attempt.worker_id, attempt.end, attempt.result, None)


def by_name(text: str | None, worker_ids: Iterable[str | None], called: Callable[[str], str]) -> str | None:
    """What is said of an end, with the names that these workers have now: it was written down with their ids."""
    if text is None:
        return None
    for worker_id in dict.fromkeys(worker_ids):
        if worker_id is not None and worker_id in text:
            text = text.replace(f"worker {worker_id} ", f"worker {called(worker_id)} ")
    return text


def duration(seconds: float) -> str:
    """In two units at most: `0.25 s`, `58 s`, `10 min`, `4 min 12 s`, `3 h 5 min`, `2 days 1 h`."""
    if seconds < _MINUTE:
        return f"{seconds:g} s"
    whole = round(seconds)
    for (unit, size), (lesser, part) in pairwise(_UNITS):
        if whole >= size:
            count, rest = divmod(whole, size)
            words = f"{count} {unit}" + ("s" if unit == "day" and count > 1 else "")
            return f"{words} {rest // part} {lesser}" if rest // part else words
    return f"{whole} s"


def _sentence(job: Job, worker_id: str | None, reason: Reason, result: Result | None, detail: str | None) -> str:
    said = detail if detail is not None else result.message if result is not None else None
    text = _cause(job, worker_id, reason, result)
    if said and reason is Reason.OOM and "memory" in said:
        text = said  # whose memory it was, and how much of it
    elif said:
        text = f"{text}: {said}"
    if result is not None and result.left:
        named = f" ({', '.join(result.survivors)})" if result.survivors else ""
        what = f"{result.left} of its processes could not be killed"
        text = f"{text}; {what if job.spec.container is None else 'its container could not be removed'}{named}"
    return clipped(text)


def _cause(job: Job, worker_id: str | None, reason: Reason, result: Result | None) -> str:
    spec = job.spec
    match reason:
        case Reason.EXIT:
            code = result.exit_code if result is not None else None
            return "ended with an error" if code is None else f"exit code {code}"
        case Reason.SIGNAL:
            number = result.signal if result is not None else None
            return "ended by a signal" if number is None else f"ended by {signal_name(number)}"
        case Reason.TIMEOUT:
            bound = spec.timeout_sec
            return "ran longer than it may" if bound is None else f"stopped after its limit of {duration(bound)}"
        case Reason.OOM:
            return "ran out of memory" if spec.ram_mb is None else f"needed more than its {_memory(spec.ram_mb)}"
        case Reason.START:
            return "could not be started"
        case Reason.IMAGE:
            return "image could not be had"
        case Reason.WORKER:
            return f"worker {worker_id} gave it up"
        case Reason.LOST:
            return f"worker {worker_id} lost, given up"
        case Reason.REJECTED:
            return "every matching worker's owner refuses"
        case Reason.EXPIRED:
            ttl = spec.ttl_sec
            return "waited past its limit" if ttl is None else f"waited past its limit of {duration(ttl)}"
        case Reason.DEPENDENCY:
            return "a job it depends on did not complete"
        case Reason.CANCELLED:
            return "cancelled" if job.cancelled_by is None else f"cancelled by {job.cancelled_by}"


def _memory(mb: int) -> str:
    return f"{mb // _MB_OF_GB} GB" if mb >= _MB_OF_GB and mb % _MB_OF_GB == 0 else f"{mb} MB"
