"""What the kernel says of processes: who lives, and how much memory each holds."""

import os
import threading
from pathlib import Path

from tests.support.waiting import STEP_SEC


def with_marker(marker: str) -> set[int]:
    """Living processes whose command line or environment holds `marker`."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in text and state not in "ZX":
            found.add(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether that process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid: int) -> set[int]:
    """All living descendants of `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    grew = True
    while grew:
        more = {child for child, parent in parents.items() if (parent == pid or parent in found) and child not in found}
        grew = bool(more)
        found |= more
    return found


def said_of(pid: int, what: str = "cmdline") -> bytes:
    """A file of the kernel's about one process; empty when it is gone: one that was listed may end before this."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def connections(pid: int) -> set[tuple[int, int]]:
    """The TCP connections (IPv4) that a process holds: its own port, and the other end's."""
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind, _, inode = str(entry.readlink()).partition(":")
        except OSError:
            continue
        if kind == "socket":
            held.add(inode.strip("[]"))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = [row for row in rows if row[9] in held]
    return {(int(row[1].partition(":")[2], 16), int(row[2].partition(":")[2], 16)) for row in own}


def spared() -> float:
    """CPU seconds that this machine had nothing to do, since its start."""
    idle = Path("/proc/stat").read_text().split()[4:6]
    return sum(map(int, idle)) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class PeakRss:
    """The largest resident memory of each process while the block runs, sampled each 100 ms."""

    def __init__(self, *pids: int) -> None:
        self.peak = dict.fromkeys(pids, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._stop.wait(10 * STEP_SEC):
            for pid in self.peak:
                self.peak[pid] = max(self.peak[pid], rss_bytes(pid))

    def __enter__(self) -> "PeakRss":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
