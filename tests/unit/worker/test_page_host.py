"""Whoever sits at the machine is heeded at any moment, also while settings are being read."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cmdexec.runtime import system_runtime
from cmdexec.settings.load import Loaded
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.page.configuration import Configuration
from cmdexec.worker.page.host import Host, Ways
from cmdexec.worker.page.state import state_of


class NoEntry:
    """Starting with the session, which nobody wants here."""

    def set(self, wanted: bool, folder: Path) -> None:
        assert not wanted


@dataclass(frozen=True)
class Slow(Configuration):
    """Reads the settings when it may. `began` is set each time that it is about to."""

    may: threading.Event = field(default_factory=threading.Event)
    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def load(self, more: Mapping[str, object], *, rejoin: bool) -> Loaded[WorkerSettings]:
        self.began.release()
        assert self.may.wait(20)
        return super().load(more, rejoin=rejoin)


def host_of(configuration: Configuration) -> Host:
    return Host(configuration, configuration.base(), NoEntry(), ways=Ways(), runtime=system_runtime("worker", 2))


async def begun(configuration: Slow) -> None:
    assert await asyncio.to_thread(configuration.began.acquire, True, 20)


async def test_what_is_ordered_while_settings_are_read_is_not_lost(tmp_path: Path) -> None:
    """They are read once more; and the end comes, too, whenever it is wanted."""
    configuration = Slow({"data_dir": tmp_path, "allow_host": True})
    host = host_of(configuration)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(host.run())
        await begun(configuration)
        host.start_again()
        configuration.may.set()
        await begun(configuration)
        while not host.problems:
            await asyncio.sleep(0)
        assert (state_of(host, 0).phase, state_of(host, 0).needs_host) == ("new", False)
        configuration.may.clear()
        host.start_again()
        await begun(configuration)
        host.end()
        configuration.may.set()
        assert await running == 0


async def test_a_code_that_cannot_be_one_is_told_and_nothing_is_tried(tmp_path: Path) -> None:
    host = host_of(Configuration({"data_dir": tmp_path}))
    problems, _ = await host.join("nowhere", "short", allow_host=True)
    assert sorted(one.field for one in problems) == ["JOIN_TOKEN", "SERVER_URL"]
    problems, _ = await host.join("http://a.example", "", allow_host=True)
    assert [one.field for one in problems] == ["JOIN_TOKEN"]
    assert not list(tmp_path.iterdir())
