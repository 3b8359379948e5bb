"""Calls that wait are carried out together, in their order, and each is answered for itself."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from cmdexec.errors import Unavailable
from cmdexec.store.mongo.together import Together


class Slow:
    """Carries out what it is given when it is told to, and notes each turn."""

    def __init__(self, fails: Callable[[int], bool] = lambda _: False) -> None:
        self.turns: list[list[int]] = []
        self.go = asyncio.Event()
        self._fails = fails

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.turns.append(list(items))
        await self.go.wait()
        if any(map(self._fails, items)):
            raise ValueError(items)
        return [-item for item in items]


async def begun(together: Together[int, int], items: Sequence[int], size: int = 0) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.ensure_future(together.run(item, size)) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_waits_is_one_turn_in_order_and_each_gets_its_own_result() -> None:
    slow = Slow()
    together = Together(slow, waiting_max=100, items=4, size=100)
    tasks = await begun(together, range(10))
    slow.go.set()
    assert await asyncio.gather(*tasks) == [-number for number in range(10)]
    assert slow.turns == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


async def test_a_turn_takes_no_more_bytes_than_it_may_but_one_item_always() -> None:
    slow = Slow()
    together = Together(slow, waiting_max=100, items=100, size=25)
    tasks = [*await begun(together, [1], 90), *await begun(together, [2, 3, 4], 10)]
    slow.go.set()
    await asyncio.gather(*tasks)
    assert slow.turns == [[1], [2, 3], [4]]


async def test_more_than_may_wait_is_refused() -> None:
    slow = Slow()
    together = Together(slow, waiting_max=2, items=1, size=1)
    tasks = await begun(together, [1, 2, 3, 4])
    slow.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in results if isinstance(one, int)] == [-1, -2, -3]
    assert {one.code for one in results if isinstance(one, Unavailable)} == {"overloaded"}


async def test_a_fault_is_that_of_its_turn_and_the_next_goes_on() -> None:
    slow = Slow(fails=lambda item: item == 2)
    together = Together(slow, waiting_max=100, items=2, size=100)
    tasks = await begun(together, [0, 1, 2, 3, 4])
    slow.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results] == [int, ValueError, ValueError, int, int]


@pytest.mark.parametrize("gone", [0, 1, 3])
async def test_whoever_is_cancelled_takes_nobody_along(gone: int) -> None:
    """Also the one that was carrying out the others' calls: another takes them up."""
    slow = Slow()
    together = Together(slow, waiting_max=100, items=100, size=100)
    tasks = await begun(together, range(4))
    tasks[gone].cancel()
    await asyncio.sleep(0)
    slow.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in results if isinstance(one, int)] == [-one for one in range(4) if one != gone]
    assert isinstance(results[gone], asyncio.CancelledError)
    assert await together.run(9) == -9
