"""Removing containers whose lease is over, or whose worker is gone: by plain HTTP, without waiting for anything."""

import errno
import os
import select
import socket
import time

from cmdexec.worker.warden.job import NEVER

_AGAIN_SEC = 0.25
"""An engine that does not answer, or cannot remove one now, is asked again then."""
_ANSWER_SEC = 3.0
"""One that took a request and says nothing is asked again then, by a new connection."""
_DONE = frozenset({b"200", b"204", b"404"})
"""It is removed, or was never there. A removal that is under way (409) may fail yet."""


class _Request:
    """`until`: its answer is no longer waited for then."""

    __slots__ = ("name", "sent", "sock", "until")

    def __init__(self, name: str, sock: socket.socket, until: float) -> None:
        self.name = name
        self.sock = sock
        self.until = until
        self.sent = False

    def send(self) -> None:
        """Raises OSError, also where there is no connection."""
        if wrong := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(wrong, os.strerror(wrong))
        self.sock.sendall(f"DELETE /containers/{self.name}?force=1&v=1 HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        self.sent = True


class Removals:
    """Containers to be removed. Their sockets are watched by `poll`; `due`: when to go on."""

    def __init__(self, poll: select.poll) -> None:
        self.due = NEVER
        self._poll = poll
        self._wanted: dict[str, str] = {}
        self._asked: dict[int, _Request] = {}

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
        now = time.monotonic()
        for request in [one for one in self._asked.values() if one.until <= now]:
            self._drop(request)
        asked = {request.name for request in self._asked.values()}
        away: set[str] = set()
        for name, url in self._wanted.items():
            if name not in asked and url not in away and not self._ask(name, url, now):
                away.add(url)
        self.due = now + _AGAIN_SEC if self._wanted or self._asked else NEVER

    def _ask(self, name: str, url: str, now: float) -> bool:
        """Whether that engine may be there."""
        try:
            sock, connected = _connecting(url)
        except OSError:
            return False
        self._asked[sock.fileno()] = _Request(name, sock, now + _ANSWER_SEC)
        self._poll.register(sock.fileno(), select.POLLOUT)
        if connected:
            self.answered(sock.fileno())
        return True

    def answered(self, descriptor: int) -> None:
        """The engine took a connection there, or said something, if that is one of these."""
        request = self._asked.get(descriptor)
        if request is None:
            return
        try:
            if not request.sent:
                request.send()
                self._poll.modify(descriptor, select.POLLIN)
                return
            words = request.sock.recv(4096).split(b" ", 2)
        except OSError:
            words = []
        self._drop(request)
        if len(words) > 1 and words[1] in _DONE:
            self.forget(request.name)

    def _drop(self, request: _Request) -> None:
        self._poll.unregister(request.sock.fileno())
        del self._asked[request.sock.fileno()]
        request.sock.close()


def _connecting(url: str) -> tuple[socket.socket, bool]:
    """To the engine at `unix:///PATH`, or `tcp://ADDRESS:PORT` where the address is a number: names would have to be
    waited for. Whether it is there already. Raises OSError."""
    where: str | tuple[object, ...]
    if url.startswith("unix://"):
        family, where = socket.AF_UNIX, url[len("unix://") :]
    else:
        host, _, port = url.partition("://")[2].rstrip("/").rpartition(":")
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        family, where = found[0][0], found[0][4]
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    wrong = sock.connect_ex(where)
    if wrong not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(wrong, os.strerror(wrong))
    return sock, not wrong
