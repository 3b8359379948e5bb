"""Output by range, as one stream while it comes, and as server-sent events that go on where they broke off."""

import asyncio
import base64
import hashlib
import http.client
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.server import Running
from tests.support.speaker import Speaker, speaking
from tests.support.waiting import until

DATA = bytes(range(256)) * 1000


@pytest.fixture
async def speaker(server: Running) -> AsyncIterator[Speaker]:
    """A worker that has what waits already; each test cancels what others left before it begins."""
    async with speaking(server.url, server.headers("worker")) as one:
        yield one


async def started(server: Running, speaker: Speaker) -> dict[str, Any]:
    """A new job that runs on the speaker; what older tests left waiting is cancelled first."""
    api = server.api("operator")
    await speaker.ask("register", {"slots": 1000})
    await speaker.ask("heartbeat", {"jobs": []})
    job_id = api.create({"command": "x"})["jobId"]
    while True:
        for job in await speaker.told("assign"):
            if job["jobId"] == job_id:
                (told,) = await speaker.ask("start", {"jobId": job_id, "attempt": job["attempt"]})
                assert told["tell"] == "go"
                return job
            api.cancel(job["jobId"])


async def done(speaker: Speaker, job: dict[str, Any], stdout: bytes = b"", stderr: bytes = b"", code: int = 0) -> None:
    streams = {
        name: {"bytes": len(data), "digest": hashlib.sha256(data).hexdigest()}
        for name, data in (("stdout", stdout), ("stderr", stderr))
    }
    (told,) = await speaker.ask(
        "done", {"jobId": job["jobId"], "attempt": job["attempt"], "exitCode": code, "output": streams}
    )
    assert told["tell"] == "ok", told


async def stored(speaker: Speaker, stream: str, end: int) -> None:
    """Wait until the server has acknowledged that much."""
    while (await speaker.told("ack"))[-1].get(stream, 0) < end:
        pass


async def finished(server: Running, speaker: Speaker) -> str:
    job = await started(server, speaker)
    await speaker.send_output(job, "stdout", 0, DATA[:100_000])
    await speaker.send_output(job, "stdout", 100_000, DATA[100_000:])
    await speaker.send_output(job, "stderr", 0, b"warning\n")
    await stored(speaker, "stdout", len(DATA))
    await done(speaker, job, DATA, b"warning\n")
    return str(job["jobId"])


async def get(server: Running, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await asyncio.to_thread(server.api("viewer").call, "GET", path, None, named)


async def test_ranges_of_stored_output(server: Running, speaker: Speaker) -> None:
    path = f"/api/jobs/{await finished(server, speaker)}/output"
    size = len(DATA)
    status, headers, body = await get(server, path)
    assert (status, body) == (200, DATA)
    assert headers["content-length"] == str(size)
    assert headers["content-type"] == "application/octet-stream"
    assert headers["accept-ranges"] == "bytes"
    tag = headers["etag"]
    assert tag == f'"{hashlib.sha256(DATA).hexdigest()}"'
    for asked, first, last in (
        ("bytes=0-0", 0, 0), ("bytes=5-99999", 5, 99_999), ("bytes=99990-100010", 99_990, 100_010),
        ("bytes=255999-", 255_999, size - 1), ("bytes=-7", size - 7, size - 1), ("bytes=-999999999", 0, size - 1),
        ("bytes=0-99999999999", 0, size - 1), ("BYTES= 1-2 ", 1, 2),
    ):  # fmt: skip
        status, headers, body = await get(server, path, Range=asked)
        assert (status, headers["content-range"]) == (206, f"bytes {first}-{last}/{size}"), asked
        assert body == DATA[first : last + 1]
        assert headers["content-length"] == str(len(body))
    for asked in ("bytes=256000-", "bytes=999999999-", "bytes=-0"):
        status, headers, body = await get(server, path, Range=asked)
        assert (status, headers["content-range"]) == (416, f"bytes */{size}"), asked
        assert json.loads(body)["error"]["code"] == "range_not_satisfiable"
    for asked in ("bytes=0-1,5-9", "bytes=5-1", "lines=0-1", "bytes=a-b", "bytes=-", "bytes", "bytes=1-2-3"):
        assert (await get(server, path, Range=asked))[0::2] == (200, DATA), asked
    assert (await get(server, path, If_None_Match=f'"x", {tag}'))[0::2] == (304, b"")
    assert (await get(server, path, If_None_Match="*"))[0::2] == (304, b"")
    assert (await get(server, path, If_None_Match='"*"'))[0::2] == (200, DATA)
    assert (await get(server, path, Range="bytes=0-1", If_Range=tag))[0] == 206
    assert (await get(server, path, Range="bytes=0-1", If_Range='"other"'))[0::2] == (200, DATA)
    status, headers, body = await get(server, f"{path}?stream=stderr&download=1")
    assert body == b"warning\n"
    assert headers["content-disposition"].startswith("attachment; filename=")
    assert (await get(server, f"{path}?attempt=99"))[0] == 404


async def test_a_job_without_output_has_empty_output(server: Running, speaker: Speaker) -> None:
    job = await started(server, speaker)
    path = f"/api/jobs/{job['jobId']}/output"
    assert (await get(server, path))[0::2] == (200, b"")
    assert (await get(server, path, Range="bytes=0-"))[0] == 416
    await done(speaker, job)
    assert (await get(server, path))[0::2] == (200, b"")


async def test_one_stream_comes_as_it_is_written_and_ends_with_the_job(server: Running, speaker: Speaker) -> None:
    job = await started(server, speaker)
    url = f"{server.url}/api/jobs/{job['jobId']}/output?follow=1"
    async with aiohttp.ClientSession(headers=server.headers("viewer")) as client, client.get(url) as answer:
        assert answer.status == 200
        assert "Content-Length" not in answer.headers
        got = b""
        for place in range(5):
            await speaker.send_output(job, "stdout", place * 1000, bytes([place]) * 1000)
            await speaker.send_output(job, "stderr", place, b"e")
            while len(got) < (place + 1) * 1000:
                got += await asyncio.wait_for(answer.content.readany(), 10)
        assert got == b"".join(bytes([place]) * 1000 for place in range(5))
        await done(speaker, job, got, b"eeeee")
        assert await asyncio.wait_for(answer.content.read(), 10) == b""


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str, Any]]:
    """(name, id, data) of each event; pings are dropped."""
    fields: dict[str, str] = {}
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


