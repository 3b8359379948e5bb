"""The server's own worker: started, started again, taken up, drained."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cmdexec.runtime import system_runtime
from cmdexec.server.workers.local import LocalWorker
from tests.support.waiting import until
from tests.unit.server.core import settings_for

PRETENDER = Path(__file__).with_name("pretend_worker.py")
URL = "http://127.0.0.1:3000"


class Place:
    """A worker's folder, and what its worker said."""

    def __init__(self, server: Path) -> None:
        self.server = server
        self.folder = server / "worker"
        self.runtime = system_runtime("test", 2)
        self.ensured = 0

    def local(self, terms: int = 1, command: tuple[str, ...] | None = None) -> LocalWorker:
        return LocalWorker(
            command=command or (sys.executable, str(PRETENDER), str(terms)), folder=self.folder, url=URL,
            own_server=self.server / "runtime.json", ensure_credential=self._ensure, runtime=self.runtime,
            settings=settings_for(self.server, local_worker_retry_sec="50ms", local_worker_stop_sec="10s"),
        )  # fmt: skip

    async def _ensure(self, path: Path) -> None:
        path.write_text("wc_secret")
        self.ensured += 1

    def said(self) -> list[str]:
        path = self.folder / "said"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self.said() if line.startswith("started")]

    async def wait(self, fact: Callable[[], object], what: str) -> None:
        """Wait in a thread, so that the loop goes on."""
        await asyncio.get_running_loop().run_in_executor(None, lambda: until(fact, what))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    for pid in made.pids():
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue
    made.runtime.threads.close()


@asynccontextmanager
async def kept(local: LocalWorker) -> AsyncIterator[None]:
    """Its loop runs."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(local.run())
        yield
        local.close()
        async with asyncio.timeout(10):
            await running


async def test_it_is_started_with_its_folder_the_url_and_a_credential(place: Place) -> None:
    local = place.local()
    async with kept(local):
        await place.wait(place.pids, "it did not start")
        await local.drain(10)
    assert place.said() == [f"started {place.pids()[0]} {URL} True", "term"]


async def test_it_is_started_again_when_it_dies(place: Place) -> None:
    local = place.local()
    async with kept(local):
        await place.wait(place.pids, "it did not start")
        os.kill(place.pids()[0], signal.SIGKILL)
        await place.wait(lambda: len(place.pids()) == 2, "it was not started again")
        await local.drain(10)


async def test_one_that_was_revoked_is_not_started_again(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Nor, when it died meanwhile, with another credential."""
    local = place.local()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(local.run())
        await place.wait(place.pids, "it did not start")
        os.kill(place.pids()[0], signal.SIGKILL)
        await place.wait(lambda: len(place.pids()) == 2, "it was not started again")
        os.kill(place.pids()[1], signal.SIGUSR1)
        await running
    assert place.ensured == 1
    assert len(place.pids()) == 2
    assert "own worker was revoked, so it is not started again; start the server anew" in caplog.text
    await local.drain(10)


async def test_a_command_that_does_not_exist_is_tried_again_and_hurts_nobody(place: Place) -> None:
    local = place.local(command=("/nowhere/no-such-program",))
    async with kept(local):
        await place.wait(lambda: (place.folder / "credential").exists(), "it did not try")


async def test_what_keeps_it_from_being_started_is_told_without_a_trace(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.folder.write_text("something else")
    local = place.local()
    async with kept(local):
        await place.wait(lambda: caplog.records, "it did not say so")
    said = caplog.records[0]
    assert (said.getMessage(), said.exc_info) == ("the server's own worker cannot be started", None)
    assert said.__dict__["about"] == {"why": "File exists", "of": str(place.folder)}


async def test_a_second_signal_comes_after_the_drain_time(place: Place) -> None:
    local = place.local(terms=2)
    async with kept(local):
        await place.wait(place.pids, "it did not start")
        await local.drain(0.2)
    assert place.said()[1:] == ["term", "int"]


async def test_it_outlives_a_server_that_is_gone_and_the_next_one_takes_it_up(place: Place) -> None:
    first = place.local()
    async with kept(first):
        await place.wait(place.pids, "it did not start")
    (pid,) = place.pids()
    os.kill(pid, 0)
    second = place.local()
    async with kept(second):
        await second.drain(10)
    assert place.pids() == [pid], "another one was started beside it"
    assert place.said()[1:] == ["term"]


async def test_closing_while_it_drains_hurries_it(place: Place) -> None:
    local = place.local(terms=2)
    async with kept(local):
        await place.wait(place.pids, "it did not start")
        draining = asyncio.create_task(local.drain(60))
        await place.wait(lambda: "term" in place.said(), "it was not told")
        draining.cancel()
    await place.wait(lambda: place.said()[1:] == ["term", "int"], "it was not hurried")
