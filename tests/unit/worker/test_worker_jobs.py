"""What a job gets, and what is said of its end; with real processes."""

import asyncio
import hashlib
import json
import os
import resource
import sys
from pathlib import Path

import pytest

from cmdexec.model import pace
from cmdexec.protocol.messages import Assignment, Beat, CancelOrder, StopOrder
from cmdexec.worker.lease import Lease
from tests.support.waiting import until
from tests.support.worker import job_id
from tests.support.worker_server import RunningWorker, WorkerServer, serving, told

SHOW = "import os,json;print(json.dumps([os.getcwd(),os.listdir(),oct(os.stat('.').st_mode)[-3:],dict(os.environ)]))"


def job(number: int, command: str | tuple[str, ...], **more: object) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command, **more)  # type: ignore[arg-type]


async def given(server: WorkerServer, *jobs: Assignment) -> None:
    """Hand them to the worker, which is connected then."""
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    await server.assign(*jobs)


async def running(server: WorkerServer, count: int, folder: Path) -> None:
    """Wait until so many jobs have made a file in the folder."""
    await asyncio.to_thread(until, lambda: len(list(folder.iterdir())) >= count, f"{count} jobs run")


async def test_a_job_runs_and_its_output_rides_in_its_result(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await given(server, job(1, "echo hello; echo oops >&2; exit 3"))
        (done,) = await server.results(1)
        assert (done.exit_code, done.signal, done.reason) == (3, None, None)
        assert (done.inline.stdout, done.inline.stderr) == (b"hello\n", b"oops\n")
        assert done.output.stdout.digest == hashlib.sha256(b"hello\n").hexdigest()
        assert (done.left, done.output_lost, done.output_cut) == (0, False, False)
        assert server.of("output") == []


async def test_a_job_sees_its_own_empty_folder_and_nothing_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "hunter2")
    env = {"GREETING": "hello\nthere", "CMDEXEC_ATTEMPT": "7", "HOME": "/elsewhere"}
    async with serving(tmp_path, job_path="/usr/bin:/bin") as (server, _):
        show = (sys.executable, "-I", "-c", SHOW)
        await given(server, job(1, show, env=env), job(2, show))
        for done in await server.results(2):
            cwd, listing, mode, seen = json.loads(server.bytes_of(done.job_id))
            assert (listing, mode) == ([], "700")
            assert Path(cwd).name == f"{done.job_id}.1"
            assert not Path(cwd).exists(), "gone afterwards"
            own = done.job_id == job_id(1)
            seen.pop("LC_CTYPE", None)  # Python sets it for itself
            assert seen == {
                "PATH": "/usr/bin:/bin", "HOME": "/elsewhere" if own else cwd, "LANG": "C.UTF-8",
                "CMDEXEC_JOB_ID": done.job_id, "CMDEXEC_ATTEMPT": "1",
            } | ({"GREETING": "hello\nthere"} if own else {})  # fmt: skip


async def test_what_a_job_leaves_in_its_folder_is_removed_even_if_it_is_locked(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, worker):
        await given(server, job(1, "pwd; mkdir -p a/b; touch a/b/file; ln -s / a/b/link; chmod 0 a/b a ."))
        await server.results(1)
        folder = Path(server.bytes_of(job_id(1)).decode().strip())
        await worker.end()
        assert not folder.exists()
        assert Path("/bin").exists()


