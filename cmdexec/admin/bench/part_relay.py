"""A relay to a port of this machine that passes everything on after a while, each way: a far network."""

import asyncio
from contextlib import suppress
from typing import Any

from cmdexec.admin.bench.parts import Say
from cmdexec.runtime import Runtime

_PIECE = 64 * 1024
_PIECES = 4096
"""Under way at once in one direction; then the sender waits, as a network makes it."""


async def run(runtime: Runtime, told: Any, say: Say) -> None:
    """`told`: {port, delaySec}. Says {port} once it listens; goes on until it is let go."""

    async def met(here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            there, on = await asyncio.open_connection("127.0.0.1", told["port"])
        except OSError:
            back.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(_passed_on(runtime, here, on, told["delaySec"]))
            group.create_task(_passed_on(runtime, there, back, told["delaySec"]))

    async with await asyncio.start_server(met, "127.0.0.1", 0, limit=_PIECE) as server:
        say({"port": server.sockets[0].getsockname()[1]})
        await server.serve_forever()


async def _passed_on(
    runtime: Runtime, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_sec: float
) -> None:
    """One direction, to its end."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES)

    async def read() -> None:
        ended = False
        while not ended:
            try:
                data = await reader.read(_PIECE)
            except OSError:
                data = b""
            ended = not data
            await under_way.put((runtime.clock.elapsed() + delay_sec, data))

    async def write() -> None:
        with suppress(OSError):
            while True:
                due, data = await under_way.get()
                await runtime.clock.sleep(max(0.0, due - runtime.clock.elapsed()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        await write()
        reading.cancel()
