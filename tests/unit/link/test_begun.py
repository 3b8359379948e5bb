"""A coroutine begun outside of any task."""

import asyncio

import pytest

from cmdexec.link.begun import begin


async def test_what_waits_for_nothing_is_over_at_once() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert begin(work()) is None
    assert done == [1]


async def test_what_it_raises_is_raised_at_once() -> None:
    async def work() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        begin(work())


async def test_the_rest_is_awaited_in_a_task() -> None:
    done: list[object] = []
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))

    async def work() -> None:
        done.append(await first)
        done.append(await second)

    begun = begin(work())
    assert begun is not None

    async def rest() -> None:
        await begun

    task = asyncio.create_task(rest())
    first.set_result("first")
    await asyncio.sleep(0)
    second.set_result("second")
    await task
    assert done == ["first", "second"]


@pytest.mark.parametrize("turns", [1, 3])
async def test_cancelling_the_task_ends_it_where_it_waits(turns: int) -> None:
    ended: list[str] = []
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await first
            ended.append("waits again")
            await never
        finally:
            ended.append("closed")

    begun = begin(work())
    assert begun is not None

    async def rest() -> None:
        await begun

    task = asyncio.create_task(rest())
    await asyncio.sleep(0)
    if turns > 1:
        first.set_result(None)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == (["closed"] if turns == 1 else ["waits again", "closed"])
