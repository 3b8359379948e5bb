"""How `cmdexec run` ends: the code, and what is said, for each way in which a job may end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdexec.protocol.requests import JobView, StreamView

CODES: tuple[tuple[str, str], ...] = (
    ("0…255", "the command's own exit code"),
    ("124", "its time limit was over, as of timeout(1)"),
    ("125", "cmdexec failed, or lost the job"),
    ("127", "the command could not be started, as in a shell"),
    ("128+n", "signal n ended the command"),
    ("130", "the job was cancelled, as by Ctrl-C"),
    ("137", "it needed more memory than there was"),
    ("141", "nobody reads its output any more, as of SIGPIPE"),
)
"""Code → when, as help and documentation show it."""

TIMED_OUT = 124
OWN_FAILURE = 125
NOT_STARTED = 127
SIGNALLED = 128
CANCELLED = 130
OUT_OF_MEMORY = 137
NOBODY_READS = 141

_FAILURES = {
    "start": (NOT_STARTED, "The command could not be started."),
    "oom": (OUT_OF_MEMORY, "The job was ended: it needed more memory than there was."),
    "worker": (OWN_FAILURE, "The worker died or gave the job up while it ran."),
    "lost": (OWN_FAILURE, "The worker vanished with the job; how it ended is not known."),
}
"""Reason → code, and what is said where the server says nothing itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`says`: sentences for standard error, none for an end that a command may have anywhere."""

    code: int
    says: tuple[str, ...] = ()


def outcome(job: "JobView") -> Outcome:
    """What the ended `job` means for whoever ran it."""
    code, said = _end(job)
    survivors = [] if _worded(job) in said else _survivors(job)
    return Outcome(code, (*said, *_missing(job), *survivors))


def _end(job: "JobView") -> tuple[int, list[str]]:
    if job.status == "completed":
        return _as_exit_code(job.exit_code or 0), []
    if job.status == "cancelled":
        said = "The job was cancelled."
        if job.confirmed is False:
            said += " Its worker has not confirmed that nothing of it runs any more."
        return CANCELLED, [said]
    if job.reason == "exit" and job.exit_code is not None:
        return _as_exit_code(job.exit_code), []
    if job.reason == "signal" and job.signal is not None:
        return SIGNALLED + job.signal % SIGNALLED, []
    return _failed(job)


def _failed(job: "JobView") -> tuple[int, list[str]]:
    if job.reason == "timeout":
        limit = "" if job.timeout_sec is None else f" of {job.timeout_sec:g} s"
        return TIMED_OUT, [f"The job was ended: its time limit{limit} was over."]
    code, otherwise = _FAILURES.get(job.reason or "", (OWN_FAILURE, f"The job failed ({job.reason})."))
    return code, [_worded(job) or otherwise]


def _worded(job: "JobView") -> str:
    """What the server says of the end; it names the processes too that could not be ended."""
    return as_sentence(job.message or "")


def as_sentence(said: str) -> str:
    """With a capital, and a full stop if it has no other end; empty stays empty."""
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?", "…")) or not said else ".")


def _as_exit_code(code: int) -> int:
    """As a process can end with: 0…255, and never 0 for what was not 0."""
    return code if 0 <= code <= 255 else (code & 0xFF) or 1


def _missing(job: "JobView") -> list[str]:
    streams: list[tuple[str, StreamView]] = [("stdout", job.output.stdout), ("stderr", job.output.stderr)]
    cut = {name: sum(to - begin for begin, to in view.lost) for name, view in streams if view.whole is False}
    said = [f"Part of the job's {name} is missing: {lost} bytes." for name, lost in cut.items() if lost]
    unsure = [name for name, lost in cut.items() if not lost]
    return [*said, *([f"Part of the job's {' and '.join(unsure)} may be missing."] if unsure else [])]


def _survivors(job: "JobView") -> list[str]:
    proof = job.attempts[-1].proof if job.attempts else None
    if proof is None or proof.left == 0:
        return []
    names = f": {', '.join(proof.survivors)}" if proof.survivors else ""
    return [f"{proof.left} of the job's processes could not be ended{names}."]
