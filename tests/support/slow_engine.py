"""Before an engine: a proxy that is slow, or breaks connections, at the calls that a test names."""

import asyncio
import contextlib
import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.containers import DOCKER

_PIECE = 64 * 1024


class SlowEngine:
    """Listens on a socket file of its own, in a thread of its own. Each connection is for one call. Calls are named by
    the beginning of what follows the version in their path: `containers/create`.

    asked     such names of all calls
    answered  the names of those that the engine has answered, whether or not anybody heard it
    bytes_of  by a part of their path, how many bytes of answers come; then the connection ends as if that were all
    kept_open  parts of the paths whose connections stay when the engine has said all, as where the other end is gone
    """

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.bytes_of: dict[str, int] = {}
        self.kept_open: set[str] = set()
        self._path = path
        self._real = DOCKER.removeprefix("unix://")
        self._held: dict[str, asyncio.Event] = {}
        self._cut: set[str] = set()
        self._refused: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self, call: str) -> None:
        """The engine hears none of these until `go_on`; who asks may have gone by then."""
        self._held[call] = asyncio.Event()

    def go_on(self, call: str) -> None:
        """It hears them all now."""
        self._loop.call_soon_threadsafe(self._held.pop(call).set)

    def cut(self, call: str, broken: bool = True) -> None:
        """The engine hears these, and the connection breaks instead of its answer."""
        (self._cut.add if broken else self._cut.discard)(call)

    def refuse(self, call: str, words: str | None) -> None:
        """The engine hears none of these, and they are answered with a 500 and these words; None: no more."""
        if words is None:
            del self._refused[call]
        else:
            self._refused[call] = words

    def start(self) -> None:
        self._thread.start()
        starting = asyncio.start_unix_server(self._serve, self._path)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._pass(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        call = re.sub(r"^\S+ /(v[0-9.]+/)?(\S*) .*", r"\2", head.split(b"\r\n")[0].decode())
        self.asked.append(call)
        for name, gate in list(self._held.items()):
            if call.startswith(name):
                await gate.wait()
        for name, words in self._refused.items():
            if call.startswith(name):
                body = json.dumps({"message": words}).encode()
                about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
                writer.write(f"HTTP/1.1 500 Server Error\r\n{about}\r\n\r\n".encode() + body)
                await writer.drain()
                writer.write_eof()
                await reader.read()
                return
        if b"\r\nupgrade:" not in head.lower():
            head = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)[:-2] + b"Connection: close\r\n\r\n"
        from_engine, to_engine = await asyncio.open_unix_connection(self._real)
        try:
            to_engine.write(head)
            onward = asyncio.create_task(_pump(reader, to_engine))
            first = await from_engine.read(_PIECE)
            self.answered.append(call)
            if not any(call.startswith(name) for name in self._cut):
                most = next((size for part, size in self.bytes_of.items() if part in call), None)
                writer.write(first[:most])
                await _pump(from_engine, writer, None if most is None else max(0, most - len(first)))
                onward.cancel()
                await asyncio.wait([onward])
                if any(part in call for part in self.kept_open):
                    await reader.read()
                writer.close()
                await writer.wait_closed()
            onward.cancel()
        finally:
            to_engine.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None) -> None:
    with contextlib.suppress(OSError):
        while most != 0 and (data := await reader.read(_PIECE if most is None else min(most, _PIECE))):
            writer.write(data)
            await writer.drain()
            most = None if most is None else most - len(data)


@contextmanager
def slow_engine() -> Iterator[SlowEngine]:
    """One that passes on all until it is told otherwise, in a folder with a short name."""
    with tempfile.TemporaryDirectory(prefix="cmdexec-", dir="/run", ignore_cleanup_errors=True) as folder:
        engine = SlowEngine(Path(folder) / "engine.sock")
        engine.start()
        try:
            yield engine
        finally:
            engine.stop()
