"""A real server and real workers as processes of their own: started, killed, stopped, frozen, and started again.

They get a clean environment, folders of their own and short leases; what they log goes to files that a
failing test shows.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.verified import must_be_well
from tests.support.waiting import until

EMAIL = "admin@localhost"

FAST: dict[str, str] = {
    "LEASE_SEC": "3",
    "HEARTBEAT_SEC": "500ms",
    "LEASE_SWEEP_SEC": "100ms",
    "RECONNECT_MIN_SEC": "50ms",
    "RECONNECT_MAX_SEC": "500ms",
    "KILL_GRACE_SEC": "500ms",
    "DRAIN_SEC": "500ms",
}
"""Durations for fault tests: everything happens within seconds."""


def clean_environment(**settings: str) -> dict[str, str]:
    """What a process of ours gets to see: nothing of the tester's own settings."""
    kept = ("PATH", "PYTHONPATH", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"} | settings


class Process:
    """One process of cmdexec, with a log file."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.arguments = [sys.executable, "-m", "cmdexec", *arguments]
        self.environment = environment
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.arguments, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.log.parent, start_new_session=True,
            )  # fmt: skip

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def must_run(self) -> None:
        if not self.running():
            code = self._process.returncode if self._process else None
            raise AssertionError(f"{self.arguments[2:4]} ended with {code}:\n{self.log.read_text()[-4000:]}")

    def kill9(self) -> None:
        """What a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def send(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def wait(self, within: float = 30.0) -> int:
        assert self._process is not None
        return self._process.wait(within)

    def stop(self, within: float = 30.0) -> int:
        """What an operator does: TERM, and wait; the exit code."""
        if not self.running():
            return self._process.returncode if self._process else 0
        self.send(signal.SIGTERM)
        return self.wait(within)


class Server(Process):
    """`cmdexec serve` on a port that stays the same over restarts. `command`: what cmdexec is called as."""

    command: Sequence[str] = (sys.executable, "-m", "cmdexec")

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "server"
        self.password = secrets.token_urlsafe(16)
        self.secret = secrets.token_urlsafe(40)
        self.port = 0
        environment = clean_environment(
            HOME=str(folder), CMDEXEC_ADMIN_PASSWORD=self.password, WORKER_TOKEN_SECRET=self.secret,
            **{"DISK_RESERVE_BYTES": "0", "RATE_LIMIT_MAX_JOBS": "1000000"} | settings,
        )  # fmt: skip
        self.more = list(arguments)
        super().__init__([], environment, folder / "server.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Server":
        """Start it, and wait until it takes requests."""
        self.arguments = [
            *self.command, "serve", "--port", str(self.port), "--data-dir", str(self.data), *self.more,
        ]  # fmt: skip
        self.spawn()
        until(self._is_up, "the server takes requests", 30)
        return self

    def _is_up(self) -> bool:
        self.must_run()
        try:
            told = json.loads((self.data / "runtime.json").read_text())
        except (OSError, ValueError):
            return False
        if told["pid"] != self.pid:
            return False
        self.port = int(told["url"].rpartition(":")[2])
        try:
            return Api(self.url).call("GET", "/api/ready")[0] == 200
        except OSError:
            return False

    def with_own_token(self) -> Api:
        """As whoever runs on its machine as its user: with the token that it leaves in its folder."""
        return Api(self.url, json.loads((self.data / "runtime.json").read_text())["token"])

    def api(self) -> Api:
        """A fresh login of the first admin."""
        api = Api(self.url)
        api.login(EMAIL, self.password)
        return api


class Worker(Process):
    """`cmdexec worker --headless --allow-host` with a folder of its own."""

    def __init__(self, server: Server, name: str, *, slots: int = 4, **settings: str) -> None:
        self.data = server.folder / name
        self.name = name
        environment = clean_environment(
            HOME=str(server.folder), WORKER_TOKEN_SECRET=server.secret, WORKER_NAME=name,
            **{key: value for key, value in settings.items()},
        )  # fmt: skip
        arguments = [
            "worker", "--headless", "--allow-host", "--server", server.url, "--slots", str(slots), "--data-dir",
            str(self.data),
        ]  # fmt: skip
        super().__init__(arguments, environment, server.folder / f"{name}.log")

    def locate(self, server: Server) -> "Worker":
        """The port of its server is known by now."""
        self.arguments[self.arguments.index("--server") + 1] = server.url
        return self

    def start(self, api: Api | None = None) -> "Worker":
        """Start it; with `api`, wait until the server shows it as online."""
        self.spawn()
        if api is not None:
            self.wait_online(api)
        return self

    def wait_online(self, api: Api, within: float = 20.0) -> None:
        def online() -> bool:
            self.must_run()
            return any(w["name"] == self.name and w["state"] == "online" for w in workers(api))

        until(online, f"{self.name} is online", within)


def workers(api: Api) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = api.ask("GET", "/api/workers/list")["workers"]
    return answer


@contextmanager
def ends(*processes: Process) -> Iterator[None]:
    """Kill what still runs at the end, and show the logs' tails when the block failed. What the servers among them have
    stored must be as cmdexec promises."""
    try:
        yield
    except BaseException:
        for process in processes:
            if process.log.exists():
                print(f"--- {process.log.name}\n{process.log.read_text()[-3000:]}")
        raise
    finally:
        for process in processes:
            if process.running():
                process.send(signal.SIGCONT)
                process.kill9()
    for process in processes:
        if isinstance(process, Server):
            must_be_well(process.data)
