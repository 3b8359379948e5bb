"""A server's start and stop, in every order."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cmdexec.errors import CmdexecError
from cmdexec.runtime import system_runtime
from cmdexec.server.build import build
from cmdexec.server.opening import open_folder
from cmdexec.server.run import Listening, serve
from cmdexec.settings.load import make
from cmdexec.settings.server import ServerSettings


def settings(folder: Path, **more: object) -> ServerSettings:
    return make(ServerSettings, **{"data_dir": folder, "port": 0, "disk_reserve_bytes": 0, **more})


class Served:
    """A server in this process: `async with Served(settings) as url`."""

    def __init__(self, settings: ServerSettings, while_ready: Callable[[Listening], Any] | None = None) -> None:
        self.settings = settings
        self.stop = asyncio.Event()
        self.ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
        self.task = asyncio.ensure_future(serve(settings, ready=self.ready.set_result, stop=self.stop))

    async def __aenter__(self) -> Listening:
        await asyncio.wait((self.ready, self.task), return_when=asyncio.FIRST_COMPLETED, timeout=20)
        if self.task.done():
            await self.task
        return self.ready.result()

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        self.stop.set()
        async with asyncio.timeout(20):
            assert await self.task == 0


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_a_host_that_is_not_here_is_told(tmp_path: Path, host: str) -> None:
    with pytest.raises(CmdexecError, match="is not an address of this machine") as wrong:
        await asyncio.wait_for(serve(settings(tmp_path, host=host, insecure_http=True)), 20)
    assert (wrong.value.code, wrong.value.field) == ("bad_settings", "CMDEXEC_HOST")


async def test_it_says_where_it_is_and_leaves_nothing_behind_but_its_data(tmp_path: Path) -> None:
    async with Served(settings(tmp_path)) as here, aiohttp.ClientSession() as http:
        assert here.url == f"http://127.0.0.1:{here.port}"
        told = json.loads((tmp_path / "runtime.json").read_text())
        assert told["url"] == here.url
        headers = {"Authorization": f"Bearer {told['token']}"}
        async with http.get(f"{here.url}/api/workers/list", headers=headers) as answer:
            assert answer.status == 200
        assert here.made_admin is not None
        assert here.made_admin.password is not None
        assert here.made_admin.password not in repr(here)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["first_admin", "jobs.sqlite", "jwt_secret", "server.lock"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_it_starts_again_with_what_it_kept(tmp_path: Path) -> None:
    made = settings(tmp_path, admin_password="first-password-1")
    async with Served(made) as here, aiohttp.ClientSession() as http:
        login = {"email": "admin@localhost", "password": "first-password-1"}
        async with http.post(f"{here.url}/api/auth/login", json=login) as answer:
            token = (await answer.json())["token"]
    async with Served(made) as here, aiohttp.ClientSession() as http:
        assert here.made_admin is None
        async with http.get(f"{here.url}/api/workers/list", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 200


async def test_a_second_server_in_the_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with Served(settings(tmp_path)) as here, aiohttp.ClientSession() as http:
        with pytest.raises(CmdexecError) as wrong:
            await serve(settings(tmp_path))
        assert wrong.value.code == "in_use"
        async with http.get(f"{here.url}/api/ready") as answer:
            assert answer.status == 200


async def test_a_port_that_is_taken_is_told_and_nothing_stays_open(tmp_path: Path) -> None:
    async with Served(settings(tmp_path / "a")) as here:
        for _ in range(2):
            with pytest.raises(CmdexecError) as wrong:
                await serve(settings(tmp_path / "b", port=here.port))
            assert (wrong.value.code, wrong.value.field) == ("in_use", "PORT")


@pytest.mark.parametrize(("host", "field"), [("192.0.2.7", "CMDEXEC_HOST"), ("no-such-host.invalid", "CMDEXEC_HOST")])
async def test_an_address_that_is_not_ours_is_told(tmp_path: Path, host: str, field: str) -> None:
    with pytest.raises(CmdexecError) as wrong:
        await serve(settings(tmp_path, host=host, insecure_http=True))
    assert (wrong.value.code, wrong.value.field) == ("bad_settings", field)


async def test_a_store_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(CmdexecError) as wrong:
        await serve(settings(tmp_path))
    assert wrong.value.code == "bad_data_dir"


async def test_told_to_stop_before_it_started_it_stops(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(20):
        assert await serve(settings(tmp_path), stop=stop) == 0


async def test_cancelled_it_lets_everything_go(tmp_path: Path) -> None:
    served = Served(settings(tmp_path))
    await served.__aenter__()
    served.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served.task
    async with Served(settings(tmp_path)):
        pass


async def test_a_second_signal_cuts_short_what_still_runs(tmp_path: Path) -> None:
    """A request that is under way may take its time after the first signal, and none after the second."""
    served = Served(settings(tmp_path, body_timeout_sec=60, server_drain_sec=60))
    here = await served.__aenter__()
    token = json.loads((tmp_path / "runtime.json").read_text())["token"]
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(
        f"POST /api/jobs/create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 16\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert (await reader.readline()) == b"HTTP/1.1 100 Continue\r\n"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait((served.task,), timeout=0.3)
    assert not served.task.done()
    os.kill(os.getpid(), signal.SIGINT)
    assert await asyncio.wait_for(served.task, 5) == 1
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize(("path", "body", "says"), [
    ("/api/jobs/cancel", b'{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"}', b"There is no job"),
    ("/api/jobs/create", b'{"command":"x"}', b'"draining"'),
])  # fmt: skip
async def test_a_request_under_way_is_answered_before_the_server_ends_but_no_job_is_taken(
    tmp_path: Path, path: str, body: bytes, says: bytes
) -> None:
    served = Served(settings(tmp_path))
    here = await served.__aenter__()
    token = json.loads((tmp_path / "runtime.json").read_text())["token"]
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert (await reader.readline()) == b"HTTP/1.1 100 Continue\r\n"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait((served.task,), timeout=0.2)
    writer.write(body)
    assert says in await asyncio.wait_for(reader.read(), 10)
    assert await asyncio.wait_for(served.task, 10) == 0
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_when_it_stops_streams_are_broken_off(tmp_path: Path) -> None:
    served = Served(settings(tmp_path))
    here = await served.__aenter__()
    token = json.loads((tmp_path / "runtime.json").read_text())["token"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        async with http.post(f"{here.url}/api/jobs/create", json={"command": "x"}) as answer:
            job_id = (await answer.json())["jobId"]
        async with http.get(f"{here.url}/api/jobs/{job_id}/output?follow=1") as stream:
            assert stream.status == 200
            began = asyncio.get_running_loop().time()
            served.stop.set()
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(stream.content.read(), 10)
        assert await asyncio.wait_for(served.task, 20) == 0
        assert asyncio.get_running_loop().time() - began < 5


async def test_each_service_may_be_started_once_stopped_twice_and_stopped_before_it_starts(tmp_path: Path) -> None:
    runtime = system_runtime("test")
    folder = open_folder(tmp_path)
    parts = await build(settings(tmp_path), runtime, folder)
    for service in parts.services:
        never = asyncio.ensure_future(service.run())
        never.cancel()
        running = asyncio.ensure_future(service.run())
        await asyncio.wait((never, running), timeout=0.02)
        assert never.cancelled()
        assert not running.done(), service
        running.cancel()
        running.cancel()
        await asyncio.wait((running,), timeout=5)
        assert running.cancelled(), service
    await parts.store.close()
    await parts.store.close()
    folder.close()
    runtime.threads.close()
