"""One window for each data folder: who comes second has the first one shown."""

import os
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from cmdexec.errors import CmdexecError
from cmdexec.link.data_folder import take
from cmdexec.link.http import session
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings

_FILE = "window.json"
_LOCK = "window.lock"
_LAID_READY = frozenset({"cmdexec.toml", "credential", "lost+found", _LOCK})
_MAX_BYTES = 4096
TOKEN_HEADER = "X-Window-Token"  # noqa: S105


class Where(msgspec.Struct):
    """Where the page of a folder's window is, and what opens it."""

    url: str
    token: str


class First:
    """The folder's one window, while this process lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = -1

    def take(self) -> None:
        """Blocking. Raises CmdexecError: `in_use` where another process has it."""
        self._lock = take(self._folder, _LOCK, who="worker with a window", laid_ready=_LAID_READY)

    def tell(self, where: Where) -> None:
        """Blocking: leave it for those who come second, and for nobody else. Raises OSError."""
        fresh = self._folder / f"{_FILE}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(where))
        fresh.replace(self._folder / _FILE)

    def release(self) -> None:
        """Blocking: let go of it. Twice is fine."""
        if self._lock >= 0:
            (self._folder / _FILE).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1


async def show_other(settings: WorkerSettings, runtime: Runtime) -> bool:
    """Have the process that has this folder's window show it; whether it does."""
    try:
        where = await runtime.threads.run(partial(_where, settings.data_dir))
        async with (
            session(connect_timeout_sec=settings.connect_timeout_sec, total_sec=settings.connect_timeout_sec) as http,
            http.post(f"{where.url}/api/show", json={}, headers={TOKEN_HEADER: where.token}) as answer,
        ):
            return answer.status == 200
    except (OSError, aiohttp.ClientError, msgspec.MsgspecError, TimeoutError, CmdexecError):
        return False


def _where(folder: Path) -> Where:
    with (folder / _FILE).open("rb") as file:
        return msgspec.json.decode(file.read(_MAX_BYTES), type=Where)