async def test_events_bring_both_streams_and_the_end(server: Running, speaker: Speaker) -> None:
    job = await started(server, speaker)
    url = f"{server.url}/api/jobs/{job['jobId']}/output?follow=1"
    headers = server.headers("viewer") | {"Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(url) as answer, asyncio.timeout(20):
        assert answer.headers["Content-Type"] == "text/event-stream"
        stream = events(answer)
        assert await anext(stream) == ("attempt", "1:0:0", {"attempt": 1, "run": 1, "why": None})
        await speaker.send_output(job, "stdout", 0, b"out")
        name, point, data = await anext(stream)
        assert (name, point, data["stream"], data["offset"]) == ("output", "1:3:0", "stdout", 0)
        assert base64.b64decode(data["data"]) == b"out"
        await speaker.send_output(job, "stderr", 0, b"\xff\x00")
        name, point, data = await anext(stream)
        assert (point, data["stream"], base64.b64decode(data["data"])) == ("1:3:2", "stderr", b"\xff\x00")
        await done(speaker, job, b"out", b"\xff\x00", code=4)
        name, _, data = await anext(stream)
        assert (name, data["job"]["status"], data["job"]["exitCode"]) == ("end", "failed", 4)
        assert data["job"]["output"]["stdout"]["whole"] is True
        assert await anext(stream, None) is None


async def test_events_go_on_after_the_last_one_that_was_seen(server: Running, speaker: Speaker) -> None:
    path = f"/api/jobs/{await finished(server, speaker)}/output?follow=1"
    headers = server.headers("viewer") | {"Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as client, asyncio.timeout(20):
        for point, stdout, stderr in (
            ("1:0:0", 0, 0), ("1:255000:3", 255_000, 3), ("1:256000:8", 256_000, 8), ("nonsense", 0, 0),
            ("0:0:0", 0, 0),
        ):  # fmt: skip
            got = {"stdout": b"", "stderr": b""}
            async with client.get(f"{server.url}{path}", headers={"Last-Event-ID": point}) as answer:
                names = []
                async for name, _, data in events(answer):
                    names.append(name)
                    if name == "output":
                        got[data["stream"]] += base64.b64decode(data["data"])
            assert got == {"stdout": DATA[stdout:], "stderr": b"warning\n"[stderr:]}, point
            assert (names[0], names[-1]) == ("attempt", "end")


async def test_a_silent_stream_says_that_it_is_alive(server: Running, speaker: Speaker) -> None:
    job = await started(server, speaker)
    url = f"{server.url}/api/jobs/{job['jobId']}/output?follow=1"
    headers = server.headers("viewer") | {"Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(url) as answer, asyncio.timeout(10):
        pings = 0
        while pings < 3:
            pings += await answer.content.readline() == b": \n"
    await done(speaker, job)


async def test_a_follower_that_does_not_read_is_cut_and_harms_no_other(server: Running, speaker: Speaker) -> None:
    job = await started(server, speaker)
    path = f"/api/jobs/{job['jobId']}/output?follow=1"
    stuck = http.client.HTTPConnection("127.0.0.1", server.process.port, timeout=30)
    stuck.request("GET", path, headers=server.headers("viewer"))
    piece = bytes(500_000)
    headers = server.headers("viewer")
    async with aiohttp.ClientSession(headers=headers) as client, client.get(f"{server.url}{path}") as ok:
        received, sent = 0, 0
        async with asyncio.timeout(40):
            while sent < 40:
                await speaker.send_output(job, "stdout", sent * len(piece), piece)
                sent += 1
                while received < sent * len(piece):
                    received += len(await ok.content.readany())
        answer = stuck.getresponse()
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            await asyncio.wait_for(asyncio.to_thread(_read_late, server, answer), 30)
    stuck.close()
    whole = bytes(500_000) * 40
    await stored(speaker, "stdout", len(whole))
    await done(speaker, job, whole)


def _read_late(server: Running, answer: http.client.HTTPResponse) -> bytes:
    """Read only when the server has given up on this reader: its log says nothing, its connection is gone."""
    port = answer.fp.raw._sock.getsockname()[1]  # type: ignore[union-attr]
    until(lambda: not _connected(server.process.port, port), "the server has cut the reader off", 20)
    return answer.read()


def _connected(port: int, to: int) -> bool:
    """Whether the server's end of the connection to that port is still established, as the kernel has it."""
    with open("/proc/net/tcp") as lines:
        rows = [line.split() for line in list(lines)[1:]]
    return any(
        int(row[1].split(":")[1], 16) == port and int(row[2].split(":")[1], 16) == to and row[3] == "01" for row in rows
    )
