"""What is measured: a server as it is shipped in a fresh data folder, with a worker or without."""

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.processes_posix import Processes, worker_of
from cmdexec.admin.bench.setting import Bench
from cmdexec.client import Client, find_access
from cmdexec.client.access import RUNTIME_FILE
from cmdexec.errors import Unavailable
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make

_KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "PYTHONPATH", "COVERAGE_PROCESS_START")
_WITHIN_SEC = 60.0
_STEP_SEC = 0.01
_START_STEP_SEC = 0.002
_LOG_TAIL = 4096
_PATIENCE_SEC = 20.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server. `started_sec`: from making its process to its first healthy answer.

    `secret`: what workers of the bench's own making sign their tokens with.
    """

    folder: Path
    pid: int
    url: str
    secret: str
    client: Client
    started_sec: float


@asynccontextmanager
async def serving(
    bench: Bench, *arguments: str, prepare: Callable[[Path], Awaitable[None]] | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Serving]:  # fmt: skip
    """`cmdexec serve` with `arguments`, until the end of the block; nothing of it is left then.

    prepare    called with the data folder before the server is started on it
    settings   beyond the shipped ones and as many submissions as it likes; nothing of this process's own environment
    """
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-bench-", dir=bench.plan.folder))
    lifeline = bench.lifeline(folder)
    process: subprocess.Popen[bytes] | None = None
    log = folder / "server.log"
    try:
        if prepare is not None:
            await prepare(folder)
        secret = base64.urlsafe_b64encode(bench.runtime.secret_bytes(30)).decode()
        began = bench.runtime.clock.elapsed()
        process = _started(
            bench.myself(
                "serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(folder), "--lifeline",
                str(lifeline.path), *arguments,
            ),
            log,
            {
                "WORKER_TOKEN_SECRET": secret, "SERVER_DRAIN_SEC": "1", "RATE_LIMIT_MAX_JOBS": "1000000000",
                **(settings or {}),
            },
        )  # fmt: skip
        found = make(ClientSettings, data_dir=folder, patience_sec=_PATIENCE_SEC, log_level="warning")
        async with Client(partial(find_access, found), settings=found, runtime=bench.runtime) as client:
            await _healthy(bench, process, folder, client, log)
            started = bench.runtime.clock.elapsed() - began
            url = (await bench.blocking(partial(find_access, found))).url
            yield Serving(folder, process.pid, url, secret, client, started)
    finally:
        lifeline.let_go()
        if process is not None:
            await _gone(bench, lambda: _ended(process) and not lifeline.anybody(), process)
        await bench.blocking(lambda: shutil.rmtree(folder, ignore_errors=True))


@asynccontextmanager
async def working(bench: Bench, server: Serving, *, url: str | None = None) -> AsyncIterator[Processes]:
    """A worker of that server with the stated slots, until the end of the block. `url`: where it finds the server."""
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-bench-", dir=bench.plan.folder))
    lifeline = bench.lifeline(folder)
    process: subprocess.Popen[bytes] | None = None
    try:
        process = _started(
            bench.myself(
                "worker", "--headless", "--allow-host", "--server", url or server.url, "--data-dir", str(folder),
                "--lifeline", str(lifeline.path), "--slots", str(bench.plan.slots),
            ),
            folder / "worker.log", {"WORKER_TOKEN_SECRET": server.secret},
        )  # fmt: skip
        yield await online(bench, server, process.pid)
    finally:
        lifeline.let_go()
        if process is not None:
            await _gone(bench, lambda: _ended(process), process)
        await bench.blocking(lambda: shutil.rmtree(folder, ignore_errors=True))


@asynccontextmanager
async def with_worker(bench: Bench, *, slots: int | None = None) -> AsyncIterator[tuple[Serving, Processes]]:
    """`cmdexec serve --with-worker`, once its worker is online. `slots`: stated, else as shipped."""
    settings = {} if slots is None else {"SLOTS": str(slots)}
    async with serving(bench, "--with-worker", settings=settings) as server:
        yield server, await online(bench, server, server.pid)


async def slots_of(server: Serving) -> int:
    """How many jobs run at once."""
    return sum(worker.slots for worker in await server.client.workers() if worker.state == "online")


async def online(bench: Bench, server: Serving, pid: int) -> Processes:
    """Wait until a worker of the server is online; it is `pid`, or below that."""

    async def there() -> Processes | None:
        states = [worker.state for worker in await server.client.workers()]
        found = worker_of(pid) if "online" in states else None
        return None if found is None else Processes(server.pid, found.worker, found.warden)

    return await until(bench, there, "a worker of the server is online")


async def until(
    bench: Bench, fact: Callable[[], Awaitable[T | None]], what: str, within: float = _WITHIN_SEC,
    step: float = _STEP_SEC,
) -> T:  # fmt: skip
    """Wait until `fact` gives something that counts as true, and return it. Raises `bench_failed` if that never is."""
    clock = bench.runtime.clock
    end = clock.elapsed() + within
    while not (found := await fact()):
        if clock.elapsed() > end:
            raise failed(f"Waited {within:g} s in vain until {what}.")
        await clock.sleep(step)
    return found


def data_disk(folder: Path) -> Path:
    """The nearest folder at or above `folder` that exists: it is on the disk where that would be."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def _started(command: Sequence[str], log: Path, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    with log.open("wb") as file:
        return subprocess.Popen(
            command, env=kept | dict(settings), cwd=log.parent, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip


async def _healthy(bench: Bench, process: "subprocess.Popen[bytes]", folder: Path, client: Client, log: Path) -> None:
    async def answers() -> bool:
        if _ended(process):
            said = _last_line(log)
            raise failed(f"The server ended by itself: {said.removeprefix('cmdexec: ') or 'it said nothing'}")
        if not (folder / RUNTIME_FILE).exists():
            return False
        with suppress(Unavailable):
            return (await client.health()).status == "healthy"
        return False

    await until(bench, answers, "the server answers that it is healthy", step=_START_STEP_SEC)


def _last_line(log: Path) -> str:
    return log.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace").strip().rpartition("\n")[2]


async def _gone(bench: Bench, ended: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    clock = bench.runtime.clock
    end = clock.elapsed() + _WITHIN_SEC
    while not ended():
        if clock.elapsed() > end:
            process.kill()
            process.wait()
            return
        await clock.sleep(_STEP_SEC)


def _ended(process: "subprocess.Popen[bytes]") -> bool:
    return process.poll() is not None
