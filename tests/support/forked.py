"""Processes of `cmdexec` that need not load it each: one process has loaded it, and forks for each that is wanted.

A forked one is a process as any other: arguments, environment, streams, process group, signals and code are its own.
What it does not show is how the interpreter starts, so tests of that (streams that are closed, what is imported when)
start `python -m cmdexec`; and so does everybody while coverage measures, which begins with a process.
"""

import array
import atexit
import gc
import io
import json
import os
import runpy
import selectors
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from signal import SIGKILL, Signals
from typing import NoReturn

LOADED = ("cmdexec.cli.run", "cmdexec.cli.attach", "cmdexec.cli.foreground", "cmdexec.client", "aiohttp")
STREAMS = (0, 1, 2)
LONGEST = 1 << 20
"""Bytes of the arguments and the environment of one process."""


class Forked:
    """One process, as `subprocess.Popen` shows it. `streams`: the descriptors that are its standard streams."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], streams: Sequence[int]) -> None:
        self.returncode: int | None = None
        self._word, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            asked = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode()
            socket.send_fds(_forking(), [asked], [*streams, theirs.fileno()])
        self.pid = int(self._told(20.0))

    def _told(self, within: float | None) -> bytes:
        self._word.settimeout(within)
        try:
            word = self._word.recv(64)
        except TimeoutError:
            raise subprocess.TimeoutExpired("cmdexec", within or 0.0) from None
        assert word, "the process that forks has ended"
        return word

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = int(self._told(timeout))
            self._word.close()
        return self.returncode

    def poll(self) -> int | None:
        if self.returncode is None and _readable(self._word):
            self.wait(20.0)
        return self.returncode

    def send_signal(self, what: Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, what)

    def kill(self) -> None:
        self.send_signal(SIGKILL)


def _readable(word: socket.socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(word, selectors.EVENT_READ)
        return bool(selector.select(0))


@cache
def _forking() -> socket.socket:
    """The process that forks, one for all tests of this one; it ends when this one ends."""
    from tests.support.system import clean_environment

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    start = f"import runpy; runpy.run_path({__file__!r}, run_name='__main__')"  # finds modules as `-m cmdexec` does
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", start, str(theirs.fileno())], env=clean_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait(20)

    atexit.register(end)
    return ours


class _Forking:
    """The side of the process that forks."""

    def __init__(self, asked: socket.socket) -> None:
        self.asked = asked
        self.words: dict[int, tuple[int, socket.socket]] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(asked, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is not self.asked:
                    self._ended(key.fd)
                elif not self._begin():
                    return

    def _begin(self) -> bool:
        data, ancillary, _, _ = self.asked.recvmsg(LONGEST, socket.CMSG_SPACE(4 * 4))
        if not data:
            return False
        got = array.array("i")
        for _, _, numbers in ancillary:
            got.frombytes(numbers)
        *streams, word = got
        pid = os.fork()
        if not pid:
            self._become(json.loads(data), streams, word)
        for number in streams:
            os.close(number)
        with suppress(ProcessLookupError, PermissionError):  # it does so too: whoever is first
            os.setpgid(pid, pid)
        ended = os.pidfd_open(pid)
        self.words[ended] = (pid, socket.socket(fileno=word))
        self.selector.register(ended, selectors.EVENT_READ)
        self._say(self.words[ended][1], pid)
        return True

    def _ended(self, number: int) -> None:
        pid, word = self.words.pop(number)
        self.selector.unregister(number)
        os.close(number)
        _, status = os.waitpid(pid, 0)
        self._say(word, os.waitstatus_to_exitcode(status))
        word.close()

    def _say(self, word: socket.socket, number: int) -> None:
        with suppress(OSError):  # nobody wants to know it any more
            word.send(str(number).encode())

    def _become(self, given: dict[str, object], streams: Sequence[int], word: int) -> NoReturn:
        """What `python -m cmdexec` is once all is loaded."""
        os.setpgid(0, 0)
        self.selector.close()
        for ended, (_, other) in self.words.items():
            os.close(ended)
            other.close()
        self.asked.close()
        for number, stream in zip(STREAMS, streams, strict=True):
            os.dup2(stream, number)
        for number in (*streams, word):
            os.close(number)
        _open_streams()
        os.environ.clear()
        os.environ.update(given["environment"])  # type: ignore[call-overload]
        sys.argv = ["cmdexec", *given["arguments"]]  # type: ignore[misc]
        runpy.run_module("cmdexec", run_name="__main__", alter_sys=True)
        sys.exit()


def _open_streams() -> None:
    """As the interpreter does where PYTHONUNBUFFERED is set."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]
    for number, name, errors in ((1, "stdout", "strict"), (2, "stderr", "backslashreplace")):
        raw = open(number, "wb", 0, closefd=False)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors=errors, write_through=True)  # type: ignore[type-var]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    import importlib

    for module in LOADED:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _Forking(asked).serve()
