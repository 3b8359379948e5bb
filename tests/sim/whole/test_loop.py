"""Virtual time passes by itself, and a process on it can be stopped and killed as by the system."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.sim.whole.loop import BEGINS_AT, Idle, Node, VirtualLoop, time_passes


def played(play: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> VirtualLoop:
    loop = VirtualLoop(lambda _what, _fault: None)
    try:
        loop.run_until_complete(play(loop))
    finally:
        loop.close()
    return loop


def test_a_day_passes_at_once() -> None:
    async def play(_: VirtualLoop) -> None:
        await time_passes(86_400)

    assert played(play).time() == pytest.approx(BEGINS_AT + 86_400)


def test_whoever_waits_for_nothing_is_told() -> None:
    async def play(_: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Idle):
        played(play)


def test_threads_and_descriptors_are_refused() -> None:
    async def play(loop: VirtualLoop) -> None:
        with pytest.raises(RuntimeError, match="no threads"):
            await asyncio.to_thread(int)
        with pytest.raises(RuntimeError, match="no threads"):
            loop.call_soon_threadsafe(int)
        with pytest.raises(NotImplementedError):
            loop.add_reader(0, int)
        with pytest.raises(RuntimeError, match="no network"):
            await loop.getaddrinfo("localhost", 80)

    played(play)


def test_a_stopped_process_makes_up_for_it() -> None:
    ticks: list[float] = []

    async def tick(loop: VirtualLoop) -> None:
        for _ in range(3):
            await time_passes(1.0)
            ticks.append(loop.time() - BEGINS_AT)

    async def play(loop: VirtualLoop) -> None:
        node = Node(loop, "a process")
        task = node.spawn(tick(loop), "tick")
        await time_passes(1.5)
        node.stop()
        await time_passes(5.0)
        node.go_on()
        await task

    played(play)
    assert ticks == pytest.approx([1.0, 6.5, 7.5])


def test_of_a_killed_process_nothing_runs_until_it_is_buried() -> None:
    ran: list[str] = []

    async def work() -> None:
        try:
            await time_passes(1.0)
            ran.append("on")
        finally:
            ran.append("finally")

    async def play(loop: VirtualLoop) -> None:
        node = Node(loop, "a process")
        task = node.spawn(work(), "work")
        await time_passes(0.5)
        node.kill()
        node.go_on()
        await time_passes(5.0)
        assert ran == []
        node.bury()
        task.cancel()
        await asyncio.wait([task])

    played(play)
    assert "finally" in ran
