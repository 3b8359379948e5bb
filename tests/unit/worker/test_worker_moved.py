"""The server that started a worker may come back elsewhere; it writes down where."""

import asyncio
import json
from pathlib import Path

import pytest

from cmdexec.worker.own_server import url_in
from cmdexec.worker.run import run_worker
from tests.support.worker_server import RunningWorker, WorkerServer


def written(path: Path, content: object, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


async def test_a_worker_follows_its_server_to_another_port(tmp_path: Path) -> None:
    first, second = WorkerServer(), WorkerServer()
    await first.open()
    await second.open()
    file = tmp_path / "runtime.json"
    worker = RunningWorker(first, tmp_path)
    worker.task.cancel()
    await asyncio.wait([worker.task])
    worker.task = asyncio.create_task(run_worker(worker.settings, stop=worker.stop, own_server=file))
    try:
        await first.until(lambda: first.of("register"), "it is connected, with nothing written yet")
        written(file, {"url": second.url, "token": "x", "more": [1]})
        first.refuse = 503
        first.cut()
        await second.until(lambda: second.of("register"), "it is connected to the other")
        assert first.of("register")[0].worker_id == second.of("register")[0].worker_id
        assert await worker.end() == 0
    finally:
        worker.task.cancel()
        await asyncio.wait([worker.task])
        await first.close()
        await second.close()


def test_only_what_the_owner_alone_could_have_written_is_believed(tmp_path: Path) -> None:
    """It decides where the worker's credential is sent."""
    file = tmp_path / "runtime.json"
    assert url_in(file) is None
    assert url_in(written(file, {"url": "http://127.0.0.1:1"})) == "http://127.0.0.1:1"
    for mode in (0o620, 0o602):
        assert url_in(written(file, {"url": "http://127.0.0.1:1"}, mode)) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"url": 1}', "[" * 100_000])
def test_what_is_none_of_a_servers_says_nothing(tmp_path: Path, content: str) -> None:
    assert url_in(written(tmp_path / "runtime.json", content)) is None
