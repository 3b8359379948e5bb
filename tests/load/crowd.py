"""Workers and people in numbers, over real sockets in one process: each stays connected, and comes again by itself as
ours do (`model.backoff.reconnect_wait`)."""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from cmdexec.link.descriptors import allow
from cmdexec.model.backoff import reconnect_wait
from tests.support.fleet import Ref, Sim
from tests.support.server import Running
from tests.support.speaker import Speaker, speaking

FIRST_SEC = 0.25
"""RECONNECT_MIN_SEC as it is shipped."""

_TURN_SEC = 5.0

HOLDER = {"holder": "yes"}
"""The label of those that are to hold a job."""

_SPARE_FILES = 500
_DRAW = random.Random(18)


class Member(ABC):
    """One that stays. `since`: when it was connected last and told what it asked for; None while it is not. `refused`:
    what it was answered in place of a socket. `longest`: RECONNECT_MAX_SEC."""

    longest = 15.0

    def __init__(self, run: Running, name: str) -> None:
        self.run = run
        self.name = name
        self.since: float | None = None
        self.refused: list[int] = []
        self.lease_sec: float | None = None
        self.held: list[Ref] = []

    async def live(self) -> None:
        """Connect, and connect again, until cancelled."""
        failures = 0
        while True:
            try:
                async with AsyncExitStack() as stack:
                    await self.once(stack)
                failures = 0
            except aiohttp.WSServerHandshakeError as refused:
                self.refused.append(refused.status)
                failures += 1
            except (OSError, aiohttp.ClientError, TimeoutError, AssertionError):
                failures = failures + 1 if self.since is None else 0
            self.since = None
            bound = self.lease_sec / 4 if self.held and self.lease_sec else None
            await asyncio.sleep(reconnect_wait(failures, _DRAW.random(), FIRST_SEC, self.longest, bound))

    @abstractmethod
    async def once(self, stack: AsyncExitStack) -> None:
        """One connection, until it ends."""

    async def silent(self, speaker: Speaker, seconds: float) -> bool:
        """Hear what comes for so long; False when the socket has ended."""
        speaker.heard.clear()
        try:
            async with asyncio.timeout(seconds):
                await speaker.ended()
        except TimeoutError:
            return True
        return False


class WorkerMember(Member):
    """A worker of one slot. `holder`: it begins a job, and holds it from then on."""

    def __init__(self, run: Running, name: str, *, holder: bool) -> None:
        super().__init__(run, name)
        self._holder = holder
        self._token = run.shared(workerId=name)

    async def once(self, stack: AsyncExitStack) -> None:
        speaker = await stack.enter_async_context(speaking(self.run.url, {"x-worker-token": self._token}))
        me: dict[str, Any] = {"slots": 1, "session": f"spool-{self.name}", "instanceId": self.name, "name": self.name}
        (welcome,) = await speaker.ask("register", me | ({"labels": HOLDER} if self._holder else {}))
        self.lease_sec = welcome["leaseSec"]
        sim = Sim(self.name, speaker, stack)
        await sim.beat(*self.held)
        if self._holder and not self.held:
            self.held = [await sim.run()]
        self.since = time.monotonic()
        while await self.silent(speaker, welcome["heartbeatSec"] * (0.9 + _DRAW.random() / 10)):
            await sim.beat(*self.held)


class PersonMember(Member):
    """Somebody who looks at the list of jobs and at the workers, and reads all that comes."""

    async def once(self, stack: AsyncExitStack) -> None:
        speaker = await stack.enter_async_context(speaking(self.run.url, self.run.headers("viewer")))
        assert await speaker.ask("watch", {"what": "workers"}, {"what": "jobs"}) == [{}, {}]
        await speaker.told("workers")
        self.since = time.monotonic()
        while await self.silent(speaker, _TURN_SEC):
            pass


class Crowd:
    """`async with` it: all of them live until the end of the block."""

    def __init__(self, run: Running, *, workers: int, holders: int, people: int, longest: float) -> None:
        allow(workers + people + _SPARE_FILES)
        of_workers = [WorkerMember(run, f"crowd-{n}", holder=n < holders) for n in range(workers)]
        self.members: list[Member] = [*of_workers, *(PersonMember(run, f"person-{n}") for n in range(people))]
        for member in self.members:
            member.longest = longest
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Crowd":
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        for task in [group.create_task(member.live()) for member in self.members]:
            self._stack.callback(task.cancel)
        return self

    async def __aexit__(self, *told: Any) -> None:
        await self._stack.__aexit__(*told)

    def all_there(self, after: float = 0.0) -> bool:
        """Whether each is connected, and has been so since some moment after that one."""
        return all(member.since is not None and member.since > after for member in self.members)

    def took(self, after: float) -> list[float]:
        """Seconds from that moment until each was there, the quickest first."""
        return sorted((member.since or float("inf")) - after for member in self.members)
