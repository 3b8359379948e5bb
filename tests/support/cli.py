"""The command line as people and scripts use it: a real process, its streams apart, its signals and its code."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.forked import Forked
from tests.support.system import clean_environment
from tests.support.waiting import until


@dataclass(frozen=True)
class Result:
    """How a command ended, and all that it wrote."""

    code: int
    stdout: bytes
    stderr: str


class Command:
    """One process of `cmdexec`, in a process group of its own as a shell makes it; its streams go to files.

    by       a line of the shell that starts it, as `exec "$@" 2>&-`
    loaded   it may come from a process that has loaded the program already
    """

    def __init__(
        self, folder: Path, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int | IO[bytes] | None = None,
        by: str | None = None, loaded: bool = False, **environment: str,
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.err = folder / "stdout", folder / "stderr"
        given = clean_environment(HOME=str(folder), **environment)
        self.process: subprocess.Popen[bytes] | Forked
        with self.out.open("wb") as out, self.err.open("wb") as err, open(os.devnull, "rb") as nothing:
            reads = nothing.fileno() if stdin == subprocess.DEVNULL else stdin
            writes = out.fileno() if stdout is None else stdout if isinstance(stdout, int) else stdout.fileno()
            if loaded and by is None and "COVERAGE_PROCESS_START" not in given:
                self.process = Forked(arguments, given, (reads, writes, err.fileno()))
            else:
                self.process = subprocess.Popen(
                    [*([] if by is None else ["sh", "-c", by, "sh"]), sys.executable, "-m", "cmdexec", *arguments],
                    env=given, stdin=reads, stdout=writes, stderr=err, process_group=0,
                )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def stdout(self) -> bytes:
        return self.out.read_bytes()

    def stderr(self) -> str:
        return self.err.read_text(errors="replace")

    def shows(self, data: bytes, within: float = 20.0) -> None:
        """Wait until that has come on standard output."""
        until(lambda: data in self.stdout() or self.process.poll() is not None, f"{data!r} on stdout", within)
        assert data in self.stdout(), f"ended with {self.process.poll()}:\n{self.stderr()}"

    def says(self, text: str, within: float = 20.0) -> None:
        """Wait until that has come on standard error."""
        until(lambda: text in self.stderr() or self.process.poll() is not None, f"{text!r} on stderr", within)
        assert text in self.stderr(), f"ended with {self.process.poll()}:\n{self.stderr()}"

    def send(self, what: signal.Signals) -> None:
        """To the process alone."""
        self.process.send_signal(what)

    def press(self, what: signal.Signals = signal.SIGINT) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.pid, what)

    def ended(self, within: float = 30.0) -> Result:
        """Wait for its end."""
        code = self.process.wait(within)
        return Result(code, self.stdout(), self.stderr())


@contextmanager
def command(
    folder: Path, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int | IO[bytes] | None = None,
    by: str | None = None, loaded: bool = False, **environment: str,
) -> Iterator[Command]:  # fmt: skip
    """Start it; what still runs at the end is killed."""
    started = Command(folder, *arguments, stdin=stdin, stdout=stdout, by=by, loaded=loaded, **environment)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.process.kill()
        started.process.wait(20)


def run(folder: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Result:
    """Run it to its end."""
    with command(folder, *arguments, **(environment or {})) as started:
        return started.ended(60)
