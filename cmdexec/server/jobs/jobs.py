"""The one object through which a server changes jobs."""

from collections.abc import Callable, Mapping, Sequence

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job, Spec
from cmdexec.model.parts import Part
from cmdexec.notify.contract import Notify
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import cancel as cancelling
from cmdexec.server.jobs import claim as claiming
from cmdexec.server.jobs.ask import Ask, Outcome
from cmdexec.server.jobs.held import came_late
from cmdexec.server.jobs.holder import Holder
from cmdexec.server.jobs.kinds import Kinds
from cmdexec.server.jobs.measure import StoredOutput
from cmdexec.server.jobs.memory import Memory
from cmdexec.server.jobs.shell import Shell
from cmdexec.server.jobs.submit import Submitter
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.jobs_write import JobWrites
from cmdexec.store.contract.reads import Reads

_NO_PARTS: Mapping[str, Part] = {}


class Jobs:
    """Submit, claim, cancel; and `turn` for events of all other kinds, which the functions of this package make.

    `stored` is asked what output is there before a job ends.
    """

    def __init__(
        self,
        *,
        reads: Reads,
        writes: JobWrites,
        notify: Notify,
        runtime: Runtime,
        settings: ServerSettings,
        stored: StoredOutput,
    ) -> None:
        self._shell = Shell(
            reads=reads.jobs, writes=writes, notify=notify, runtime=runtime, stored=stored,
            memory=Memory(settings.job_cache_bytes),
        )  # fmt: skip
        self._submitter = Submitter(
            self._shell, Kinds(reads.classes, runtime.clock, settings.max_classes_per_user),
            max_queued=settings.max_queued_per_user, age_sec=settings.priority_age_sec,
        )  # fmt: skip
        self.stored = stored
        self.output_limit = settings.max_output_bytes
        self._key_ttl_ms = int(settings.submit_key_ttl_sec * 1000)
        self._draining = False
        self.dropped_late = 0
        """How often output came after the end of its attempt since this server began."""

    def drain(self) -> None:
        """Take no new jobs any more, and give none out."""
        self._draining = True

    @property
    def draining(self) -> bool:
        return self._draining

    def recall(self, job_id: str) -> Job | None:
        """The job as this server last saw it, if it is one that a worker holds or that came a moment ago: a hint."""
        return self._shell.memory.recall(job_id)

    async def submit(
        self, owner: str, specs: Sequence[Spec], *, key: str | None, body: bytes, by: str | None = None,
        rerun_of: str | None = None,
    ) -> Sequence[Job]:  # fmt: skip
        """New jobs in the order of `specs`, all or none, answered when they are on disk.

        key       the same key gives the same jobs again for SUBMIT_KEY_TTL_SEC
        body      the request as sent: another one with the same key is Refused("key_reused")
        by        what people call the owner: the e-mail address
        rerun_of  the older job whose spec this is

        Raises Unavailable("draining" | "queue_full" | "disk_full" | "store_away" | "overloaded").
        """
        if self._draining:
            raise Unavailable("draining", "This server is stopping and takes no new jobs.", retry_after=5.0)
        return await self._submitter.submit(owner, specs, key=key, body=body, by=by, rerun_of=rerun_of)

    async def cancel(self, job_ids: Sequence[str], by: str) -> list[tuple[Job | None, str]]:
        """End jobs: for each the job as it stands and `cancelled`, `asked`, `too_late` or `not_found`."""
        return await cancelling.cancel(self._shell, job_ids, by)

    async def claim(
        self, holder: Holder, *, claim_id: str, klasses: Sequence[str], limit: int, most: int,
        parts: Mapping[str, Part] = _NO_PARTS, free: Part | None = None, ahead: bool = False,
        foreseen: Callable[[Sequence[Job]], None] | None = None, follows_sec: float = 0.0,
    ) -> list[Job]:  # fmt: skip
        """Assign up to `limit` queued jobs of these classes to the worker, and no more once they weigh `most`, nor of
        those whose `parts` are not `free` (but for the first of all, if `ahead`); the same claim again gives the same
        jobs, as long as one of them is held. `foreseen` is told them, if they are known before they are on disk: they
        may come to nothing. `follows_sec`: how long the worker's next word may be waited for then, to be written at
        once with the claim."""
        if self._draining:
            return []
        return await claiming.claim(
            self._shell, holder, claim_id=claim_id, klasses=klasses, limit=limit, most=most, parts=parts, free=free,
            ahead=ahead, foreseen=foreseen, follows_sec=follows_sec,
        )  # fmt: skip

    async def forget_submit_keys(self, limit: int) -> int:
        """Free the keys of up to `limit` submissions older than SUBMIT_KEY_TTL_SEC; how many were freed."""
        before = self._shell.runtime.clock.now() - self._key_ttl_ms
        return await self._shell.writes.forget_submit_keys(before, limit)

    async def turn(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Carry out many events with one write, those of one job in their order; outcomes in the order asked.

        Raises Unavailable if the store is away: then what was written is not known, and the same may be asked again.
        """
        outcomes = await self._shell.turn(asks)
        for ask, outcome in zip(asks, outcomes, strict=True):
            if came_late(ask, outcome):
                self.dropped_late += 1
                self._shell.runtime.log.info(
                    "output that came after the end is dropped", job=ask.job_id, so_often=self.dropped_late
                )
        return outcomes
