"""A worker with a window, as somebody has it on a desk."""

import json
import os
import signal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.system import Process, Server, clean_environment
from tests.support.waiting import until

_STUB = Path(__file__).with_name("stub_window.py")
_AS_WORKER = f"""
import sys
from cmdexec.desktop import process, start
notes = sys.argv.pop(1)
start.cannot_show = lambda: None
start.WindowProcess = lambda _command, sec: process.WindowProcess([sys.executable, {str(_STUB)!r}, notes], sec)
from cmdexec.__main__ import main
main()
"""


class Desk(Process):
    """`cmdexec worker` with a folder of its own, whose page a browser of the tests shows in place of a window; `real`:
    with its own window, for which there has to be a display."""

    def __init__(self, folder: Path, *arguments: str, real: bool = False, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.data, self._notes = folder, folder / "data", folder / "window.notes"
        environment = clean_environment(HOME=str(folder), XDG_CONFIG_HOME=str(folder / "config"), **settings)
        super().__init__(["worker", "--data-dir", str(self.data), *arguments], environment, folder / "desk.log")
        if not real:
            self.arguments[1:3] = ["-c", _AS_WORKER, str(self._notes)]

    def start(self) -> "Desk":
        """Start it, and wait for its page."""
        self.spawn()
        until(self._is_open, "its window is open", 30)
        return self

    def _is_open(self) -> bool:
        self.must_run()
        return (self.data / "window.json").exists()

    @property
    def where(self) -> dict[str, str]:
        """The page, and what opens it."""
        told: dict[str, str] = json.loads((self.data / "window.json").read_text())
        return told

    @property
    def address(self) -> str:
        return f"{self.where['url']}/#{self.where['token']}"

    @property
    def window_pid(self) -> int:
        return int(self._notes.with_suffix(".pid").read_text())

    def press_close(self) -> None:
        """What the close button of its window does."""
        os.kill(self.window_pid, signal.SIGUSR1)

    def told_window(self) -> list[dict[str, Any]]:
        """What its window was told."""
        text = self._notes.read_text() if self._notes.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


def join_token(server: Server, **more: object) -> str:
    """A fresh one."""
    made = server.api().ask("POST", "/api/join-tokens", {"uses": 1, "expiresSec": 3600, "labels": {}, **more})
    return str(made["token"])


def joined(server: Server, folder: Path, *arguments: str, real: bool = False, **settings: str) -> Desk:
    """A desk that joins that server at its start, and may run jobs."""
    token = join_token(server)
    return Desk(
        folder, "--allow-host", "--server", server.url, "--join", token, *arguments, real=real, **settings
    ).start()


def ask(
    desk: Desk, method: str, path: str, body: bytes | None = None, **headers: str | None
) -> tuple[int, bytes, dict[str, str]]:
    """As the window asks, but for what `headers` change; None leaves one out. Names have `_` for `-`."""
    where = urlsplit(desk.where["url"])
    usual = {"Host": where.netloc, "X-Window-Token": desk.where["token"], "Content-Type": "application/json"}
    sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    answer = connection.getresponse()
    told = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return told
