"""A process that is asked what it has under way says so in its log."""

import asyncio
import os
import signal

import pytest

from cmdexec.link.tasks import telling_tasks
from cmdexec.log import Log


async def test_each_sigusr1_is_answered_by_the_tasks_that_there_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    over = asyncio.Event()

    async def waits() -> None:
        await over.wait()

    with telling_tasks(Log("cmdexec.test")):
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(waits())
            await asked()
            over.set()
        await asked()
    first, second = (record.__dict__["about"] for record in caplog.records)
    name = "test_each_sigusr1_is_answered_by_the_tasks_that_there_are"
    assert first == {"tasks": 4, "of": f"1 {name}, 3 {name}.<locals>.waits"}
    assert second == {"tasks": 1, "of": f"1 {name}"}
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


async def asked() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(20):
        await asyncio.sleep(0)
