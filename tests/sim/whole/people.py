"""Somebody who submits one job, and may want it cancelled or run again; what was answered is remembered."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from cmdexec.errors import CmdexecError, Unavailable
from tests.sim.whole.machine import Violation
from tests.sim.whole.plan import NewJob
from tests.sim.whole.server import Process
from tests.sim.whole.wires import FAST

PATIENCE_SEC = 5.0
_TRIES = 30
_LOOK_SEC = 1.0


class Person:
    """job_id    the job's, once that was answered
    outcome   what was answered to the wish that it be cancelled
    over      nothing more is wanted
    """

    def __init__(self, world: Any, job: NewJob) -> None:
        self.world, self.job = world, job
        self.rng = random.Random(f"{world.seed} person {job.number}")
        self.node = world.node(f"person {job.number}")
        self.job_id: str | None = None
        self.outcome: str | None = None
        self._doing = 0

    @property
    def over(self) -> bool:
        return not self._doing

    def begin(self) -> None:
        """Do each thing in its time."""
        self._in_time(self.job.at, self._submit)
        if self.job.cancel_at is not None:
            self._in_time(self.job.cancel_at, self._cancel)
        if self.job.requeue_at is not None:
            self._in_time(self.job.requeue_at, self._requeue)

    def _in_time(self, at: float, wish: Callable[[], Any]) -> None:
        self._doing += 1

        async def do() -> None:
            try:
                await wish()
            finally:
                self._doing -= 1

        self.world.after(at, lambda: self.node.spawn(do(), wish.__name__))

    async def _submit(self) -> None:
        job = self.job
        body = {
            "command": ["job", str(job.number)], "onLost": job.on_lost, "maxRetries": job.max_retries,
            "maxLost": job.max_lost, "backoff": {"firstSec": 0.5, "maxSec": 4.0},
        }  # fmt: skip
        headers = {"Idempotency-Key": f"key-{job.number}"}
        answer = await self._until_answered("jobs.create", body, headers, job.tries)
        if answer is not None:
            self.job_id = answer["jobId"]
            self.world.tell("person", f"is answered: {self.job_id}", job.number)

    async def _cancel(self) -> None:
        if self.job_id is not None:
            answer = await self._until_answered("jobs.cancel", {"jobId": self.job_id}, {}, _TRIES)
            self.outcome = answer["outcome"] if answer is not None else None
            self.world.tell("person", f"wants it cancelled: {self.outcome}", self.job.number)

    async def _requeue(self) -> None:
        """As soon as nobody knows what has become of it. Somebody who says so accepts that it runs twice."""
        for _ in range(_TRIES if self.job_id is not None else 0):
            excused, number = self.world.ledger.excused, self.job.number
            before = number in excused
            excused.add(number)
            try:
                status, _ = await self._ask("jobs.requeue", {"jobId": self.job_id, "acceptDuplicate": True}, {})
            except (CmdexecError, TimeoutError):
                return  # it may have been done
            self.world.seen[f"requeue {status}"] += 1
            if status == 200:
                self.world.tell("person", "wants it run again", number)
                return
            if status in (404, 409) and not before:
                excused.discard(number)
            await asyncio.sleep(_LOOK_SEC)

    async def _until_answered(
        self, name: str, body: dict[str, Any], headers: dict[str, str], tries: int
    ) -> dict[str, Any] | None:
        """What was answered; None when it was tried so often in vain."""
        for _ in range(tries):
            try:
                status, told = await self._ask(name, body, headers)
            except (CmdexecError, TimeoutError):
                self.world.seen["unanswered"] += 1
            else:
                if status < 300:
                    return dict(told)
                if status < 500:
                    raise Violation(f"{name} was refused: {told}", self.job.number)
            await asyncio.sleep(self.rng.uniform(0.3, 1.0))
        return None

    async def _ask(self, name: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        """Raises TimeoutError and CmdexecError: then nobody knows whether it was done."""
        answer: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()

        def settle(told: tuple[int, Any] | CmdexecError) -> None:
            if not answer.done():
                _ = answer.set_exception(told) if isinstance(told, CmdexecError) else answer.set_result(told)

        async def do(process: Process) -> None:
            told: tuple[int, Any] | CmdexecError
            try:
                told = await process.ask(name, body, headers)
            except CmdexecError as wrong:
                told = wrong
            self.world.after(self.rng.uniform(*FAST), settle, told)

        def arrive() -> None:
            process: Process | None = self.world.server.process
            if process is None:
                settle(Unavailable("server_away", "Nothing answers."))
            else:
                process.node.spawn(do(process), name)

        self.world.after(self.rng.uniform(*FAST), arrive)
        async with asyncio.timeout(PATIENCE_SEC):
            return await answer
