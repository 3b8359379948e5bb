"""What the kernel says of the processor time and the memory of processes."""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.proc import children

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cpu:
    """Seconds of processor time so far: a process's own, and that of its children that have ended and were waited for
    (proc(5), fields 14 to 17 of /proc/PID/stat; in steps of 10 ms)."""

    own: float
    ended_children: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.own - other.own, self.ended_children - other.ended_children)


def cpu_of(pid: int) -> Cpu:
    """Of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, user_ended, system_ended = (int(field) / _TICKS for field in fields[11:15])
    return Cpu(user + system, user_ended + system_ended)


def pss_bytes(pid: int) -> int:
    """Resident memory of a process, with what it shares counted in parts (proc(5), /proc/PID/smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"the kernel tells no PSS of {pid}")


def command_of(pid: int) -> str:
    """Its command line, "" when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def child_with(pid: int, word: str) -> int | None:
    """The one descendant of `pid` with that word on its command line."""
    found = [child for child in children(pid) if word in command_of(child).split()]
    return found[0] if len(found) == 1 else None
