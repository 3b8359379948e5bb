"""The floors: the least that the machine needs for what a workload does, by nothing of cmdexec."""

import subprocess
from pathlib import Path

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.processes_posix import spawn_and_wait
from cmdexec.clock import Clock

JOB = ["sh", "-c", "echo x"]
_PIECE = 256 * 1024


def processes_per_sec(count: int, clock: Clock) -> float:
    """Bare process creation: `xargs -P2 -n1 sh -c 'echo x'`. Blocks."""
    numbers = "".join(f"{number}\n" for number in range(count))
    began = clock.elapsed()
    ran = subprocess.run(
        _found("xargs", "-P2", "-n1", *JOB), input=numbers.encode(), stdout=subprocess.DEVNULL, check=False
    )
    if ran.returncode:
        raise failed(f"The floor could not be measured: xargs ended with {ran.returncode}.")
    return count / (clock.elapsed() - began)


def spawns_sec(count: int, clock: Clock) -> list[float]:
    """How long each of `count` single processes takes, one after the other, from making it to its end. Blocks."""
    took = []
    for _ in range(count):
        began = clock.elapsed()
        spawn_and_wait(JOB)
        took.append(clock.elapsed() - began)
    return took


def pipe_bytes_per_sec(command: tuple[str, ...], expected: int, clock: Clock) -> float:
    """What a command writes, read from a bare pipe and dropped. Blocks."""
    began = clock.elapsed()
    got = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0) as process:
        if process.stdout is not None:
            while piece := process.stdout.read(_PIECE):
                got += len(piece)
    if got != expected:
        raise failed(f"The floor could not be measured: {command[0]} wrote {got:,} bytes, not {expected:,}.")
    return got / (clock.elapsed() - began)


def _found(program: str, *arguments: str) -> list[str]:
    for folder in ("/usr/bin", "/bin"):
        if (Path(folder) / program).exists():
            return [str(Path(folder) / program), *arguments]
    raise failed(f"The program {program} is not on this machine.", mend=f"Install {program}.")
