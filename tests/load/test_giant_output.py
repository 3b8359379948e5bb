"""Jobs that write without end, or what no terminal can bear: exactly the cap is kept, and no memory grows with it.

With CMDEXEC_GIANT_MIB=10240 in the environment `yes` writes so much, and the others somewhat more than the cap, which
is the one that is shipped then.
"""

import hashlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.proc import PeakRss
from tests.support.system import FAST, Server, Worker, ends

MIB = 1 << 20
GIANT = int(os.environ.get("CMDEXEC_GIANT_MIB", "100")) * MIB
SHIPPED = GIANT >= 1024 * MIB
CAP, TAIL = (1024 * MIB, MIB) if SHIPPED else (8 * MIB + 4321, MIB)
SETTINGS = {} if SHIPPED else {"OUTPUT_CAP_BYTES": str(CAP), "OUTPUT_TAIL_BYTES": str(TAIL)}
WORKER_MOST, SERVER_MOST = 150e6, 400e6
WITHIN_SEC = 1800.0 if SHIPPED else 50.0

NASTY = bytes(range(256)) + b"\0\x1b[2J\x1b]0;title\x07\xff\xfe\xc3\x28\xed\xa0\x80\r\x1b[31m\x9b?1049h\xf0\x9f\n"
"""NULs, controls of terminals, a surrogate, halves of characters, all bytes."""

WRITER = """
import os, sys
b, n, fds = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), [int(one) for one in sys.argv[3:]]
many = b * (65536 // len(b) + 1)
for fd in fds:
    left = n
    while left:
        left -= os.write(fd, many[(n - left) % len(b):][:left])
"""


@dataclass(frozen=True)
class Giant:
    """`size` bytes of `block`, again and again, to each of `streams`."""

    block: bytes
    size: int
    streams: tuple[str, ...] = ("stdout",)

    @property
    def command(self) -> str:
        fds = ["2" if stream == "stderr" else "1" for stream in self.streams]
        words = [sys.executable, "-S", "-E", "-c", WRITER, self.block.hex(), str(self.size), *fds]
        return shlex.join(words)

    def part(self, start: int, end: int) -> bytes:
        """What it writes from one offset to another, in small pieces that are joined."""
        turn = start % len(self.block)
        return (self.block * ((end - start) // len(self.block) + 2))[turn : turn + end - start]


@dataclass(frozen=True)
class Yes(Giant):
    """As `yes` writes it."""

    @property
    def command(self) -> str:
        return f"yes | head -c {self.size}"


MUCH = max(GIANT // 10, 2 * CAP if not SHIPPED else CAP + 54_321)
GIANTS: dict[str, Giant] = {
    "yes": Yes(b"y\n", GIANT),
    "one line": Giant(b"x", MUCH),
    "what no terminal can bear": Giant(NASTY, MUCH),
    "both streams": Giant(NASTY, MUCH, ("stdout", "stderr")),
    "as much as may be": Giant(b"\0", CAP - TAIL // 2),
    "one byte too many": Giant(b"\0", CAP - TAIL // 2 + 1),
}


@pytest.mark.timeout(60 if not SHIPPED else 3600)
def test_of_giant_output_exactly_the_cap_is_kept_and_memory_stays_small(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", slots=len(GIANTS), **(FAST | SETTINGS))
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        with PeakRss(server.pid, worker.pid) as peak:
            ids = api.create_many([{"command": giant.command} for giant in GIANTS.values()])
            jobs = dict(zip(GIANTS, api.wait_ended(ids, WITHIN_SEC), strict=True))
        for name, giant in GIANTS.items():
            assert jobs[name]["status"] == "completed", jobs[name]
            kept_as_it_must_be(api, jobs[name], giant)
        ours, its = peak.peak[server.pid] / 1e6, peak.peak[worker.pid] / 1e6
        print(f"{GIANT / 1e6:,.0f} MB of `yes`: server {ours:.0f} MB at most, worker {its:.0f} MB")
        assert its < WORKER_MOST / 1e6
        assert ours < SERVER_MOST / 1e6


def kept_as_it_must_be(api: Api, job: dict[str, Any], giant: Giant) -> None:
    """Head and tail of each stream to the byte, what lies between is named, and the digest is that of what is kept."""
    head_left, half = CAP - TAIL // 2 * 2, TAIL // 2
    kept = 0
    for stream in ("stdout", "stderr"):
        told = job["output"][stream]
        size = giant.size if stream in giant.streams else 0
        head = min(size, head_left)
        tail = min(size - head, half)
        head_left -= head
        assert told["bytes"] == head + tail, stream
        missing = [[head, size - tail]] if head + tail < size else []
        assert told.get("lost", []) == missing, stream
        assert told["whole"] is (not missing)
        expected = giant.part(0, head) + giant.part(size - tail, size)
        assert told["digest"] == hashlib.sha256(expected).hexdigest(), stream
        some = min(len(expected), MIB if SHIPPED else len(expected))
        for start, end in ((0, some), (len(expected) - some, len(expected))) if some else ():
            assert api.output(job["jobId"], stream, f"{start}-{end - 1}") == expected[start:end], stream
        kept += told["bytes"]
    assert kept <= CAP
    assert kept == CAP or "stderr" not in giant.streams
