"""Processes of the bench's own: a load or a fleet must not share an interpreter with what measures it.

A part gets one line of JSON on its standard input, with what it shall do, and answers in lines of JSON. At the end of
its input, also by the death of the bench, it ends; so no secret stands on a command line, and nothing is left over.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any

import msgspec

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.registry import PARTS
from cmdexec.admin.bench.setting import Bench
from cmdexec.runtime import Runtime, system_runtime

Say = Callable[[Any], None]
Run = Callable[[Runtime, Any, Say], Coroutine[Any, Any, None]]
_LINE_MAX = 16 << 20


class Part:
    """A running part, seen from the bench."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    async def said(self, within: float) -> Any:
        """The next that it says. Raises `bench_failed` when it ends or says nothing for `within` seconds."""
        if self._process.stdout is None:
            raise failed(f"The part {self.name} has no output.")
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
        except TimeoutError as wrong:
            raise failed(f"The part {self.name} said nothing for {within:g} s.") from wrong
        if not line:
            raise failed(f"The part {self.name} ended too early.")
        return msgspec.json.decode(line)


@asynccontextmanager
async def part(bench: Bench, name: str, **told: Any) -> AsyncIterator[Part]:
    """Run a part until the end of the block; `told`: what it shall do."""
    process = await asyncio.create_subprocess_exec(
        *bench.myself("bench", "--part", name), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        start_new_session=True, limit=_LINE_MAX,
    )  # fmt: skip
    try:
        if process.stdin is not None:
            process.stdin.write(msgspec.json.encode(told) + b"\n")
        yield Part(name, process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def run_part(name: str) -> None:
    """What the process of a part does."""
    module, _, function = PARTS[name].partition(":")
    run: Run = getattr(import_module(module), function)
    asyncio.run(_part(run))


async def _part(run: Run) -> None:
    """Until it is done, or its input ends, whichever comes first."""
    runtime = system_runtime("bench", threads=2)
    reader = asyncio.StreamReader(limit=_LINE_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    told = msgspec.json.decode(await reader.readline())
    async with asyncio.TaskGroup() as group:
        work = group.create_task(run(runtime, told, _say))
        let_go = group.create_task(reader.read(1))
        await asyncio.wait((work, let_go), return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        let_go.cancel()
    runtime.threads.close()


def _say(what: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()
