"""A process executor for tests: a sink that remembers, jobs that try to get away, and waiting for what they do."""

import asyncio
import itertools
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from cmdexec.log import Log
from cmdexec.worker.executors.contract import End, Order, Stream
from cmdexec.worker.executors.process_posix import ProcessExecutor
from tests.support.waiting import becomes
from tests.support.worker import worker_settings

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
PYTHON = (sys.executable, "-I", "-S", "-c")
MODES = ("cgroup1", "cgroup2", "session")

_numbers = itertools.count(1)

ESCAPE = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0) if sys.argv[2] == "leave" else signal.pause()
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 64)
os.chdir("/")
os.execve("/bin/sleep", [sys.argv[1], "600"], {})
"""
"""Leaves its parent, session, environment and descriptors behind, and ignores TERM; then it is `sleep` by the name
of the first argument. The main process ends ("leave") or waits, deaf to TERM ("stay")."""


def escape(marker: str, main: str) -> tuple[str, ...]:
    """The command that makes such an escapee."""
    return (*PYTHON, ESCAPE, marker, main)


class Recorder:
    """A sink that remembers everything, and in which order."""

    def __init__(self, executor: ProcessExecutor, key: str) -> None:
        self.executor = executor
        self.key = key
        self.pid = 0
        self.calls: list[str] = []
        self.bytes: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.ends: list[End] = []
        self.ended_at = 0.0
        self._done = asyncio.Event()

    def started(self, pid: int) -> None:
        self.pid = pid
        self.calls.append("started")

    def output(self, stream: Stream, data: bytes) -> None:
        self.bytes[stream] += data
        self.calls.append(stream)

    def ended(self, end: End) -> None:
        self.ends.append(end)
        self.calls.append("ended")
        self.ended_at = time.monotonic()
        self._done.set()

    @property
    def stdout(self) -> bytes:
        return bytes(self.bytes["stdout"])

    @property
    def stderr(self) -> bytes:
        return bytes(self.bytes["stderr"])

    async def end(self, within: float = 10.0) -> End:
        """How it ended; fails when it has not within so many seconds."""
        try:
            await asyncio.wait_for(self._done.wait(), within)
        except TimeoutError:
            raise AssertionError(f"{self.key} has not ended within {within:g} s: {self.calls}") from None
        return self.ends[0]

    async def says(self, text: bytes, within: float = 10.0) -> None:
        """Wait until its standard output holds `text`."""
        await becomes(lambda: text in self.stdout or bool(self.ends), f"{self.key} says {text!r}", within)
        assert text in self.stdout, (self.stdout, self.stderr, self.ends)


def begin(
    executor: ProcessExecutor, *argv: str, env: Mapping[str, str] = ENV, cwd: str = "/", key: str | None = None,
    timeout_sec: float | None = None, kill_grace_sec: float = 0.0, cpu: float | None = None, ram_mb: int | None = None,
    stdin: bytes = b"", leased: bool = False,
) -> Recorder:  # fmt: skip
    """Start one job."""
    recorder = Recorder(executor, key or f"job{next(_numbers)}.1")
    order = Order(recorder.key, argv, env, cwd, timeout_sec, kill_grace_sec, cpu, ram_mb, stdin, leased=leased)
    executor.start([(order, recorder)])
    return recorder


async def run(executor: ProcessExecutor, *argv: str, env: Mapping[str, str] = ENV, cwd: str = "/") -> Recorder:
    """Run one job to its end."""
    recorder = begin(executor, *argv, env=env, cwd=cwd)
    await recorder.end()
    return recorder


@asynccontextmanager
async def opened(
    mode: str = "auto", *, slots: int = 8, drain_sec: float = 1.0, kill_deadline_sec: float = 5.0,
    lock_fd: int | None = None, **more: object,
) -> AsyncIterator[ProcessExecutor]:  # fmt: skip
    """An open executor; skips the test where this machine cannot hold trees by `mode`. `more`: other settings."""
    settings = worker_settings(
        Path(os.devnull), slots=slots, drain_sec=drain_sec, kill_deadline_sec=kill_deadline_sec, **more
    )
    executor = ProcessExecutor(settings=settings, lock_fd=lock_fd, log=Log("test"), mode=mode)
    await executor.open()
    try:
        if mode not in ("auto", executor.mode):
            pytest.skip(f"no {mode} here")
        yield executor
    finally:
        await executor.close()


@asynccontextmanager
async def held_by(limits: str, **more: object) -> AsyncIterator[ProcessExecutor]:
    """An open executor that holds jobs to limits by "cgroup" or is "watched"; skips the test where cgroups cannot be
    limited here."""
    async with opened(limits="auto" if limits == "cgroup" else limits, **more) as executor:
        if limits == "cgroup" and executor.limits == "watched":
            pytest.skip("NO CGROUPS OF `cpu` AND `memory` CAN BE MADE HERE: limits by cgroups stay untested")
        yield executor


@contextmanager
def files_limit(soft: int) -> Iterator[None]:
    """This process may have so many files open, unless it asks for more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def open_descriptors() -> int:
    """How many this process has."""
    return len(os.listdir("/proc/self/fd"))
