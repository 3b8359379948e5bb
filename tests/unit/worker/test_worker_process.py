"""A worker as a process of its own: killed, told to end, weighed."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from cmdexec.protocol.messages import Assignment
from tests.support.system import clean_environment
from tests.support.waiting import until
from tests.support.worker import job_id
from tests.support.worker_server import SECRET, WorkerServer

IMPORTS = "import sys,json;import cmdexec.worker.run;print(json.dumps(sorted(sys.modules)))"


def job(number: int, command: str | tuple[str, ...], **more: object) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command, **more)  # type: ignore[arg-type]


async def fact(fact: Callable[[], Any], what: str) -> None:
    """Wait for it while the server goes on."""
    await asyncio.to_thread(until, fact, what)


def peak_rss(worker: "WorkerProcess") -> int:
    """The most memory that it ever had, in bytes, as the kernel counted it."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


class WorkerProcess:
    """`cmdexec worker`, with durations for tests."""

    def __init__(self, server: WorkerServer, folder: Path, **settings: str) -> None:
        environment = clean_environment() | {
            "WORKER_TOKEN_SECRET": SECRET, "SERVER_URL": server.url, "SLOTS": "2",
            "DATA_DIR": str(folder / "worker"), "WORK_DIR": str(folder / "jobs"), "ALLOW_HOST": "true",
            "RECONNECT_MIN_SEC": "20ms", "RECONNECT_MAX_SEC": "200ms", "KILL_GRACE_SEC": "200ms",
        } | settings  # fmt: skip
        command = [sys.executable, "-m", "cmdexec", "worker", "--headless"]
        self.log = folder / "worker.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def exited(self, within: float = 15.0) -> int:
        async with asyncio.timeout(within):
            return await asyncio.to_thread(self.process.wait, within)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[tuple[WorkerServer, WorkerProcess]]:
    server = WorkerServer()
    await server.open()
    worker = WorkerProcess(server, folder, **settings)
    try:
        await server.until(lambda: server.of("heartbeat"), f"it is connected ({worker.log})")
        yield server, worker
    finally:
        worker.kill()
        await server.close()


async def test_killed_it_knows_what_can_have_run_and_brings_what_reached_its_spool(tmp_path: Path) -> None:
    """One job runs, one waits: the first is dead and what it had printed comes, the second was never begun."""
    async with serving(tmp_path, SLOTS="1", SPOOL_WRITE_SEC="20ms") as (server, worker):
        server.acks = False
        spool = tmp_path / "worker" / "spool" / "output"
        await server.assign(job(1, "echo printed; exec sleep 60"), job(2, "echo second"))
        await server.until(lambda: len(server.of("heartbeat")[-1].jobs) == 2, "both are held")
        await fact(lambda: any(path.stat().st_size for path in spool.iterdir()), "it is in the spool")
        worker.kill()
        server.stored.clear()
        server.acks, before = True, len(server.said)
        second = WorkerProcess(server, tmp_path)
        released = await server.until(
            lambda: server.of("released") if len(server.of("released")) == 2 else None, "both are told of"
        )
        assert {one.job_id: one.why for one in released} == {job_id(1): "dead", job_id(2): "neverSpawned"}
        assert server.bytes_of(job_id(1)) == b"printed\n"
        (output,) = [place for place, (op, _) in enumerate(server.said) if op == "output" and place >= before]
        dead = next(place for place, (op, item) in enumerate(server.said) if op == "released" and item.why == "dead")
        assert output < dead, "its output goes before its end"
        first, again = server.of("register")
        assert first.session == again.session
        assert server.of("done") == []
        second.kill()


