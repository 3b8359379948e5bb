"""A worker takes queued jobs."""

from collections.abc import Sequence

from cmdexec.model.events import Claim
from cmdexec.model.job import Job
from cmdexec.server.jobs.holder import Holder
from cmdexec.server.jobs.shell import Shell
from cmdexec.store.contract.jobs_write import Wanted


async def claim(
    shell: Shell, holder: Holder, *, claim_id: str, klasses: Sequence[str], limit: int, most: int
) -> list[Job]:
    """Up to `limit` jobs of these classes, and no more once they weigh `most`, now assigned to `holder`.

    The same `claim_id` gives the same jobs again, as long as one of them is held: so after an outcome that is not known
    it is asked again with it.
    """
    event = Claim(holder.worker_id, holder.session, claim_id, holder.known_as)
    jobs = await shell.writes.claim(Wanted(event, tuple(klasses), limit, shell.runtime.clock.now(), most))
    shell.memory.remember(jobs)
    shell.changed(jobs)
    return jobs
