"""W3: one job writes much; a client follows it while it is stored."""

import hashlib
import subprocess
from collections.abc import Iterator

from cmdexec.admin.bench.figures import Figure, Measured, medians
from cmdexec.admin.bench.floor import pipe_bytes_per_sec
from cmdexec.admin.bench.processes_posix import Processes, peak_rss_mb
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, with_worker
from cmdexec.client import Ended, NewJob, Piece, follow

_LINE = 11
_FIRST = 1_000_000_000
"""Lines of ten digits, rising: what is lost, doubled or in the wrong place changes the digest."""
_PIECE = 1 << 20
_MB = 1_000_000


async def measure(bench: Bench) -> Measured:
    """The peak at 10 MB comes first, since a process's peak never falls."""
    plan = bench.plan
    size, large = plan.size(100, quick=2) * _MB, plan.size(1000, quick=4) * _MB
    async with with_worker(bench) as (server, processes):
        lost = (await _followed(bench, server, plan.size(10, quick=1) * _MB))[1]
        small_peak = _peaks(processes)
        pairs = []
        for number in range(max(1, min(3, plan.pairs))):
            pair, missing = await _pair(bench, server, size, number)
            pairs.append(pair)
            lost += missing
        bench.say(f"one job writes {large // _MB} MB")
        lost += (await _followed(bench, server, large))[1]
        peak = _peaks(processes)
    middle = medians(pairs)
    figures = {
        "rate": Figure(middle["mb_per_sec"], "MB/s", middle["pipe_mb_per_sec"], middle["ratio"]),
        "lost": Figure(lost, "bytes"),
        "server_growth": Figure(peak[0] - small_peak[0], "MB"),
        "worker_growth": Figure(peak[1] - small_peak[1], "MB"),
    }
    return Measured(figures, {"bytes": size, "large_bytes": large}, pairs)


async def _pair(bench: Bench, server: Serving, size: int, number: int) -> tuple[dict[str, float], int]:
    clock, command, exact = bench.runtime.clock, _command(size), _exactly(size)
    before = await bench.blocking(lambda: pipe_bytes_per_sec(command, exact, clock))
    rate, lost = await _followed(bench, server, size)
    pipe = (before + await bench.blocking(lambda: pipe_bytes_per_sec(command, exact, clock))) / 2
    bench.say(f"run {number + 1}: {rate / _MB:.0f} MB/s, {rate / pipe:.3f} of a bare pipe")
    return {"mb_per_sec": rate / _MB, "pipe_mb_per_sec": pipe / _MB, "ratio": rate / pipe}, lost


async def _followed(bench: Bench, server: Serving, size: int) -> tuple[float, int]:
    """(bytes a second from the submission to the end as the client learns it, bytes that were lost or wrong)."""
    clock, digest, got = bench.runtime.clock, hashlib.sha256(), 0
    began = clock.elapsed()
    job = await server.client.submit(NewJob(command=_command(size)))
    whole = False
    async for one in follow(server.client, job.job_id):
        if isinstance(one, Piece):
            digest.update(one.data)
            got += len(one.data)
        elif isinstance(one, Ended):
            whole = one.job.status == "completed" and one.job.output.stdout.whole is True
    took = clock.elapsed() - began
    exact = _exactly(size)
    same = digest.hexdigest() == await bench.blocking(lambda: _digest(size))
    return exact / took, abs(exact - got) if same and whole else max(1, exact - got)


def _command(size: int) -> tuple[str, ...]:
    return ("seq", str(_FIRST), str(_FIRST + size // _LINE - 1))


def _exactly(size: int) -> int:
    return size // _LINE * _LINE


def _digest(size: int) -> str:
    """Of what the job writes, without the job. Blocks."""
    digest = hashlib.sha256()
    with subprocess.Popen(_command(size), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        for piece in _pieces(process):
            digest.update(piece)
    return digest.hexdigest()


def _pieces(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    while process.stdout is not None and (piece := process.stdout.read(_PIECE)):
        yield piece


def _peaks(processes: Processes) -> tuple[float, float]:
    return peak_rss_mb(processes.server), peak_rss_mb(processes.worker)