async def test_killed_over_and_over_each_result_comes_once_or_is_known_to_be_dead(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        ledger = tmp_path / "ledger"
        for number, op in enumerate(("start", "done", "start", "done")):
            await server.assign(job(number, f"echo $CMDEXEC_JOB_ID >> {ledger}; echo out"))
            await server.until(
                lambda op=op, number=number: [one for one in server.of(op) if one.job_id == job_id(number)],
                "it is on its way",
            )
            worker.kill()
            before = len(server.of("register"))
            worker = WorkerProcess(server, tmp_path)
            await server.until(lambda before=before: len(server.of("register")) > before, "it is there again")

        def told_of() -> set[str]:
            return {one.job_id for one in (*server.of("done"), *server.of("released"))}

        await server.until(lambda: len(told_of()) == 4, "every job is told of")
        ran = ledger.read_text().split()
        assert len(ran) == len(set(ran)), "none ran twice"
        results = {one.job_id: one.exit_code for one in server.of("done")}
        assert set(results.values()) == {0}
        assert set(results) <= set(ran)
        unborn = {one.job_id for one in server.of("released") if one.why == "neverSpawned"}
        assert not unborn & set(ran), "what is said to be unborn never ran"
        worker.kill()


async def test_term_lets_jobs_end_and_a_second_one_hands_them_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        pidfile = tmp_path / "pid"
        await server.assign(job(1, f"trap '' TERM; echo $$ > {pidfile}; while :; do sleep 0.05; done"))
        await fact(lambda: pidfile.exists() and pidfile.read_text().strip(), "it runs")
        worker.process.send_signal(signal.SIGTERM)
        await server.until(lambda: server.of("heartbeat")[-1].draining, "it drains")
        assert worker.process.poll() is None
        assert Path(f"/proc/{pidfile.read_text().strip()}").exists()
        worker.process.send_signal(signal.SIGTERM)
        (released,) = await server.until(lambda: server.of("released"), "it is handed back")
        assert (released.job_id, released.why) == (job_id(1), "handedBack")
        assert await worker.exited() == 0
        assert not Path(f"/proc/{pidfile.read_text().strip()}").exists()


async def test_one_folder_is_one_workers_and_the_next_says_whose(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        other = WorkerProcess(server, tmp_path)
        assert await other.exited() != 0
        assert f"process {worker.process.pid}" in worker.log.read_text()
        assert worker.process.poll() is None


async def test_without_leave_to_run_anything_it_does_not_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        (tmp_path / "other").mkdir()
        refused = WorkerProcess(server, tmp_path / "other", ALLOW_HOST="false", ALLOW_CONTAINERS="false")
        assert await refused.exited() != 0
        assert "--allow-host" in refused.log.read_text()


async def test_idle_it_is_light_together_with_its_warden(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, worker):
        me = psutil.Process(worker.process.pid)
        family = [me, *me.children(recursive=True)]
        weight = sum(one.memory_full_info().pss for one in family)
        assert len(family) == 2, "the worker and its warden"
        assert weight < 45 * 2**20, f"{weight / 2**20:.1f} MB"


def test_it_loads_nothing_of_the_server_and_no_heavy_library() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(json.loads(run.stdout))
    assert "cmdexec.worker.run" in loaded
    heads = {name.partition(".")[0] for name in loaded}
    assert not heads & {"jwt", "cryptography", "apsw", "argon2", "click", "aiohttp_jwt", "sqlite3", "multiprocessing"}
    assert not {name for name in loaded if name.startswith(("cmdexec.server", "cmdexec.store", "cmdexec.client"))}


async def test_much_output_in_pieces_of_all_sizes_needs_no_more_memory_than_little(tmp_path: Path) -> None:
    write = (
        "import os,random;r=random.Random(1);d=r.randbytes(1<<20);left=%d\n"
        "while left: t=r.randrange(1<<20);left-=os.write(1,(d[t:]+d[:t])[:min(left,r.randrange(1,1<<20))])"
    )
    async with serving(tmp_path) as (server, worker):
        server.keeps = False
        peaks = []
        for number, size in ((1, 4 * 2**20), (2, 80 * 2**20)):
            await server.assign(job(number, (sys.executable, "-I", "-c", write % size)))
            await server.until(lambda number=number: len(server.of("done")) == number, "it ended", within=40)
            peaks.append(peak_rss(worker))
            assert server.of("done")[-1].output.stdout.bytes == size
        assert peaks[1] - peaks[0] < 15 * 2**20, f"{peaks[0] / 2**20:.1f} MB, then {peaks[1] / 2**20:.1f} MB"


async def test_while_the_server_is_away_output_goes_to_disk_and_not_into_memory(tmp_path: Path) -> None:
    write = "import os;d=b'x'*65536;[os.write(1,d) for _ in range(700)]"
    async with serving(tmp_path) as (server, worker):
        server.keeps = False
        gate = tmp_path / "gate"
        idle = peak_rss(worker)
        wait = f"until [ -e {gate} ]; do sleep 0.01; done"
        await server.assign(job(1, f'{wait}; exec {sys.executable} -Ic "{write}"'))
        await server.until(lambda: server.of("start"), "it is asked for")
        await server.until(lambda: server.of("heartbeat")[-1].jobs, "it is held")
        server.refuse = 503
        server.cut()
        gate.touch()
        spool = tmp_path / "worker" / "spool" / "output"
        most = 700 * 65536 - 5 * 2**20
        await fact(lambda: sum(path.stat().st_size for path in spool.iterdir()) > most, "it is on disk")
        server.refuse = None
        (done,) = await server.results(1)
        assert done.output.stdout.bytes == 700 * 65536
        assert peak_rss(worker) - idle < 20 * 2**20
        await server.until(lambda: server.of("heartbeat")[-1].jobs == (), "it is forgotten")
        await fact(lambda: not list(spool.iterdir()), "its files are deleted")
