"""Calls that come while others are carried out wait, and are then carried out together, in the order in which they
came: so that many small calls cost what one does."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from cmdexec.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    __slots__ = ("done", "fault", "item", "result", "size")

    def __init__(self, item: Item, size: int) -> None:
        self.item = item
        self.size = size
        self.done = False
        self.result: Result | None = None
        self.fault: BaseException | None = None


class Together(Generic[Item, Result]):
    """`carry_out` gets the items of one turn and returns a result for each; what it raises, all of them raise.

    waiting_max   items that may wait; more is refused
    items, size   the most that one turn takes; an item that is larger than that has a turn of its own

    No task of its own: each caller in turn does what waits. One that is cancelled leaves the others' items waiting, so
    an item may be carried out twice, and has to be safe to repeat.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        waiting_max: int,
        items: int,
        size: int,
    ) -> None:
        self._carry_out = carry_out
        self._waiting_max = waiting_max
        self._items = items
        self._size = size
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._turn = asyncio.Lock()

    async def run(self, item: Item, size: int = 0) -> Result:
        """The result for that item. Raises what carrying it out raises, or Unavailable(`overloaded`)."""
        if len(self._queue) >= self._waiting_max:
            raise Unavailable("overloaded", "Too much waits for the store.", mend="Try again in a moment.")
        mine: _Waiting[Item, Result] = _Waiting(item, size)
        self._queue.append(mine)
        try:
            async with self._turn:
                while not mine.done:
                    await self._do()
        except asyncio.CancelledError:
            if mine in self._queue:
                self._queue.remove(mine)
            raise
        if mine.fault is not None:
            raise mine.fault
        result: Result = mine.result  # type: ignore[assignment]
        return result

    async def _do(self) -> None:
        group = self._next()
        try:
            results = await self._carry_out([waiting.item for waiting in group])
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(group))
            raise
        except Exception as fault:
            for waiting in group:
                waiting.fault, waiting.done = fault, True
            return
        for waiting, result in zip(group, results, strict=True):
            waiting.result, waiting.done = result, True

    def _next(self) -> list[_Waiting[Item, Result]]:
        group: list[_Waiting[Item, Result]] = []
        size = 0
        while self._queue and len(group) < self._items:
            size += self._queue[0].size
            if group and size > self._size:
                break
            group.append(self._queue.popleft())
        return group
