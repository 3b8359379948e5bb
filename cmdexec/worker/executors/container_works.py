"""What the containers of a worker have in common: their engine, the threads of its calls, labels, lease and keeper."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from cmdexec.runtime import Runtime, Threads
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.capacity import Capacity
from cmdexec.worker.executors.container_shape import Labels
from cmdexec.worker.executors.engine_calls import EngineCalls

T = TypeVar("T")


class Keeper(Protocol):
    """Who removes the containers of leased jobs when their lease is over or this process dies (the warden)."""

    def keep_container(self, name: str, url: str) -> bool:
        """Keep this one, at the engine at `url` (its host is a number), to its lease. False: it cannot be done now."""
        ...

    def let_container_go(self, name: str) -> None:
        """It is removed."""
        ...


class Works:
    """`engine`: the one in use; None: there is none now. `lease_until`: when leased jobs have to be gone (elapsed
    seconds). `doubtful`: the engine may have some that nobody knows of: it did not answer."""

    def __init__(
        self, *, settings: WorkerSettings, runtime: Runtime, threads: Threads, capacity: Capacity, labels: Labels,
        keeper: Keeper,
    ) -> None:  # fmt: skip
        self.settings, self.capacity, self.labels, self.keeper = settings, capacity, labels, keeper
        self.clock, self.log = runtime.clock, runtime.log
        self.engine: EngineCalls | None = None
        self.lease_until = 0.0
        self.doubtful = False
        self._threads = threads

    async def call(self, call: Callable[[], T]) -> T:
        """Make a blocking call of the engine."""
        return await self._threads.run(call)

    async def pause(self) -> None:
        """Before asking again."""
        await self.clock.sleep(self.settings.engine_again_sec)
