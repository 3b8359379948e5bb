"""Answers of an engine, over a real socket: whole where their end is marked, else broken; refusals at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.worker.executors.engine_body import body_of
from cmdexec.worker.executors.engine_stream import EngineRefusedError, open_stream
from tests.support.waiting import becomes

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def engine(folder: Path, answer: bytes, *, closes: bool = True) -> AsyncIterator[str]:
    """Answers so, and then closes the connection or keeps it."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if not closes:
            await gone.wait()
        writer.close()

    server = await asyncio.start_unix_server(serve, folder / "e.sock")
    try:
        yield f"unix://{folder}/e.sock"
    finally:
        gone.set()
        server.close()


async def read(url: str, *, upgrade: bool = False, whole: Callable[[], bool] = lambda: True) -> bytes:
    """All of the body."""
    got = bytearray()
    stream = await open_stream(url, "GET", "/x", got.extend, upgrade=upgrade, whole=whole, timeout_sec=10)
    try:
        async with asyncio.timeout(10):
            await stream.over()
    finally:
        stream.close()
    return bytes(got)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"), (OK + b"Content-Length: 4\r\n\r\nabcd", b"abcd"),
        (OK + b"content-length: 0\r\n\r\n", b""),
    ],
)  # fmt: skip
async def test_one_whose_end_is_marked_is_over_there(tmp_path: Path, answer: bytes, body: bytes) -> None:
    """Whether the connection ends or not."""
    async with engine(tmp_path, answer, closes=False) as url:
        assert await read(url) == body


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED,
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"5\r\nabc",
        CHUNKED + b"z\r\n",
        OK + b"Content-Length: 4\r\n\r\nabc",
    ],
)
async def test_one_that_breaks_off_is_broken(tmp_path: Path, answer: bytes) -> None:
    async with engine(tmp_path, answer) as url:
        with pytest.raises(ConnectionError):
            await read(url)


async def test_one_without_a_mark_ends_with_its_connection_where_it_can(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 101 UPGRADED\r\n\r\nabc"
    async with engine(tmp_path, answer) as url:
        assert await read(url, upgrade=True) == b"abc"
        with pytest.raises(ConnectionError, match="broke off"):
            await read(url, upgrade=True, whole=lambda: False)


@pytest.mark.parametrize(
    ("body", "words"),
    [(b'Content-Length: 17\r\n\r\n{"message":"no!"}', "no!"), (b"\r\n" + b"x" * 200_000, "x" * 65536)],
)
async def test_a_refusal_is_told_when_it_has_come(tmp_path: Path, body: bytes, words: str) -> None:
    """Although the connection stays open, and without more of it than anybody reads."""
    async with engine(tmp_path, b"HTTP/1.1 409 Conflict\r\n" + body, closes=False) as url:
        with pytest.raises(EngineRefusedError) as refused:
            await read(url, upgrade=True)
    assert (refused.value.status, refused.value.words) == (409, words)


async def test_a_dead_connection_is_seen_by_its_silence(tmp_path: Path) -> None:
    async with engine(tmp_path, CHUNKED + b"1\r\na\r\n", closes=False) as url:
        got = bytearray()
        stream = await open_stream(url, "GET", "/x", got.extend, timeout_sec=10)
        try:
            await becomes(lambda: got == b"a", "what was sent has come")
            assert not await stream.over_within(0.01)
            assert stream.taken == 1
        finally:
            stream.close()


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 9))
def test_chunks_are_put_together_however_they_are_cut(chunks: list[bytes], step: int) -> None:
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = body_of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked")
    got = b"".join(piece for place in range(0, len(data), step) for piece in body.feed(data[place : place + step]))
    assert (got, body.over) == (b"".join(chunks), True)
