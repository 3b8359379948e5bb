"""Why output was not taken, in the worker's terms."""

from collections.abc import Sequence

from cmdexec.errors import CmdexecError
from cmdexec.protocol.messages import OutputAck
from cmdexec.server import jobs as work
from cmdexec.server.jobs import Holder, Jobs
from cmdexec.store.contract.output import Output


async def explain(jobs: Jobs, output: Output, holder: Holder, attempts: Sequence[tuple[str, int]]) -> list[OutputAck]:
    """Why output of these was not taken, and what to do."""
    try:
        outcomes = await jobs.turn([work.output(holder, job, n) for job, n in attempts])
        rows = await output.rows(attempts)
    except CmdexecError as away:
        return [OutputAck(job_id=job, attempt=n, tell="again", code=away.code) for job, n in attempts]
    acks = []
    for (job_id, attempt), outcome, row in zip(attempts, outcomes, rows, strict=True):
        answer = work.told(job_id, attempt, outcome)
        again = answer.tell != "stop" or answer.code in ("resume_first", "not_started")
        acks.append(
            OutputAck(
                job_id=job_id, attempt=attempt, tell="again" if again else "stop", code=answer.code,
                stdout=row.stdout if row else 0, stderr=row.stderr if row else 0,
            )
        )  # fmt: skip
    return acks
