"""A worker takes queued jobs."""

import asyncio
from collections.abc import Mapping, Sequence

from cmdexec.model.events import Claim
from cmdexec.model.job import Job
from cmdexec.model.parts import Part
from cmdexec.server.jobs.holder import Holder
from cmdexec.server.jobs.shell import Shell
from cmdexec.store.contract.jobs_write import Foreseen, Wanted


async def claim(
    shell: Shell, holder: Holder, *, claim_id: str, klasses: Sequence[str], limit: int, most: int,
    parts: Mapping[str, Part], free: Part | None, ahead: bool, foreseen: Foreseen | None = None,
    follows_sec: float = 0.0,
) -> list[Job]:  # fmt: skip
    """Up to `limit` jobs of these classes, and no more once they weigh `most`, now assigned to `holder`; `parts`,
    `free` and `ahead` as in `Wanted`.

    The same `claim_id` gives the same jobs again, as long as one of them is held: so after an outcome that is not known
    it is asked again with it. `foreseen`: as in `JobWrites.claim`; what the worker asks of those jobs meanwhile is
    decided, and written with the claim, if it comes within `follows_sec`, or after it.
    """
    told: list[Job] = []
    waits = True
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(jobs: Sequence[Job]) -> None:
        if waits and foreseen is not None:
            told.extend(jobs)
            shell.foresee(jobs, over)
            foreseen(jobs)

    event = Claim(holder.worker_id, holder.session, claim_id, holder.known_as)
    now = shell.runtime.clock.now()
    wanted = Wanted(event, tuple(klasses), limit, now, most, parts, free, ahead, follows_sec)
    try:
        jobs = await shell.writes.claim(wanted, None if foreseen is None else tell)
    except BaseException:
        shell.memory.forget(job.job_id for job in told)
        raise
    finally:
        waits = False
        shell.came_about(told, over)
    shell.memory.remember(jobs)
    # People are told when the jobs are on their way to the worker: it has to do with them, and they look on.
    asyncio.get_running_loop().call_soon(shell.changed, jobs)
    return jobs
