"""The window's process, as its worker sees it."""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence

from cmdexec.desktop.window import CANNOT, CLOSE_ASKED, OPEN
from cmdexec.errors import CmdexecError
from cmdexec.settings.load import DECLARED
from cmdexec.system.signals import kill_session
from cmdexec.worker.page.first import Where

_ENDS_SEC = 2.0
"""How long it may take to close."""


class WindowProcess:
    """A `Window`. `command`: what starts its process."""

    def __init__(self, command: Sequence[str], start_sec: float) -> None:
        self._command, self._start_sec = command, start_sec
        self._process: asyncio.subprocess.Process | None = None

    async def open(self, where: Where) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True, env=_without_secrets(os.environ),
        )  # fmt: skip
        self._tell({"url": where.url, "token": where.token})
        try:
            async with asyncio.timeout(self._start_sec):
                event, why = await self._heard()
        except TimeoutError:
            event, why = CANNOT, f"it did not open within {self._start_sec:g} s"
        if event != OPEN:
            await self.end()
            raise CmdexecError("no_window", why or "its process ended at once")

    async def _heard(self) -> tuple[str, str]:
        """The next that it says; ``""``: nothing more comes."""
        output = self._process.stdout if self._process is not None else None
        try:
            told = json.loads(await output.readline()) if output is not None else {}
            return str(told["event"]), str(told.get("why", ""))
        except (ValueError, KeyError, TypeError):
            return "", ""

    async def until_gone(self, close_asked: Callable[[], None]) -> str:
        while (event := (await self._heard())[0]) != "":
            if event == CLOSE_ASKED:
                close_asked()
        return await self.end()

    def show(self) -> None:
        self._tell({"do": "show"})

    def close(self) -> None:
        self._tell({"do": "close"})

    async def end(self) -> str:
        """Wait for its end, for a moment, and then bring it about; how it ended."""
        process = self._process
        if process is None:
            return "there was none"
        self.close()
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_ENDS_SEC):
                code = await process.wait()
        except TimeoutError:
            # All of it: in a bundle the process is a loader, and what it has started holds the pipe that is waited for.
            kill_session(process.pid)
            code = await process.wait()
        return "it was closed" if code == 0 else f"it ended with {code}" if code > 0 else f"signal {-code} ended it"

    def _tell(self, what: dict[str, str]) -> None:
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None and not pipe.is_closing():
            with contextlib.suppress(OSError, RuntimeError):
                pipe.write(json.dumps(what).encode() + b"\n")


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What the window needs of it. Its worker hides its own environment from jobs; this process and those that it makes
    do not."""
    secret = [setting for declared in DECLARED.values() for setting in declared if setting.secret]
    hidden = {name for setting in secret for name in (setting.name, *setting.aliases)}
    return {name: value for name, value in environ.items() if name not in hidden}
