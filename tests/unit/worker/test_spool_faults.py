"""A disk that fails while the worker runs costs time, never the worker."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from cmdexec.protocol.messages import Assignment
from cmdexec.worker.spool import segments
from cmdexec.worker.spool import spool as spool_module
from tests.support.waiting import until
from tests.support.worker import job_id, recorded, spool_in
from tests.support.worker_server import WorkerServer, serving

SIZE = 1_000_000


def fails(*_: object, **__: object) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def no_room(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_files_that_cannot_be_deleted_are_kept_in_mind_until_they_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, _ = spool_in(tmp_path)
    output = spool.begin(f"{job_id(1)}.1")
    spool.write(output, "stdout", b"x" * 9_000)
    spool.settle(output, recorded([], "settled"))
    await spool.turn()
    spool.drop(output)
    folder = tmp_path / "spool" / "output"
    assert list(folder.iterdir())
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fails)
        await spool.turn()
        await spool.turn()
    assert list(folder.iterdir())
    await spool.turn()
    assert list(folder.iterdir()) == []
    spool.shut()


async def test_a_full_disk_is_said_once_and_once_that_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when nothing is left to be written, since the server has all."""
    caplog.set_level("INFO")
    spool, _ = spool_in(tmp_path)
    output = spool.begin(f"{job_id(1)}.1")
    spool.write(output, "stdout", b"x" * 9_000)
    spool.settle(output, recorded([], "settled"))
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_room)
        await spool.turn()
        spool.ack(output, 9_000, 0)
        spool.drop(output)
        for _ in range(3):
            await spool.turn()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    for _ in range(3):
        await spool.turn()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert list((tmp_path / "spool" / "output").iterdir()) == []
    spool.shut()


async def test_one_file_that_cannot_be_deleted_keeps_no_other_from_that(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").touch()
    ((kept, _),) = segments.remove_all([tmp_path / "first", tmp_path / "second"])
    assert kept == tmp_path / "first"
    assert not (tmp_path / "second").exists()


async def spooled(server: WorkerServer, folder: Path) -> None:
    """Have a job's output on disk alone, with no server; then let the worker come again."""
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    server.acks = False
    await server.assign(Assignment(job_id=job_id(1), attempt=1, command=f"head -c {SIZE} /dev/zero"))
    files = folder / "worker" / "spool" / "output"
    await asyncio.to_thread(until, lambda: sum(one.stat().st_size for one in files.iterdir()) > 800_000, "on disk")
    server.acks = True
    server.cut()


async def test_output_that_cannot_be_read_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def tried(*_: object) -> bytes:
        tries.append("read")
        return fails()

    async with serving(tmp_path, output_window_bytes=128 * 1024, spool_write_sec=0.01) as (server, worker):
        with monkeypatch.context() as broken:
            broken.setattr(spool_module, "read_one", tried)
            await spooled(server, tmp_path)
            await asyncio.to_thread(until, lambda: len(tries) > 2, "it is read again and again")
            assert not worker.task.done()
            assert server.of("done") == []
        (done,) = await server.results(1)
        assert not done.output_lost
        assert server.bytes_of(job_id(1)) == bytes(SIZE)


async def test_output_that_cannot_be_read_for_too_long_is_lost_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "read_one", fails)
    short = {"output_window_bytes": 128 * 1024, "spool_write_sec": 0.01, "spool_read_sec": 0.2}
    async with serving(tmp_path, **short) as (server, _):
        await spooled(server, tmp_path)
        (done,) = await server.results(1)
        assert (done.exit_code, done.output_lost) == (0, True)
        ((start, end),) = done.output.stdout.lost
        assert (done.output.stdout.bytes, end) == (start, SIZE)
