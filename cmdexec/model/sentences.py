"""Why a job ended, in words for a person."""

from cmdexec.model.job import MESSAGE_MAX, Job, Reason, Result

_SIGNALS = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 8: "SIGFPE", 9: "SIGKILL",
    11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
}  # fmt: skip
"""Those that have the same number on every POSIX system: the worker's may be another than the server's."""


def signal_name(number: int) -> str:
    """`9` → "SIGKILL"; one whose name depends on the system: "signal 10"."""
    return _SIGNALS.get(number, f"signal {number}")


def clipped(text: str) -> str:
    """At most MESSAGE_MAX characters of it."""
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"


def sentence(job: Job, reason: Reason, result: Result | None = None, detail: str | None = None) -> str:
    """Why `job`, or its newest attempt, ended; with what the worker said of it, and what the kill left alive."""
    said = detail if detail is not None else result.message if result is not None else None
    text = _cause(job, reason, result)
    if said:
        text = f"{text}: {said}"
    if result is not None and result.left:
        named = f" ({', '.join(result.survivors)})" if result.survivors else ""
        text = f"{text}; {result.left} of its processes could not be killed{named}"
    return clipped(text)


def _cause(job: Job, reason: Reason, result: Result | None) -> str:
    match reason:
        case Reason.EXIT:
            code = result.exit_code if result is not None else None
            return "exited with an error" if code is None else f"exited with {code}"
        case Reason.SIGNAL:
            number = result.signal if result is not None else None
            return "killed by a signal" if number is None else f"killed by {signal_name(number)}"
        case Reason.TIMEOUT:
            bound = job.spec.timeout_sec
            return "ran longer than it may" if bound is None else f"ran longer than {bound:g} s"
        case Reason.OOM:
            return "ran out of memory"
        case Reason.START:
            return "could not be started"
        case Reason.IMAGE:
            return "its image could not be had"
        case Reason.WORKER:
            return f"worker {job.worker_id} died or gave it up"
        case Reason.LOST:
            return f"worker {job.worker_id} was not heard of any more"
        case Reason.REJECTED:
            return "the policy of every worker that matches refuses it"
        case Reason.EXPIRED:
            ttl = job.spec.ttl_sec
            return "waited longer than it may" if ttl is None else f"did not begin within {ttl:g} s"
        case Reason.DEPENDENCY:
            return "a job that it depends on did not complete"
        case Reason.CANCELLED:
            return "cancelled" if job.cancelled_by is None else f"cancelled by {job.cancelled_by}"
