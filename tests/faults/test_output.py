"""Output arrives byte for byte, however much it is, and neither side's memory grows with it."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.proc import PeakRss
from tests.support.system import FAST, Server, Worker, ends

MIB = 1 << 20
MUCH = int(os.environ.get("CMDEXEC_TEST_OUTPUT_MIB", "256")) * MIB
"""What would show in memory if it were kept there. With another number in the environment, as much as that."""

WRITER = """
import hashlib, os, random, sys
seed, size, fd = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
draw, digest = random.Random(seed), hashlib.sha256()
block = draw.randbytes(1 << 20)
left = size
while left:
    turn = draw.randrange(1 << 20)
    piece = (block[turn:] + block[:turn])[: min(left, draw.randrange(1, 1 << 20))]
    digest.update(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(fd, view):]
    left -= len(piece)
with open(sys.argv[4], "w") as file:
    file.write(digest.hexdigest())
"""


def writes(size: int, fd: int, digest: Path, seed: int = 1) -> list[str]:
    """A command that writes `size` random bytes to `fd`, and their digest to a file that cmdexec never sees."""
    return [sys.executable, "-S", "-E", "-c", WRITER, str(seed), str(size), str(fd), str(digest)]


def run(api: Api, command: list[str], within: float) -> dict:
    job_id = api.create({"command": command})["jobId"]
    return api.wait_status(job_id, "completed", within=within)


@pytest.mark.timeout(120)
def test_a_hundred_megabytes_arrive_byte_for_byte(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        for fd, stream, other in ((1, "stdout", "stderr"), (2, "stderr", "stdout")):
            told = tmp_path / f"digest-{fd}"
            job = run(api, writes(100 * MIB, fd, told, seed=fd), within=60)
            ended = job["output"][stream]
            data = api.output(job["jobId"], stream)
            assert len(data) == ended["bytes"] == 100 * MIB
            assert hashlib.sha256(data).hexdigest() == told.read_text() == ended["digest"]
            assert ended["whole"] is True
            assert job["output"][other]["bytes"] == 0
            part = api.output(job["jobId"], stream, byte_range="12345678-22345677")
            assert part == data[12345678:22345678]


@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_output(tmp_path: Path) -> None:
    """Peak RSS at much output is at most 20 MB above that at 10 MB, in both processes."""
    server = Server(tmp_path, **FAST, OUTPUT_CAP_BYTES="2GiB", MAX_OUTPUT_BYTES="2GiB").start()
    worker = Worker(server, "w", **FAST, OUTPUT_CAP_BYTES="2GiB")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        peaks = []
        for size in (10 * MIB, MUCH):
            with PeakRss(server.pid, worker.pid) as peak:
                job = run(api, writes(size, 1, tmp_path / f"digest-{size}"), within=240)
            assert job["output"]["stdout"]["digest"] == (tmp_path / f"digest-{size}").read_text()
            assert job["output"]["stdout"]["whole"] is True
            peaks.append(peak.peak)
        for pid, name in ((server.pid, "server"), (worker.pid, "worker")):
            small, large = peaks[0][pid] / MIB, peaks[1][pid] / MIB
            print(f"{name}: peak {small:.1f} MiB at 10 MiB, {large:.1f} MiB at {MUCH // MIB} MiB")
            assert large <= small + 20, f"{name} grew from {small:.1f} to {large:.1f} MiB"
