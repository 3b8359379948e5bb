"""What the executor says at its start: of files that are too few with how many and what to do, and nothing that is
taken back a moment later."""

import os
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.worker.executors import process_posix
from cmdexec.worker.executors.process_files import RESERVED, Room
from cmdexec.worker.executors.process_posix import ProcessExecutor
from cmdexec.worker.warden.command import Totals
from tests.support.executor import opened
from tests.support.worker import worker_settings


async def test_too_few_files_are_told_with_how_many_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    few = Room(before=1024, for_pipes=600 - RESERVED, needed=4512, enough=False)
    monkeypatch.setattr(process_posix, "make_room", lambda _slots: few)
    async with opened(slots=1000):
        (said,) = [one for one in caplog.records if one.getMessage().startswith("too few files may be open")]
    assert said.getMessage().endswith("lower SLOTS, or allow more (ulimit -n, LimitNOFILE=)")
    assert said.__dict__["about"] == {"slots": 1000, "files": 600, "needed": 4512}


async def test_it_does_not_call_itself_ready_when_limits_are_asked_for_that_it_cannot_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    executor = ProcessExecutor(
        settings=worker_settings(Path(os.devnull), limits="cgroup"), lock_fd=None, log=Log("cmdexec.test"),
        mode="session",
    )  # fmt: skip
    # The warden is a process of its own, so what it finds is decided on its command line: it may not try.
    monkeypatch.setattr(process_posix, "Totals", lambda _wanted, cpu, ram: Totals("watched", cpu, ram))
    with pytest.raises(CmdexecError, match="by cgroups"):
        await executor.open()
    assert [one.getMessage() for one in caplog.records if "ready" in one.getMessage()] == []