async def test_exit_codes_signals_and_missing_programs_are_told_apart(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await given(server, job(1, "exit 143"), job(2, "kill -TERM $$"), job(3, ("no-such-program-here",)))
        ends = {done.job_id: (done.exit_code, done.signal, done.reason) for done in await server.results(3)}
        assert ends == {job_id(1): (143, None, None), job_id(2): (None, 15, None), job_id(3): (None, None, "start")}
        (failed,) = [done for done in server.of("done") if done.reason == "start"]
        assert "no-such-program-here" in (failed.message or "")


async def test_a_job_that_runs_too_long_ends_as_timeout_and_gets_its_own_grace(tmp_path: Path) -> None:
    stubborn = "trap 'echo asked' TERM; echo up; while :; do sleep 0.02; done"
    async with serving(tmp_path, kill_grace_sec=60.0) as (server, _):
        await given(server, job(1, stubborn, timeout_sec=0.3, kill_grace_sec=0.3))
        (done,) = await server.results(1)
        assert (done.reason, done.signal) == ("timeout", 9)
        assert server.bytes_of(job_id(1)).startswith(b"up\nasked\n")


async def test_a_cancelled_job_ends_as_cancelled_and_one_that_is_not_ours_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        flags = tmp_path / "flags"
        flags.mkdir()
        await given(server, *(job(n, f"touch {flags}/{n}; exec sleep 60") for n in (1, 2)))
        await running(server, 2, flags)
        await server.send("cancel", CancelOrder(job_id=job_id(1), attempt=1))
        await server.send("stop", StopOrder(job_id=job_id(2), attempt=1))
        ends = {done.job_id: (done.reason, done.signal) for done in await server.results(2)}
        assert ends == {job_id(1): ("cancelled", 15), job_id(2): ("cancelled", 9)}


async def test_much_output_arrives_byte_for_byte_with_both_streams_apart(tmp_path: Path) -> None:
    program = "import sys,os;[(os.write(1,bytes([i%256])*70000),os.write(2,b'%d.'%i)) for i in range(60)]"
    async with serving(tmp_path, output_window_bytes=256 * 1024) as (server, _):
        await given(server, job(1, (sys.executable, "-I", "-c", program)))
        (done,) = await server.results(1)
        stdout = b"".join(bytes([i % 256]) * 70_000 for i in range(60))
        stderr = b"".join(b"%d." % i for i in range(60))
        assert server.bytes_of(job_id(1)) == stdout
        assert server.bytes_of(job_id(1), "stderr") == stderr
        assert (done.output.stdout.bytes, done.output.stderr.bytes) == (len(stdout), len(stderr))
        assert done.output.stdout.digest == hashlib.sha256(stdout).hexdigest()
        assert server.repeats == 0


async def test_past_what_the_server_keeps_head_and_tail_are_sent(tmp_path: Path) -> None:
    program = "import sys;sys.stdout.write('h'*50000+'m'*50000+'t'*5000)"
    async with serving(tmp_path, output_tail_bytes=10_000) as (server, worker):
        server.output_limit = 60_000
        await given(server, job(1, (sys.executable, "-I", "-c", program)))
        (done,) = await server.results(1)
        assert server.bytes_of(job_id(1)) == b"h" * 50_000 + b"t" * 5_000
        assert done.output.stdout.lost == ((50_000, 100_000),)
        assert worker.settings.output_cap_bytes > 60_000


async def test_a_server_that_stores_no_more_does_not_hold_the_job_up(tmp_path: Path) -> None:
    """`output_limit` mutes the output: it is counted, and the job ends by itself."""
    program = "import sys;[sys.stdout.write('x'*100000) for _ in range(20)]"
    async with serving(tmp_path, output_window_bytes=64 * 1024) as (server, _):
        server.acks = False
        await given(server, job(1, (sys.executable, "-I", "-c", program)))
        await server.until(lambda: server.of("output"), "output came")
        await server.send("ack", server.ack_of(server.of("output")[0], "stop", code="output_limit"))
        server.take = lambda done: told(done, "ok")  # type: ignore[method-assign]
        (done,) = await server.results(1)
        assert done.output.stdout.bytes == 2_000_000
        assert done.exit_code == 0


async def test_no_more_run_than_there_are_slots_and_each_free_slot_is_asked_for(tmp_path: Path) -> None:
    flags, gate = tmp_path / "flags", tmp_path / "gate"
    flags.mkdir()
    async with serving(tmp_path, slots=2) as (server, _):
        wait = f"touch {flags}/$CMDEXEC_JOB_ID; until [ -e {gate} ]; do sleep 0.01; done"
        await given(server, *(job(n, wait) for n in range(5)))
        await running(server, 2, flags)
        assert len(server.of("start")) == 2
        assert len(list(flags.iterdir())) == 2
        gate.touch()
        await server.results(5)
        assert len(server.of("start")) == 5


@pytest.fixture
def all_is_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine nothing would be."""
    monkeypatch.setattr(pace, "BRIEF_SEC", 5.0)


@pytest.mark.usefixtures("all_is_brief")
async def test_brief_jobs_are_asked_for_ahead(tmp_path: Path) -> None:
    """Once jobs turn out brief, starts are asked beyond the free slots."""
    async with serving(tmp_path, slots=1) as (server, _):
        await given(server, job(1, ("true",)))
        await server.results(1)
        before = len(server.of("start"))
        server.say = lambda op, item: None if op == "start" else server.usual(op, item)
        await server.assign(*(job(n, ("true",)) for n in range(2, 8)))
        await server.until(lambda: len(server.of("start")) > before + 1, "more than one start is asked for")


@pytest.mark.usefixtures("all_is_brief")
async def test_what_was_started_ahead_is_given_back_when_no_slot_comes_free(tmp_path: Path) -> None:
    gate, ran = tmp_path / "gate", tmp_path / "ran"
    async with serving(tmp_path, slots=1, start_ahead_patience_ms=50.0) as (server, _):
        await given(server, job(1, ("true",)))
        await server.results(1)
        await server.assign(job(2, f"until [ -e {gate} ]; do sleep 0.01; done"), job(3, f"touch {ran}"))
        (released,) = await server.until(lambda: server.of("released"), "the second is given back")
        assert (released.job_id, released.why) == (job_id(3), "startedAhead")
        gate.touch()
        await server.results(2)
        assert not ran.exists()


async def test_a_waiting_job_that_is_recalled_never_runs(tmp_path: Path) -> None:
    gate, ran = tmp_path / "gate", tmp_path / "ran"
    async with serving(tmp_path, slots=1) as (server, _):
        await given(server, job(1, f"until [ -e {gate} ]; do sleep 0.01; done"), job(2, f"touch {ran}"))
        await server.until(lambda: server.of("start"), "the first is asked for")
        await server.send("stop", StopOrder(job_id=job_id(2), attempt=1))
        (released,) = await server.until(lambda: server.of("released"), "it is given back")
        assert (released.job_id, released.why) == (job_id(2), "neverSpawned")
        gate.touch()
        await server.results(1)
        assert not ran.exists()


async def test_said_twice_is_run_once(tmp_path: Path) -> None:
    ran, gate = tmp_path / "ran", tmp_path / "gate"
    async with serving(tmp_path) as (server, _):
        twice = job(1, f"echo x >> {ran}; until [ -e {gate} ]; do sleep 0.01; done")
        await given(server, twice, twice)
        await server.until(lambda: server.of("start"), "it is asked for")
        await server.assign(twice)
        beats = len(server.of("heartbeat"))
        await server.until(lambda: len(server.of("heartbeat")) > beats + 1, "it has heard that")
        gate.touch()
        await server.results(1)
        assert ran.read_text() == "x\n"
        assert len(server.of("start")) == 1


async def test_a_silent_server_ends_requeue_jobs_and_hurts_no_other(tmp_path: Path) -> None:
    """The worker ends them before its lease is over; they are given back when the server is there again."""
    flags = tmp_path / "flags"
    flags.mkdir()
    async with serving(tmp_path) as (server, _):
        server.lease_sec = 1.0
        sleeps = f"echo $$ > pid; mv pid {flags}/$CMDEXEC_JOB_ID; exec sleep 60"
        await given(server, job(1, sleeps, on_lost="requeue"), job(2, sleeps))
        await running(server, 2, flags)
        pids = {n: int((flags / job_id(n)).read_text()) for n in (1, 2)}
        mute = server.say
        server.say = lambda op, item: None if op == "heartbeat" else mute(op, item)
        await server.until(lambda: server.of("released"), "the requeue job is given back", within=5)
        (released,) = server.of("released")
        assert (released.job_id, released.why) == (job_id(1), "handedBack")
        assert not os.path.exists(f"/proc/{pids[1]}")
        assert os.path.exists(f"/proc/{pids[2]}")
        server.say = mute
        await server.send("cancel", CancelOrder(job_id=job_id(2), attempt=1))
        await server.results(1)


async def test_it_ends_by_itself_after_so_many_jobs_or_when_idle(tmp_path: Path) -> None:
    async with serving(tmp_path, max_jobs=2, slots=1) as (server, worker):
        await given(server, *(job(n, ("true",)) for n in range(4)))
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert len(server.of("done")) == 2
        assert {one.why for one in server.of("released")} <= {"handedBack", "startedAhead"}
        assert len(server.of("released")) == 2
        idle = RunningWorker(server, tmp_path / "idle", idle_timeout_sec=0.1)
        assert await asyncio.wait_for(idle.task, 10) == 0


async def test_a_job_that_was_too_late_to_begin_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker was stopped for longer than its lease: what it may begin it begins not."""
    async with serving(tmp_path, max_jobs=1, slots=1) as (server, worker):
        with monkeypatch.context() as stopped:
            stopped.setattr(Lease, "in_time", lambda _lease: False)
            await given(server, job(1, "echo x", on_lost="requeue"))
            await server.until(lambda: server.of("released"), "it is given back")
        await server.assign(job(2, "echo x", on_lost="requeue"))
        assert (await server.results(1))[0].job_id == job_id(2)
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert [(one.job_id, one.why) for one in server.of("released")] == [(job_id(1), "neverSpawned")]


async def test_a_heartbeat_says_how_the_machine_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.until(lambda: len(server.of("heartbeat")) > 1, "two heartbeats")
        beat = server.of("heartbeat")[-1]
        assert beat.jobs == ()
        assert beat.stats.memory_total_bytes > 2**26
        assert 0 <= beat.stats.cpu <= 1
        assert isinstance(server.usual("heartbeat", beat), Beat)


async def test_while_the_journal_cannot_be_written_nothing_starts_and_results_still_come(tmp_path: Path) -> None:
    """A bound on the size of files stands in for a full disk."""
    gate, limits = tmp_path / "gate", resource.getrlimit(resource.RLIMIT_FSIZE)
    async with serving(tmp_path) as (server, _):
        await given(server, job(1, f"echo begun; until [ -e {gate} ]; do sleep 0.01; done"))
        await server.until(lambda: server.bytes_of(job_id(1)), "it runs")
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
            await server.assign(job(2, "echo second"))
            beats = len(server.of("heartbeat"))
            await server.until(lambda: len(server.of("heartbeat")) > beats + 1, "it has heard that, and lives")
            assert len(server.of("start")) == 1
            said = "its journal cannot be written (File too large), so it begins no job"
            assert server.of("heartbeat")[-1].stats.trouble == said, "and says so to its server"
            os.mkfifo(gate)  # has no size
            (done,) = await server.results(1)
            assert (done.job_id, done.exit_code) == (job_id(1), 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await server.results(2)
        assert server.bytes_of(job_id(2)) == b"second\n"
        beats = len(server.of("heartbeat"))
        await server.until(lambda: len(server.of("heartbeat")) > beats, "another heartbeat")
        assert server.of("heartbeat")[-1].stats.trouble is None
