"""What is wrong is told in a sentence, and as it is now."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.link.socket import Close
from cmdexec.protocol.messages import Failure
from tests.support.worker_server import RunningWorker, WorkerServer, serving


@contextmanager
def full_disk() -> Iterator[None]:
    """A bound on the size of files stands in for it. Within a test alone: the tests' own log is a file, too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def refused(folder: Path) -> CmdexecError:
    """Why a worker in this folder does not start."""
    server = WorkerServer()
    await server.open()
    try:
        with pytest.raises(CmdexecError) as raised:
            await RunningWorker(server, folder).task
    finally:
        await server.close()
    return raised.value


async def test_it_does_not_close_a_folder_to_others_that_holds_what_is_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    folder.mkdir(0o755)
    (folder / "letter.txt").touch()
    wrong = await refused(tmp_path)
    assert (wrong.code, wrong.field, "files of something else" in wrong.message) == ("bad_data_dir", "DATA_DIR", True)
    assert (folder.stat().st_mode & 0o777, list(folder.iterdir())) == (0o755, [folder / "letter.txt"])


async def test_on_a_full_disk_it_says_so_and_does_not_start(tmp_path: Path) -> None:
    with full_disk():
        wrong = await refused(tmp_path)
    assert (wrong.code, "File too large" in wrong.message) == ("bad_data_dir", True)
    assert wrong.mend


@pytest.mark.parametrize("name", ["worker.lock", "warden.lock", "worker-id", "spool"])
async def test_whatever_is_in_the_way_in_its_folder_is_named(tmp_path: Path, name: str) -> None:
    place = tmp_path / "worker" / name
    if name == "spool":
        place.parent.mkdir(mode=0o700)
        place.touch()
    else:
        place.mkdir(mode=0o700, parents=True)
    wrong = await refused(tmp_path)
    assert wrong.code == "bad_data_dir"
    assert str(tmp_path / "worker") in wrong.message


async def test_a_server_that_takes_it_and_drops_it_is_not_hammered(tmp_path: Path) -> None:
    """Each connection is made, and lost at once: that is a failure like any other."""
    async with serving(tmp_path, reconnect_min_sec=0.05, reconnect_max_sec=60.0) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say

        def dropping(op: str, item: object) -> object:
            if op == "heartbeat" and server.ws is not None:
                asyncio.get_running_loop().call_later(0.01, server.cut)
            return usual(op, item)

        server.say = dropping
        with pytest.raises(AssertionError, match="came again and again"):
            await server.until(lambda: server.connections > 10, "came again and again", 0.5)


async def test_a_failure_that_has_passed_is_not_why_a_connection_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        await server.send("error", Failure("overloaded", "Too much at that time.", None, None))
        beats, connections = len(server.of("heartbeat")), server.connections
        await server.until(lambda: len(server.of("heartbeat")) > beats + 2, "all is well")
        assert server.ws is not None
        await server.ws.close(code=Close.GOING_AWAY, message=b"It goes away.")
        await server.until(lambda: server.connections > connections, "it comes again")
        told = [str(record.__dict__) for record in caplog.records if "not connected" in record.message]
        assert told
        assert "It goes away." in told[-1]
        assert "Too much" not in told[-1]
