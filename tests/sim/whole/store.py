"""The real store, behind a gate: calls take virtual time, and for a while they may be refused, before or after their
commit. What the gate lets through is the product's SQLite, run inline.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields
from inspect import iscoroutinefunction
from typing import Any

from cmdexec.errors import Unavailable
from cmdexec.store.contract.engine import Store
from cmdexec.store.contract.reads import Reads

_READ_SEC = (0.0, 0.001)
_COMMIT_SEC = (0.0002, 0.003)
_READERS = ("get", "by_submit_keys", "held_by", "waiting_of", "assigned_elsewhere", "overdue", "lapsed", "counts",
            "all", "fronts", "page", "rows", "read", "any", "by_email", "of", "room")  # fmt: skip


@dataclass
class Disk:
    """How the store's disk is now. `away`: nothing can be stored or read; `slow_sec`: what a commit takes at most;
    `full`: every other COMMIT finds no room, after all that goes before it has been done."""

    rng: random.Random
    away: bool = False
    slow_sec: float = 0.0
    full: bool = False

    def takes(self) -> float:
        """How long the next commit takes."""
        return self.rng.uniform(*_COMMIT_SEC) + self.rng.uniform(0, self.slow_sec)


class _Part:
    """One part of the store's contract. Writes have their turns in the order in which they were asked."""

    def __init__(self, part: Any, disk: Disk, turns: asyncio.Lock) -> None:
        self._part, self._disk, self._turns = part, disk, turns
        for name in dir(part):
            if name.startswith("_"):
                continue
            method = getattr(part, name)
            if iscoroutinefunction(method):
                gate = self._read if name in _READERS else self._write
                method = self._through(method, gate)
            setattr(self, name, method)

    def _through(
        self, method: Callable[..., Awaitable[Any]], gate: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **more: Any) -> Any:
            return await gate(lambda: method(*args, **more))

        return call

    async def _read(self, call: Callable[[], Awaitable[Any]]) -> Any:
        await asyncio.sleep(self._disk.rng.uniform(*_READ_SEC))
        self._must_be_there()
        return await call()

    async def _write(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """What was asked is done although nobody waits for it any more; if the store goes away meanwhile, nobody knows
        whether it was."""
        doing = asyncio.get_running_loop().create_task(self._commit(call), name="a commit")
        doing.add_done_callback(_looked_at)
        return await asyncio.shield(doing)

    async def _commit(self, call: Callable[[], Awaitable[Any]]) -> Any:
        async with self._turns:
            self._must_be_there()
            takes = self._disk.takes()
            await asyncio.sleep(takes / 2)
            done = await call()
        await asyncio.sleep(takes / 2)
        self._must_be_there()
        return done

    def _must_be_there(self) -> None:
        if self._disk.away:
            raise Unavailable("store_away", "The store cannot be reached.")


def _looked_at(doing: "asyncio.Task[Any]") -> None:
    """Whoever asked may be gone: then nobody else looks at what was raised."""
    if not doing.cancelled():
        doing.exception()


@dataclass(frozen=True)
class Gated:
    """A `cmdexec.store.contract.engine.Store`."""

    reads: Reads
    jobs_write: Any
    close: Callable[[], Awaitable[None]]


def gated(store: Store, disk: Disk) -> Gated:
    """`store`, as its disk lets it be."""
    turns = asyncio.Lock()

    def parts() -> Iterator[tuple[str, Any]]:
        for field in fields(store.reads):
            yield field.name, _Part(getattr(store.reads, field.name), disk, turns)

    return Gated(Reads(**dict(parts())), _Part(store.jobs_write, disk, turns), store.close)
