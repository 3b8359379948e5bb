"""WS_PORT: a second port, with sockets at its root, and nothing else."""

import asyncio
import json
import socket
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from cmdexec.errors import CmdexecError
from cmdexec.server.run import serve
from cmdexec.settings.load import SettingsError, make
from cmdexec.settings.server import ServerSettings
from tests.support.server import Running, mint
from tests.unit.server.test_run import Served, settings


async def _told(http: aiohttp.ClientSession, url: str) -> tuple[list[str], int | None]:
    """What a socket without credentials hears, and the code that it is closed with."""
    heard = []
    async with http.ws_connect(url) as ws:
        while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            heard.append(message.data)
    return heard, message.data if message.type is aiohttp.WSMsgType.CLOSE else ws.close_code


@pytest.mark.parametrize("path", ["", "/", "/ws"])
async def test_a_socket_there_is_the_same_as_at_ws_of_the_first(tmp_path: Path, path: str) -> None:
    async with Served(settings(tmp_path, ws_port=0)) as here, aiohttp.ClientSession() as http:
        assert here.sockets_url is not None
        assert not here.sockets_url.endswith(f":{here.port}")
        assert json.loads((tmp_path / "runtime.json").read_text())["socketsUrl"] == here.sockets_url
        second = await _told(http, here.sockets_url + path)
        assert second == await _told(http, f"{here.url}/ws")
        (frame,), code = second
        assert "x-worker-token" in frame
        assert code == 4401


async def test_a_worker_may_use_it(tmp_path: Path) -> None:
    secret = "a-secret-that-only-this-test-has-0123456789"
    made = settings(tmp_path, ws_port=0, worker_token_secret=secret)
    async with Served(made) as here, aiohttp.ClientSession() as http:
        assert here.sockets_url is not None
        now = Running.now()
        token = mint(secret, {"workerId": "desk", "iat": now, "exp": now + 600})
        headers = {"x-worker-token": token}
        async with http.ws_connect(here.sockets_url, headers=headers, protocols=("cmdexec.v1",)) as ws:
            assert ws.protocol == "cmdexec.v1"
            await ws.send_json({"op": "register", "id": 1, "items": [{"slots": 1}]})
            told = await ws.receive_json(timeout=10)
            (answer,) = told if isinstance(told, list) else (told,)
            assert (answer["re"], answer["items"][0]["workerId"]) == (1, "desk")


async def test_nothing_else_is_there_and_the_first_has_no_socket_at_its_root(tmp_path: Path) -> None:
    async with Served(settings(tmp_path, ws_port=0)) as here, aiohttp.ClientSession() as http:
        assert here.sockets_url is not None
        second = here.sockets_url.replace("ws:", "http:")
        for url, status in (
            (f"{second}/api/health", 404),
            (f"{second}/", 400),
            (f"{here.url}/api/health", 200),
        ):
            async with http.get(url) as answer:
                assert (answer.status, url) == (status, url)
                assert answer.content_type == "application/json"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{here.url}/")
        async with http.get(f"{second}/", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421


async def test_both_ports_close_together_and_count_as_one(tmp_path: Path) -> None:
    served = Served(settings(tmp_path, ws_port=0, max_connections=10))
    async with served as here:
        assert here.sockets_url is not None
        ports = [here.port, int(here.sockets_url.rpartition(":")[2])]
        open_ = [await asyncio.open_connection("127.0.0.1", ports[number % 2]) for number in range(10)]
        for number in range(2):  # one more at the other port: the oldest idle one gives way to it
            open_.append(await asyncio.open_connection("127.0.0.1", ports[1 - number]))
            reader, _ = open_[number]
            assert await asyncio.wait_for(reader.read(), 5) == b""
        for _, writer in open_:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    for port in ports:
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_second_port_that_is_taken_is_told_by_its_name_and_leaves_the_first_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        first, second = free.getsockname()[1], taken.getsockname()[1]
        free.close()
        for _ in range(2):
            with pytest.raises(CmdexecError, match=rf"Port {second} .*WS_PORT.* is taken") as wrong:
                await serve(settings(tmp_path, port=first, ws_port=second))
            assert (wrong.value.code, wrong.value.field) == ("in_use", "WS_PORT")
            assert "WS_PORT=0" in (wrong.value.mend or "")


def test_both_ports_the_same_is_a_fault_unless_the_system_chooses(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PORT is 8080 as well") as wrong:
        make(ServerSettings, data_dir=tmp_path, port=8080, ws_port=8080)
    assert [fault.field for fault in wrong.value.faults] == ["WS_PORT"]
    assert make(ServerSettings, data_dir=tmp_path, port=0, ws_port=0).ws_port == 0
