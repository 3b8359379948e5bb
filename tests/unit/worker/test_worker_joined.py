"""What a worker that joins keeps is whole at every moment: a kill leaves it the old worker or makes it the new one,
and never shows one's credential to the other's server."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from cmdexec.protocol.messages import Assignment
from cmdexec.worker import joined as keeping
from cmdexec.worker import joining
from cmdexec.worker.joined import Joined, finish, joined_in, keep, pending_credential
from cmdexec.worker.spool.journal import Journal
from cmdexec.worker.spool.records import Received, SessionBegins
from tests.support.waiting import becomes, stays
from tests.support.worker import job_id
from tests.support.worker_server import RunningWorker, WorkerServer

TOKEN = "cj_" + "t" * 43
OLD, NEW = Joined("http://old", "the-old-one"), Joined("http://new", "the-new-one")


class Killed(BaseException):
    """The process is gone before this could be done."""


def undelivered(folder: Path) -> None:
    """Its spool holds something."""
    (folder / "spool").mkdir()
    journal, _ = Journal.open(folder / "spool" / "journal", b"boot")
    journal.append([SessionBegins("s"), Received(Assignment(job_id=job_id(1), attempt=1, command="x"))])
    journal.close()


def old_worker(folder: Path) -> Path:
    """A folder of one that has joined a server, and holds something for it."""
    folder.mkdir()
    pending_credential(folder, OLD.server, b"o" * 32)
    keep(folder, OLD)
    undelivered(folder)
    return folder


def killed_before(monkeypatch: pytest.MonkeyPatch, folder: Path, step: int) -> list[str]:
    """From now on: the steps in that folder by name; before that one the process is killed."""
    steps: list[str] = []

    def wrapped(name: str) -> None:
        plain = getattr(Path, name)

        def do(path: Path, *arguments: Any, **named: Any) -> Any:
            if path.parent == folder:
                steps.append(name)
                if len(steps) == step:
                    raise Killed
            return plain(path, *arguments, **named)

        monkeypatch.setattr(Path, name, do)

    for name in ("replace", "rename", "unlink"):
        wrapped(name)
    return steps


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_at_any_step_it_is_the_old_one_or_becomes_the_new_one(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = old_worker(tmp_path / "w")
    old = (folder / "credential").read_text()
    new = pending_credential(folder, NEW.server, b"n" * 32) + "\n"
    with monkeypatch.context() as patched:
        steps = killed_before(patched, folder, step)
        with pytest.raises(Killed):
            keep(folder, NEW)
    assert steps == ["replace", "replace", "replace", "rename", "unlink"][:step]
    certain = step > 1
    assert joined_in(folder) == (NEW if certain else OLD), "who asks before it is finished hears the same"
    again = finish(folder)
    assert (again is not None) is certain
    assert (folder / "credential").read_text() == (new if certain else old)
    assert joined_in(folder) == (NEW if certain else OLD)
    assert (folder / "spool").exists() is not certain
    assert (folder / f"spool.{OLD.worker_id}").exists() is certain
    assert (folder / "joining.json").exists() is not certain
    assert finish(folder) is None


def test_a_spool_that_is_put_aside_takes_no_place_of_another(tmp_path: Path) -> None:
    folder = old_worker(tmp_path / "w")
    for back in (False, True):
        for joined in (NEW, OLD):
            pending_credential(folder, joined.server, joined.worker_id.encode())
            aside = keep(folder, joined)
            assert aside is not None
            undelivered(folder)
        assert aside.name == f"spool.{NEW.worker_id}" + (".2" if back else "")
    assert len(list(folder.glob("spool.*"))) == 4


def test_a_folder_whose_note_nobody_can_read_can_be_joined_anew(tmp_path: Path) -> None:
    folder = old_worker(tmp_path / "w")
    (folder / "joined.json").write_text("{")
    pending_credential(folder, NEW.server, b"n" * 32)
    assert keep(folder, NEW) == folder / "spool.before"
    assert joined_in(folder) == NEW


def test_a_credential_of_a_try_is_for_that_server_alone(tmp_path: Path) -> None:
    first = pending_credential(tmp_path, "http://one/", b"1" * 32)
    assert pending_credential(tmp_path, "http://one", b"2" * 32) == first
    other = pending_credential(tmp_path, "http://other", b"3" * 32)
    assert other != first
    assert pending_credential(tmp_path, "http://other", b"4" * 32) == other


async def opened(folder: Path) -> tuple[WorkerServer, RunningWorker]:
    server = WorkerServer()
    await server.open()
    return server, RunningWorker(server, folder, worker_token_secret=None, join_token=TOKEN)


async def test_what_was_cut_short_is_finished_before_anybody_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, worker = await opened(tmp_path)
    await first.until(lambda: first.of("heartbeat"), "it is connected")
    await worker.end()
    second, data = WorkerServer(), tmp_path / "worker"
    await second.open()
    try:
        credential = pending_credential(data, second.url, b"n" * 32)
        with monkeypatch.context() as patched:
            patched.setattr(keeping, "_carry_out", killed)
            with pytest.raises(Killed):
                keep(data, Joined(second.url, "another"))
        connections = first.connections
        worker = RunningWorker(second, tmp_path, server_url=None, worker_token_secret=None)
        await second.until(lambda: second.of("heartbeat"), "it is at its new server")
        assert second.headers[0]["x-worker-token"] == credential
        await worker.end()
        assert first.connections == connections
    finally:
        await first.close()
        await second.close()


def killed(*_: object) -> None:
    raise Killed


async def test_told_to_end_while_it_writes_down_what_it_joined_it_has_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    begun, go_on = threading.Event(), threading.Event()

    def slowly(folder: Path, what: Joined) -> Path | None:
        begun.set()
        assert go_on.wait(10)
        return keep(folder, what)

    monkeypatch.setattr(joining, "keep", slowly)
    server, worker = await opened(tmp_path)
    try:
        await becomes(begun.is_set, "it writes")
        os.kill(os.getpid(), signal.SIGTERM)
        await stays(lambda: not worker.task.done(), "its folder is its own", during=0.3)
        go_on.set()
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert joined_in(tmp_path / "worker") == Joined(server.url, "a-new-worker")
    finally:
        go_on.set()
        await server.close()
    said = [one.getMessage() for one in caplog.records]
    assert "joined" in said
    assert not [one for one in said if "not joined" in one]
