"""`python clocked.py FILE serve|worker …`: cmdexec on a machine whose clocks a test sets, while it runs, by a file.

The wall clock is off by what the file says. A machine that sleeps is faked by stopping all its processes: the clock
that counts suspended time goes on by itself, and the one that does not is kept back by as long as the file says. That
holds for the warden as well, which is started in the same way.
"""

import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_HELD = struct.Struct("<qq")
WARDEN = "--warden"


class Dial:
    """The clocks of one machine, in milliseconds: how far its wall clock is ahead, and was at most; and how long it has
    slept in all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._held = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.ahead_ms = self.latest_ms = self.slept_ms = 0

    def set_wall(self, ahead_ms: int) -> None:
        self.ahead_ms = ahead_ms
        self.latest_ms = max(self.latest_ms, ahead_ms)
        self._write()

    def has_slept(self, seconds: float) -> None:
        """So much longer than before."""
        self.slept_ms += round(seconds * 1000)
        self._write()

    def command(self) -> list[str]:
        """What cmdexec is called as on that machine."""
        return [sys.executable, __file__, str(self.path)]

    def _write(self) -> None:
        _HELD.pack_into(self._held, 0, self.ahead_ms, self.slept_ms)


class Sleep:
    """Processes that stand still as on a machine that sleeps: `pids` now, and all that `more` finds meanwhile."""

    def __init__(self, dial: Dial, pids: Sequence[int], more: Callable[[], set[int]]) -> None:
        self._dial = dial
        self.stopped: list[int] = []
        self._began = time.monotonic()
        left = set(pids)
        while left:  # a process that was being made when its parent was stopped is found the next time
            for pid in sorted(left):
                _send(pid, signal.SIGSTOP)
            self.stopped += sorted(left)
            left = more() - set(self.stopped)

    def end(self) -> None:
        """The clocks know that it slept. Whoever asks for that wakes the processes."""
        self._dial.has_slept(time.monotonic() - self._began)

    @staticmethod
    def wake(*pids: int) -> None:
        for pid in pids:
            _send(pid, signal.SIGCONT)


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, what)


# In the process that is to be on that machine ------------------------------------------------------------------------


def main(file: str, *arguments: str) -> None:
    with open(file, "rb") as dial:
        held = mmap.mmap(dial.fileno(), mmap.PAGESIZE, prot=mmap.PROT_READ)
    monotonic = time.monotonic

    def awake() -> float:
        return monotonic() - float(_HELD.unpack_from(held)[1]) / 1000

    time.monotonic = awake  # the loop's timers, poll's deadlines: none of them counts suspended time
    if arguments[0] == WARDEN:
        _be_warden(arguments[1], list(arguments[2:]))
    del sys.path[0]  # modules of this folder are not to be taken for others
    from cmdexec import clock

    def now(_: clock.SystemClock) -> int:
        return time.time_ns() // 1_000_000 + int(_HELD.unpack_from(held)[0])

    clock.SystemClock.now = now  # type: ignore[method-assign]
    if arguments[0] == "worker":
        _warden_too(file)
    from cmdexec.__main__ import main as cmdexec

    sys.argv[1:] = arguments
    cmdexec()


def _warden_too(file: str) -> None:
    from cmdexec.worker.executors import process_posix
    from cmdexec.worker.warden.command import command

    def on_this_machine(*given: Any, **more: Any) -> list[str]:
        made = command(*given, **more)
        script = next(place for place, word in enumerate(made) if word.endswith("__main__.py"))
        return [*made[:script], __file__, file, WARDEN, made[script], *made[script + 1 :]]

    process_posix.command = on_this_machine


def _be_warden(script: str, arguments: list[str]) -> None:
    sys.path.append(script.rpartition("/cmdexec/")[0])
    from cmdexec.worker.warden.begin import main as warden

    sys.exit(warden(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
