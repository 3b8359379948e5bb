"""Jobs that say what they do: numbered lines to both streams, and their beginning and end to the ledger.

Lines are those that `cmdexec doctor --verify --history` knows (`cmdexec/admin/doctor/recorded/lines.py`).
"""

import shlex
from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.ledger import Ledger

LINES = 30
EXIT = 7
MARK_EACH = 8


def slow_job(
    ledger: Ledger, lines: int = LINES, pause: float = 0.03, *, exit_code: int = EXIT, lock: Path | None = None,
    again: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Writes that many lines to each stream with a pause after each, and to the ledger when it begins, how far it is
    now and then, and how it ends. `lock`: it holds that file until the last of its processes is dead, says so in the
    ledger if it does not get it, and does not end by TERM. `again`: how many lines it writes in later attempts."""
    holds = f"exec 9>>{shlex.quote(str(lock))}; flock -n 9 || {ledger.says('overlap')}; trap '' TERM; " if lock else ""
    more = f"n={lines}; [ $CMDEXEC_ATTEMPT = 1 ] || n={lines if again is None else again}"
    return {
        "command": (
            f"{holds}{ledger.says('begin')}; {more}; i=0; while [ $i -lt $n ]; do i=$((i+1)); "
            f'echo "$CMDEXEC_JOB_ID:$CMDEXEC_ATTEMPT:$i"; echo "err:$CMDEXEC_JOB_ID:$CMDEXEC_ATTEMPT:$i" >&2; '
            f"[ $((i % {MARK_EACH})) != 0 ] || {ledger.says('mark', lines='$i')}; sleep {pause}; done; "
            f"{ledger.says('end', lines='$n', exit=exit_code)}; exit {exit_code}"
        )
    }


def expected_output(job_id: str, attempt: int, lines: int = LINES) -> tuple[bytes, bytes]:
    """What such a job has written to both streams when it has ended by itself."""
    out = "".join(f"{job_id}:{attempt}:{number}\n" for number in range(1, lines + 1))
    err = "".join(f"err:{job_id}:{attempt}:{number}\n" for number in range(1, lines + 1))
    return out.encode(), err.encode()


def check_once_and_whole(api: Api, ledger: Ledger, job_ids: list[str], lines: int = LINES, within: float = 60) -> None:
    """The judgement: by the ledger each job ran once, by the store each has its exit code and every byte."""
    jobs = api.wait_ended(job_ids, within)
    assert ledger.count("begin") == dict.fromkeys(job_ids, 1), "each began once, and nothing else did"
    assert ledger.count("end") == dict.fromkeys(job_ids, 1), "each came to its end, once"
    for job in jobs:
        assert (job["status"], job["reason"], job["exitCode"]) == ("failed", "exit", EXIT), job
        out, err = expected_output(job["jobId"], job["attempt"], lines)
        assert api.output(job["jobId"], "stdout") == out
        assert api.output(job["jobId"], "stderr") == err
        assert job["output"]["stdout"]["whole"] is True, job["output"]
        assert job["output"]["stderr"]["whole"] is True, job["output"]
