"""What a worker's socket is told in a word, as HTTP says it: by the status, for a single attempt."""

from cmdexec.errors import CODES, CmdexecError, Conflict, Refused, Unavailable
from cmdexec.model.job import Job
from cmdexec.protocol.messages import OutputAck, Told
from cmdexec.server.jobs import Holder

_FORGET = "End this attempt and forget it."
_WHY = {
    "resume_first": ("The server gave this attempt up.", "Name it in the `jobs` of a heartbeat, then send again."),
    "not_started": ("This attempt has not been started.", "Ask for its start in a heartbeat, then send again."),
}


def not_stored(ack: OutputAck) -> CmdexecError | None:
    """Why output was not taken; None if it was."""
    stored = {"stdout": ack.stdout, "stderr": ack.stderr}
    if ack.code == "output_gap":
        return Conflict(
            "output_gap", "Output is missing before this piece.", expected=stored, mend="Send it from these offsets on."
        )
    if ack.code == "output_limit":
        return Refused(
            "output_limit", "This job has as much output as it may have (MAX_OUTPUT_BYTES).",
            mend="Send no more of it; the result is taken all the same.",
        )  # fmt: skip
    if ack.code in _WHY:
        message, mend = _WHY[ack.code]
        return Conflict(ack.code, message, expected=stored, mend=mend)
    if ack.tell == "stop":
        return Conflict(
            ack.code if ack.code in CODES and CODES[ack.code] == 409 else "stale_attempt",
            "This attempt has ended, or is not this worker's; its output is dropped.", mend=_FORGET,
        )  # fmt: skip
    if ack.tell == "again" and ack.code is not None:
        return Unavailable(ack.code, "The output could not be stored now.", mend="Send it again.")
    return None


def not_taken(told: Told, job: Job | None, holder: Holder) -> CmdexecError | None:
    """Why a result was not taken; None if it was. How the job stands is only said to the worker that has it."""
    if told.tell == "resend":
        return Conflict(
            "output_missing", "Output is missing.", expected={"stdout": told.stdout, "stderr": told.stderr},
            mend="Send it from these offsets on, then the result again.",
        )  # fmt: skip
    if told.tell == "again":
        return Unavailable(told.code or "overloaded", "The result could not be written now.", mend="Send it again.")
    if told.tell != "stop":
        return None
    expected = None
    if job is not None and job.worker_id == holder.worker_id:
        expected = {"attempt": job.attempt, "status": job.status.value}
    known = told.code is not None and CODES.get(told.code) == 409
    return Conflict(
        told.code if known and told.code is not None else "stale_attempt",
        told.message or "This attempt is not this worker's.", expected=expected, mend=_FORGET,
    )  # fmt: skip
