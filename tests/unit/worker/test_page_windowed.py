"""A window that was closed comes back when its worker cannot go on, or the process ends and says why."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.settings.load import Loaded
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.folder import DataFolder
from cmdexec.worker.page.configuration import Configuration
from cmdexec.worker.page.first import First, Where
from cmdexec.worker.page.host import Host
from cmdexec.worker.page.windowed import Windowed
from tests.support.waiting import becomes
from tests.unit.worker.test_page_host import host_of


class Screen:
    """Stands for the window's process. `opened`, `closed`: how often it was; it opens only while `is_there`."""

    def __init__(self) -> None:
        self.opened, self.closed, self.is_there = 0, 0, True
        self._gone = asyncio.Event()

    async def open(self, where: Where) -> None:
        if not self.is_there:
            raise CmdexecError("no_window", "the display is gone")
        self.opened += 1
        self._gone.clear()

    async def until_gone(self, close_asked: Callable[[], None]) -> str:
        await self._gone.wait()
        self.closed += 1
        return "it was closed"

    def show(self) -> None: ...

    def close(self) -> None:
        self._gone.set()

    async def end(self) -> str:
        self.close()
        return "it was closed"


async def ended(running: "asyncio.Task[int]") -> int:
    async with asyncio.timeout(20):
        return await running


@dataclass(frozen=True)
class Contested(Configuration):
    """Somebody else takes the data folder before its second worker can."""

    loads: list[None] = field(default_factory=list)

    def load(self, more: Mapping[str, object], *, rejoin: bool) -> Loaded[WorkerSettings]:
        self.loads.append(None)
        loaded = super().load(more, rejoin=rejoin)
        if len(self.loads) == 2:
            DataFolder(loaded.settings.data_dir).take()
        return loaded


def works(folder: Path, kind: type[Configuration] = Configuration) -> Host:
    """One that has a worker, which tries to reach a server that is away."""
    (folder / "cmdexec.toml").write_text(
        f'server_url = "http://127.0.0.1:9"\nallow_host = true\nworker_token_secret = "{token_hex(32)}"\n'
    )
    return host_of(kind({"data_dir": folder}))


async def run_until_closed(host: Host, screen: Screen, folder: Path) -> "asyncio.Task[int]":
    running = asyncio.create_task(Windowed(host, screen, First(folder)).run())
    await becomes(lambda: host.worker is not None or running.done(), "a worker runs", 20)
    screen.close()
    await becomes(lambda: screen.closed, "the window is closed")
    return running


async def test_a_window_that_is_gone_is_opened_again_when_the_settings_cannot_be_used(tmp_path: Path) -> None:
    host, screen = works(tmp_path), Screen()
    running = await run_until_closed(host, screen, tmp_path)
    (tmp_path / "cmdexec.toml").write_text("slots = 'many'\n")
    host.start_again()
    await becomes(lambda: screen.opened == 2, "the window is opened again", 20)
    screen.close()
    assert await ended(running) == 0, "whoever closes it has seen what is wrong"


async def test_where_no_window_can_be_opened_it_ends_with_what_is_wrong_with_the_settings(tmp_path: Path) -> None:
    host, screen = works(tmp_path), Screen()
    running = await run_until_closed(host, screen, tmp_path)
    screen.is_there = False
    (tmp_path / "cmdexec.toml").write_text("slots = 'many'\n")
    host.start_again()
    with pytest.raises(CmdexecError, match="SLOTS") as caught:
        await ended(running)
    assert caught.value.code == "bad_settings"


@pytest.mark.parametrize("is_there", [True, False])
async def test_it_ends_with_why_its_worker_ended_by_itself(tmp_path: Path, is_there: bool) -> None:
    host, screen = works(tmp_path, Contested), Screen()
    running = await run_until_closed(host, screen, tmp_path)
    screen.is_there = is_there
    host.start_again()
    if is_there:
        await becomes(lambda: screen.opened == 2, "the window is opened again", 20)
        screen.close()
    with pytest.raises(CmdexecError) as caught:
        await ended(running)
    assert caught.value.code == "in_use"
