"""A worker takes queued jobs."""

import asyncio
from collections.abc import Mapping, Sequence

from cmdexec.model.events import Claim
from cmdexec.model.job import Job
from cmdexec.model.parts import Part
from cmdexec.server.jobs.holder import Holder
from cmdexec.server.jobs.shell import Shell
from cmdexec.store.contract.jobs_write import Wanted


async def claim(
    shell: Shell, holder: Holder, *, claim_id: str, klasses: Sequence[str], limit: int, most: int,
    parts: Mapping[str, Part], free: Part | None, ahead: bool,
) -> list[Job]:  # fmt: skip
    """Up to `limit` jobs of these classes, and no more once they weigh `most`, now assigned to `holder`; `parts`,
    `free` and `ahead` as in `Wanted`.

    The same `claim_id` gives the same jobs again, as long as one of them is held: so after an outcome that is not known
    it is asked again with it.
    """
    event = Claim(holder.worker_id, holder.session, claim_id, holder.known_as)
    now = shell.runtime.clock.now()
    jobs = await shell.writes.claim(Wanted(event, tuple(klasses), limit, now, most, parts, free, ahead))
    shell.memory.remember(jobs)
    # People are told when the jobs are on their way to the worker: it has to do with them, and they look on.
    asyncio.get_running_loop().call_soon(shell.changed, jobs)
    return jobs
