"""Simulated workers over real sockets, which do what a test says; and people who look at jobs and workers."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any
from urllib.parse import quote

from tests.support.api import Api
from tests.support.server import Running
from tests.support.speaker import Speaker, speaking
from tests.support.waiting import until

Ref = dict[str, Any]


class Sim:
    """One worker; `ref` of a job is what it was assigned."""

    def __init__(self, name: str, speaker: Speaker, stack: AsyncExitStack) -> None:
        self.name = name
        self.speaker = speaker
        self._stack = stack
        self._assigned: list[Ref] = []

    async def beat(self, *held: Ref, **more: Any) -> Any:
        (answer,) = await self.speaker.ask("heartbeat", {"jobs": [_ref(job) for job in held]} | more)
        return answer

    async def take(self) -> Ref:
        """The next job that it is given."""
        if not self._assigned:
            self._assigned += await self.speaker.told("assign")
        return self._assigned.pop(0)

    async def start(self, job: Ref) -> str:
        (told,) = await self.speaker.ask("start", _ref(job))
        return str(told["tell"])

    async def run(self) -> Ref:
        """Take the next job, and start it."""
        job = await self.take()
        assert await self.start(job) == "go"
        return job

    async def done(self, job: Ref, exit_code: int = 0) -> None:
        output = {"stdout": {"bytes": 0}, "stderr": {"bytes": 0}}
        (told,) = await self.speaker.ask("done", _ref(job) | {"exitCode": exit_code, "output": output})
        assert told["tell"] == "ok", told

    async def decline(self, job: Ref) -> None:
        await self.speaker.ask("released", _ref(job) | {"why": "declined", "message": "not here"})

    async def leave(self) -> None:
        await self._stack.aclose()


class Fleet:
    """All workers and people of one test; whoever is still there at its end is revoked, so that the next test finds
    nobody."""

    def __init__(self, run: Running, test: str) -> None:
        """`test`: as what its workers' ids begin, since the id of a revoked one is never used again."""
        self.run = run
        self._test = test
        self.api: Api = run.api()
        self.sims: dict[str, Sim] = {}
        self._jobs: list[str] = []
        self._names: set[str] = set()

    async def __aenter__(self) -> "Fleet":
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _where: TracebackType | None
    ) -> None:
        for job_id in self._jobs:
            self.api.call("POST", "/api/jobs/cancel", {"jobId": job_id})
        for name in self._names:
            self.revoke(name)
        for sim in self.sims.values():
            await sim.leave()

    async def worker(self, name: str, slots: int = 1, **said: Any) -> Sim:
        """A worker of that name joins, or comes again. `cpu` or `ramMb`: it holds jobs to their parts."""
        if name in self.sims:
            await self.sims.pop(name).leave()
        stack = AsyncExitStack()
        token = self.run.shared(workerId=self.id_of(name))
        speaker = await stack.enter_async_context(speaking(self.run.url, {"x-worker-token": token}))
        limits = {"limits": "watched"} if {"cpu", "ramMb"} & said.keys() else {}
        (answer,) = await speaker.ask(
            "register", {"slots": slots, "session": f"spool-{name}", "instanceId": name, "name": name} | limits | said
        )
        assert "leaseSec" in answer, answer
        sim = self.sims[name] = Sim(name, speaker, stack)
        self._names.add(name)
        await sim.beat()
        return sim

    def submit(self, **job: Any) -> str:
        """A job; its id."""
        job_id: str = self.api.create({"command": "true"} | job)["jobId"]
        self._jobs.append(job_id)
        return job_id

    def waits(self, job_id: str, words: str) -> Ref:
        """The job, once it waits for that."""

        def says() -> Ref | None:
            job = self.api.job(job_id)
            return job if words in (job["waitingFor"] or "") else None

        try:
            return until(says, f"the job waits for {words!r}", 5) or {}
        except AssertionError as not_so:
            job = self.api.job(job_id)
            raise AssertionError(f"{job['status']}: {job['waitingFor']!r} without {words!r}") from not_so

    def id_of(self, name: str) -> str:
        return f"{self._test}.{name}"

    def change(self, worker: str, **wanted: Any) -> Ref:
        """What people want of a worker."""
        answer: Ref = self.api.ask("PATCH", f"/api/workers/{quote(self.id_of(worker))}", wanted)
        return answer

    def look(self, name: str) -> Ref:
        answer: Ref = self.api.ask("GET", f"/api/workers/{quote(self.id_of(name))}")
        return answer

    def revoke(self, name: str) -> Ref:
        answer: Ref = self.api.ask("DELETE", f"/api/workers/{quote(self.id_of(name))}")
        return answer


def _ref(job: Ref) -> Ref:
    return {"jobId": job["jobId"], "attempt": job["attempt"]}


async def started(fleet: Fleet, sim: Sim, job_id: str) -> None:
    """The job runs there."""
    job = await sim.run()
    assert job["jobId"] == job_id
    assert fleet.api.job(job_id)["waitingFor"] is None


def waits(fleet: Fleet, why: str, mend: str | None, **job: Any) -> str:
    """A job that waits for that, and which would be helped so; its id."""
    job_id = fleet.submit(**job)
    shown = fleet.waits(job_id, why)
    assert (shown["waitingFor"], shown["waitingMend"]) == (why, mend)
    return job_id
