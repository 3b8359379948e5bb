"""What a side is given: threads that run, and threads that are none."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from cmdexec.clock import SystemClock
from cmdexec.ids import is_id
from cmdexec.runtime import Inline, ThreadPool, Threads, system_runtime


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(2, "test")
    yield pool
    pool.close()


def fail() -> None:
    raise KeyError("no such thing")


async def test_a_pool_runs_calls_in_threads_of_its_own(pool: ThreadPool) -> None:
    assert (await pool.run(threading.current_thread)).name.startswith("test")


async def test_inline_runs_calls_where_they_are_made() -> None:
    assert await Inline().run(threading.current_thread) is threading.current_thread()


async def test_calls_run_side_by_side_and_leave_the_loop_free(pool: ThreadPool) -> None:
    meet = threading.Barrier(2, timeout=10)
    assert sorted(await asyncio.gather(pool.run(meet.wait), pool.run(meet.wait))) == [0, 1]


@pytest.mark.parametrize("kind", ["pool", "inline"])
async def test_both_kinds_keep_one_contract(kind: str) -> None:
    threads: Threads = ThreadPool(1, "test") if kind == "pool" else Inline()
    assert await threads.run(lambda: 1 + 1) == 2
    with pytest.raises(KeyError):
        await threads.run(fail)
    never_awaited = threads.run(fail)
    threads.close()
    threads.close()
    with pytest.raises(RuntimeError):
        await never_awaited
    with pytest.raises(RuntimeError):
        await threads.run(lambda: None)


async def test_a_cancelled_caller_leaves_the_call_to_its_end(pool: ThreadPool) -> None:
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        go_on.wait(10)
        ended.set()

    async def wait_for_it() -> None:
        await pool.run(call)

    waiting = asyncio.create_task(wait_for_it())
    await asyncio.get_running_loop().run_in_executor(None, started.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(10)


async def test_the_real_thing() -> None:
    runtime = system_runtime("server", threads=1)
    try:
        assert isinstance(runtime.clock, SystemClock)
        assert is_id(runtime.ids.new())
        assert 0 <= runtime.rng.random() < 1
        assert len({runtime.secret_bytes(32) for _ in range(10)}) == 10
        assert (await runtime.threads.run(threading.current_thread)).name.startswith("cmdexec-server")
    finally:
        runtime.threads.close()
