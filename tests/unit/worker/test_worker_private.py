"""What worker, warden and server have in memory is closed to other processes of the same user, jobs among them."""

import subprocess
import sys
from pathlib import Path

from cmdexec.protocol.messages import Assignment
from tests.support.system import clean_environment
from tests.support.waiting import until
from tests.support.worker import job_id
from tests.support.worker_server import SECRET, WorkerServer

LAUNCH = """
import ctypes, os, sys
for capability in range(64):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""PR_CAPBSET_DROP of all there are: what root runs then is kept out of things like anybody else's."""
LAUNCHED = (sys.executable, "-I", "-S", "-c", LAUNCH, sys.executable)

READ = """
import os, sys
def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
own = os.getpid()
whose = {own: "own", parent(own): "warden", parent(parent(own)): "worker"}
for pid in map(int, sys.argv[1:]) if sys.argv[1:] else whose:
    for name in ("environ", "mem", "maps"):
        try:
            open(f"/proc/{pid}/{name}", "rb").close()
            print(whose.get(pid, pid), name)
        except PermissionError:
            pass
    try:
        os.readlink(f"/proc/{pid}/fd/0")
        print(whose.get(pid, pid), "files")
    except PermissionError:
        pass
"""
"""Prints what can be read of the processes that are named, or of this one, its parent and its parent's parent."""


def start(folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    """A command of cmdexec."""
    environment = clean_environment(DATA_DIR=str(folder / "data")) | settings
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*LAUNCHED, "-m", "cmdexec", *arguments], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log,
        )  # fmt: skip


async def test_a_job_reads_nothing_of_worker_and_warden(tmp_path: Path) -> None:
    server = WorkerServer()
    await server.open()
    worker = start(
        tmp_path, "worker", "--headless", "--allow-host", SERVER_URL=server.url, WORKER_TOKEN_SECRET=SECRET,
        WORK_DIR=str(tmp_path / "jobs"),
    )  # fmt: skip
    try:
        await server.until(lambda: server.of("heartbeat"), f"it is connected ({tmp_path / 'log'})")
        await server.assign(Assignment(job_id=job_id(1), attempt=1, command=(sys.executable, "-I", "-S", "-c", READ)))
        (done,) = await server.results(1)
        assert (done.exit_code, server.bytes_of(job_id(1), "stderr")) == (0, b"")
        assert server.bytes_of(job_id(1)) == b"own environ\nown mem\nown maps\nown files\n"
    finally:
        worker.kill()
        worker.wait(10)
        await server.close()


def test_nobody_reads_anything_of_a_server(tmp_path: Path) -> None:
    server = start(tmp_path, "serve", "--port", "0")
    try:
        until(lambda: (tmp_path / "data" / "runtime.json").exists(), "it listens", within=20)
        reader = [*LAUNCHED, "-I", "-S", "-c", READ]
        idle = [*LAUNCHED, "-c", "print(flush=True); input()"]
        with subprocess.Popen(idle, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"\n"
            done = subprocess.run(
                [*reader, str(server.pid), str(other.pid)], capture_output=True, text=True, check=True, timeout=20
            )
            other.communicate(b"\n")
        assert done.stdout == "".join(f"{other.pid} {name}\n" for name in ("environ", "mem", "maps", "files"))
    finally:
        server.kill()
        server.wait(10)
