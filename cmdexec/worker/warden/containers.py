"""Removing containers whose lease is over, or whose worker is gone: by plain HTTP, without waiting for any answer."""

import select
import socket
import time

from cmdexec.worker.warden.job import NEVER

_AGAIN_SEC = 0.25
"""An engine that does not answer, or cannot remove one now, is asked again then."""
_CONNECT_SEC = 0.5
_DONE = frozenset({b"200", b"204", b"404", b"409"})
"""It is removed, was never there, or is being removed."""


class Removals:
    """Containers to be removed. Their sockets are watched by `poll`; `due`: when to go on."""

    def __init__(self, poll: select.poll) -> None:
        self.due = NEVER
        self._poll = poll
        self._wanted: dict[str, str] = {}
        self._asked: dict[int, tuple[socket.socket, str]] = {}

    @property
    def pending(self) -> bool:
        """Whether some are not removed yet."""
        return bool(self._wanted)

    def begin(self, containers: dict[str, str]) -> None:
        """Remove these; the address of each one's engine by its name."""
        self._wanted.update(containers)
        self.go_on()

    def forget(self, name: str) -> None:
        """It is removed already."""
        self._wanted.pop(name, None)

    def go_on(self) -> None:
        """Ask for what is not asked."""
        asked = {name for _, name in self._asked.values()}
        away: set[str] = set()
        for name, url in self._wanted.items():
            if name in asked or url in away:
                continue
            try:
                sock = _connected(url)
                sock.sendall(f"DELETE /containers/{name}?force=1&v=1 HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
            except OSError:
                away.add(url)
                continue
            sock.setblocking(False)
            self._asked[sock.fileno()] = sock, name
            self._poll.register(sock.fileno(), select.POLLIN)
        self.due = time.monotonic() + _AGAIN_SEC if self._wanted else NEVER

    def answered(self, descriptor: int) -> None:
        """The engine said something there, if that is one of these."""
        sock, name = self._asked.pop(descriptor, (None, ""))
        if sock is None:
            return
        self._poll.unregister(descriptor)
        try:
            words = sock.recv(4096).split(b" ", 2)
        except OSError:
            words = []
        sock.close()
        if len(words) > 1 and words[1] in _DONE:
            self.forget(name)


def _connected(url: str) -> socket.socket:
    """To the engine at `unix:///PATH` or `tcp://HOST:PORT`. Raises OSError."""
    if url.startswith("unix://"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_CONNECT_SEC)
            sock.connect(url[len("unix://") :])
        except OSError:
            sock.close()
            raise
        return sock
    host, _, port = url.partition("://")[2].rstrip("/").rpartition(":")
    return socket.create_connection((host, int(port)), _CONNECT_SEC)
