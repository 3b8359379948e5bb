"""The warden removes containers of engines that are slow, silent or gone, and waits for none of them."""

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.worker.warden import containers
from cmdexec.worker.warden.containers import Removals
from cmdexec.worker.warden.job import NEVER

OVER = b"HTTP/1.0 204 No Content\r\n\r\n"


class Engine:
    """One that answers when it is told to, and as it is told."""

    def __init__(self, where: str | tuple[str, int], backlog: int = 16) -> None:
        self.sock = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self.sock.bind(where)
        self.sock.listen(backlog)
        self.sock.settimeout(5)
        self.taken: list[socket.socket] = []

    def hear(self) -> str:
        """The first line of the next request."""
        taken, _ = self.sock.accept()
        taken.settimeout(5)
        self.taken.append(taken)
        return taken.recv(4096).split(b"\r\n")[0].decode()

    def say(self, words: bytes) -> None:
        """The answer to the newest request."""
        self.taken[-1].sendall(words)

    def close(self) -> None:
        for one in (*self.taken, self.sock):
            one.close()


@contextlib.contextmanager
def engine(where: str | tuple[str, int], backlog: int = 16) -> Iterator[Engine]:
    """One that listens there."""
    made = Engine(where, backlog)
    try:
        yield made
    finally:
        made.close()


class Loop:
    """The warden's, as far as it is about removals."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.removals = Removals(self.poll)

    def turn(self) -> None:
        """What is ready, and what is due."""
        for descriptor, _ in self.poll.poll(20):
            self.removals.answered(descriptor)
        if self.removals.due <= time.monotonic():
            self.removals.go_on()

    def until_asked(self, engine: Engine) -> None:
        """Until the engine hears another request."""
        engine.sock.settimeout(0.01)
        end, before = time.monotonic() + 5, len(engine.taken)
        while len(engine.taken) == before:
            assert time.monotonic() < end, "it is asked again"
            self.turn()
            with contextlib.suppress(TimeoutError):
                engine.hear()

    def until_done(self) -> None:
        end = time.monotonic() + 5
        while self.removals.pending or self.removals.due != NEVER:
            assert time.monotonic() < end, "all is removed"
            self.turn()


def test_one_that_took_the_request_and_is_silent_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(containers, "_ANSWER_SEC", 0.3)
    loop = Loop()
    with engine(path := str(tmp_path / "e")) as slow:
        loop.removals.begin({"a-1": f"unix://{path}"})
        assert slow.hear().startswith("DELETE /containers/a-1?")
        loop.until_asked(slow)
        slow.say(OVER)
        loop.until_done()


def test_a_removal_that_is_under_way_may_fail_yet(tmp_path: Path) -> None:
    loop = Loop()
    with engine(path := str(tmp_path / "e")) as slow:
        loop.removals.begin({"a-1": f"unix://{path}"})
        slow.hear()
        slow.say(b"HTTP/1.0 409 Conflict\r\n\r\n")
        loop.turn()
        assert loop.removals.pending
        loop.until_asked(slow)
        slow.say(b"HTTP/1.0 404 Not Found\r\n\r\n")
        loop.until_done()


def test_one_that_takes_no_connections_holds_nobody_up(tmp_path: Path) -> None:
    loop = Loop()
    with engine(path := str(tmp_path / "e"), backlog=0), socket.socket(socket.AF_UNIX) as full:
        full.connect(path)
        began = time.monotonic()
        loop.removals.begin({f"a-{number}": f"unix://{path}" for number in range(20)})
        assert time.monotonic() - began < 0.2
        assert loop.removals.pending


def test_over_tcp_it_is_as_over_a_socket_file_and_no_name_is_looked_up() -> None:
    loop = Loop()
    with engine(("127.0.0.1", 0)) as there:
        port = there.sock.getsockname()[1]
        loop.removals.begin({"a-1": f"tcp://127.0.0.1:{port}"})
        loop.turn()
        assert there.hear().startswith("DELETE /containers/a-1?")
        there.say(OVER)
        loop.until_done()
        loop.removals.begin({"b-1": f"tcp://localhost:{port}"})
        assert loop.removals.pending
        there.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            there.hear()
