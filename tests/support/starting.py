"""Starts that must fail, in this process: the code, each line that a person sees, and what must not have changed."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import pytest

from cmdexec import log
from cmdexec.cli.main import command_line
from cmdexec.runtime import system_runtime
from cmdexec.store.sqlite.engine import FILE, open_sqlite
from tests.contract.making import inserted, jobs

SECRET = "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"
JOBS = 300
CHANGES_ANYWAY = {"server.lock", "worker.lock", "warden.lock", "jwt_secret", f"{FILE}-shm"}
"""Locks name who held them last; the index of the store's log is made anew whenever it is opened, and an empty log says
nothing."""


ANOTHER = "Name another folder as DATA_DIR (--data-dir)."
Spoilt = Callable[[Path], AbstractContextManager[object]]


def unusable_folders(side: str, in_use: Spoilt) -> list[tuple[Spoilt, str]]:
    """Ways to spoil a data folder, and what is said of it (`{}`: its path); `in_use`: another process has it."""
    return [
        (
            in_use,
            f"A {side} (process {os.getpid()}) runs in the data folder {{}} already. "
            "Use that one, stop it, or give this one a folder of its own with --data-dir.",
        ),
        (read_only, f"The data folder {{}} is on a file system that can only be read. {ANOTHER}"),
        (
            lambda folder: nullcontext(given_away(folder)),
            "The data folder {} belongs to another user. Name a folder of this user's own, or run as its owner.",
        ),
    ]


UNUSABLE = ["in use", "read-only", "another user's"]


class Starting:
    """One command at a time; one that starts although it must not is stopped after a while."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._patch = monkeypatch
        monkeypatch.chdir(folder)
        monkeypatch.setattr(log, "set_up", lambda *_args: None)  # it would take the log away from pytest
        for name, value in {"HOME": str(folder), "DISK_RESERVE_BYTES": "0", "WORKER_TOKEN_SECRET": SECRET}.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, **environ: str) -> tuple[int, list[str]]:
        """Its code and the lines on standard error. An empty value counts as not set."""
        for name, value in environ.items():
            self._patch.setenv(name, value)
        before = signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(20)
        try:
            code = command_line(arguments)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        said = self._capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        assert SECRET not in said.err
        return code, said.err.splitlines()


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise AssertionError("it started")


def seeded(folder: Path) -> Path:
    """A server's data folder with a store of `JOBS` jobs in it, closed."""
    folder.mkdir(mode=0o700, parents=True)
    (folder / "server.lock").touch(0o600)

    async def fill() -> None:
        runtime = system_runtime("test", 1)
        store = open_sqlite(folder, runtime, queue_items=1000, disk_reserve_bytes=0, lease_sec=0.3)
        await inserted(store, *jobs(JOBS))
        await store.close()
        runtime.threads.close()

    asyncio.run(fill())
    return folder


def jobs_in(folder: Path) -> int:
    """How many of the seeded jobs a store opened there has."""

    async def count() -> int:
        runtime = system_runtime("test", 1)
        store = open_sqlite(folder, runtime, queue_items=1000, disk_reserve_bytes=0, lease_sec=0.3)
        found = await store.reads.jobs.get([one.job_id for one in jobs(JOBS)])
        await store.close()
        runtime.threads.close()
        return len([one for one in found if one is not None])

    return asyncio.run(count())


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Each file below `folder` with its mode and bytes, but for what changes anyway."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in CHANGES_ANYWAY
        and (path.stat().st_size or not path.name.endswith("-wal"))
    }


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` bound over itself, so that nobody can write into it, root included."""
    bound = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False)
    if bound.returncode:
        pytest.skip("needs the right to mount: run it as root, or below `unshare -rm`")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def given_away(path: Path) -> None:
    """Make it another user's."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 65534, 65534)
