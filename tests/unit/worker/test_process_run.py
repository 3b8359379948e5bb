"""What a job gets and what is told of it: output, exit code and signal, environment, folder, descriptors."""

import hashlib
from pathlib import Path

import pytest

from cmdexec.worker.executors.contract import Order
from tests.support.executor import ENV, PYTHON, Recorder, begin, open_descriptors, opened, run
from tests.support.waiting import becomes, stays


async def test_output_and_exit_code_are_told_in_order() -> None:
    async with opened() as executor:
        job = await run(executor, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (job.stdout, job.stderr) == (b"out\n", b"err\n")
    assert job.calls[0] == "started"
    assert job.calls[-1] == "ended"
    assert job.pid > 0
    [end] = job.ends
    assert (end.exit_code, end.signal, end.start_error, end.executor_lost) == (3, None, None, False)
    assert (end.left, end.survivors, end.output_cut) == (0, (), False)


async def test_a_signal_is_told_apart_from_an_exit_code() -> None:
    async with opened() as executor:
        killed = await run(executor, "sh", "-c", "kill -KILL $$")
        posing = await run(executor, "sh", "-c", "exit 137")
    assert (killed.ends[0].exit_code, killed.ends[0].signal) == (None, 9)
    assert (posing.ends[0].exit_code, posing.ends[0].signal) == (137, None)


async def test_ten_megabytes_of_binary_arrive_whole_and_apart() -> None:
    script = """
import os, sys
block = bytes(range(256)) * 4096
for n in range(10):
    sys.stdout.buffer.write(block)
    sys.stderr.buffer.write(block[:: -1])
"""
    block = bytes(range(256)) * 4096
    async with opened() as executor:
        job = await run(executor, *PYTHON, script)
    assert job.ends[0].exit_code == 0
    assert hashlib.sha256(job.stdout).digest() == hashlib.sha256(block * 10).digest()
    assert hashlib.sha256(job.stderr).digest() == hashlib.sha256(block[::-1] * 10).digest()


async def test_output_comes_while_the_job_runs() -> None:
    async with opened() as executor:
        job = begin(executor, "sh", "-c", "echo begun; exec sleep 600")
        await job.says(b"begun\n")
        assert not job.ends


TOO_LONG = "arguments and environment together are longer than this machine allows"


@pytest.mark.parametrize(
    ("argv", "cwd", "sentence"),
    [
        (("frob",), "/", "no such program: frob"),
        (("/no/such/frob",), "/", "no such program: /no/such/frob"),
        (("",), "/", "no such program: "),
        (("true",), "/no/such/folder", "no such folder: /no/such/folder"),
        (("true",), "/etc/passwd", "not a folder: /etc/passwd"),
        (("/etc/passwd",), "/", "not executable: /etc/passwd"),
        (("/etc",), "/", "not executable: /etc"),
        (("echo", "a\0b"), "/", "an argument holds a NUL character"),
        (("true", *["x" * 100_000] * 100), "/", TOO_LONG),
    ],
)
async def test_why_no_process_could_be_made(argv: tuple[str, ...], cwd: str, sentence: str) -> None:
    async with opened() as executor:
        job = await run(executor, *argv, cwd=cwd)
    assert job.calls == ["ended"]
    assert job.ends[0].start_error == sentence


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"A": "x\0y"}, "the environment variable A holds a NUL character"),
        ({"A=B": "x"}, "not a name for an environment variable: 'A=B'"),
    ],
)
async def test_an_environment_that_cannot_be(env: dict[str, str], sentence: str) -> None:
    async with opened() as executor:
        job = await run(executor, "true", env=ENV | env)
    assert job.ends[0].start_error == sentence


async def test_programs_are_found_as_a_shell_finds_them(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, mode, text in (
        ("mine", 0o755, "#!/bin/sh\necho mine"), ("plain", 0o644, "#!/bin/sh\n"), ("orphan", 0o755, "#!/no/such\n"),
        ("noise", 0o755, "\1\2\3"),
    ):  # fmt: skip
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(mode)
    env = {"PATH": f"/no/such:/bin:/usr/bin:{tmp_path}/bin"}
    async with opened() as executor:
        assert (await run(executor, "mine", env=env)).stdout == b"mine\n"
        assert (await run(executor, "./bin/mine", cwd=str(tmp_path))).stdout == b"mine\n"
        failed = {name: await run(executor, name, env=env) for name in ("plain", "orphan", "noise")}
    assert {name: job.ends[0].start_error for name, job in failed.items()} == {
        "plain": "not executable: plain",
        "orphan": "the interpreter that orphan names in its first line is missing",
        "noise": "not a program that this machine can run: noise",
    }


async def test_the_environment_is_exactly_what_was_given(tmp_path: Path) -> None:
    env = {"PATH": "/bin:/usr/bin", "ÄÖ": "ü €", "EMPTY": "", "LINES": "a\nb"}
    async with opened() as executor:
        job = await run(executor, "env", "-0", env=env)
    assert sorted(job.stdout.decode().split("\0")[:-1]) == sorted(f"{key}={value}" for key, value in env.items())


async def test_the_folder_is_the_one_asked_for(tmp_path: Path) -> None:
    async with opened() as executor:
        jobs = [begin(executor, "pwd", "-P", cwd=cwd) for cwd in (str(tmp_path), "/usr", str(tmp_path))]
        for job in jobs:
            await job.end()
    assert [job.stdout.decode().strip() for job in jobs] == [str(tmp_path.resolve()), "/usr", str(tmp_path.resolve())]


async def test_a_job_has_three_descriptors_and_its_own_session() -> None:
    script = """
import os, sys
print(sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1], os.readlink("/proc/self/fd/0"))
print(os.getsid(0) == os.getpid())
"""
    async with opened() as executor:
        executor.start([])
        neighbour = begin(executor, "sleep", "600")
        job = await run(executor, *PYTHON, script)
        executor.stop(neighbour.key, 0)
    assert job.stdout == b"[0, 1, 2] /dev/null\nTrue\n"


async def test_a_job_ignores_and_blocks_no_signal() -> None:
    async with opened() as executor:
        job = await run(executor, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    _, blocked, _, ignored = job.stdout.split()
    assert int(blocked, 16) == 0
    # 32 and 33 are the C library's own; its posix_spawn sets them so.
    assert int(ignored, 16) & ~(0b11 << 31) == 0


async def test_an_order_too_large_for_a_message_runs_too() -> None:
    many = ["x" * 100_000] * 8
    async with opened() as executor:
        job = await run(executor, *PYTHON, "import sys; print(sum(map(len, sys.argv[1:])))", *many)
        assert (await run(executor, "echo", "next")).stdout == b"next\n"
    assert job.stdout == b"800000\n"


async def test_what_was_used_is_told() -> None:
    script = "import time\nblock = b'x' * 60_000_000\nwhile time.process_time() < 0.1: pass"
    async with opened() as executor:
        end = await run(executor, "sh", "-c", '"$0" -I -S -c "$1"; true', PYTHON[0], script)
    assert 0.09 < end.ends[0].cpu_sec < 5
    assert 60_000_000 < end.ends[0].peak_rss_bytes < 200_000_000


BOTH = 'echo "$0"; echo "$0" >&2'


async def test_five_hundred_quick_jobs_keep_their_outputs_apart() -> None:
    waiting = [f"n{number}.1" for number in range(500)]
    recorders: list[Recorder] = []
    before = open_descriptors()

    async with opened() as executor:

        def start(count: int) -> None:
            batch = [waiting.pop() for _ in range(min(count, len(waiting)))]
            made = [Next(executor, key) for key in batch]
            recorders.extend(made)
            executor.start([(Order(it.key, ("sh", "-c", BOTH, it.key), ENV, "/"), it) for it in made])

        class Next(Recorder):
            def ended(self, end: object) -> None:
                super().ended(end)  # type: ignore[arg-type]
                start(1)

        start(8)
        await becomes(lambda: len(recorders) == 500 and all(it.ends for it in recorders), "all ended", within=20)
    assert {it.stdout for it in recorders} == {f"n{number}.1\n".encode() for number in range(500)}
    assert all(it.stdout == it.stderr == f"{it.key}\n".encode() and len(it.ends) == 1 for it in recorders)
    assert all(it.ends[0].exit_code == 0 and it.ends[0].left == 0 for it in recorders)
    assert open_descriptors() <= before


async def test_a_batch_larger_than_one_message_starts_whole() -> None:
    async with opened() as executor:
        recorders = [Recorder(executor, f"b{number}.1") for number in range(300)]
        executor.start([(Order(it.key, ("echo", it.key), ENV, "/"), it) for it in recorders])
        for recorder in recorders:
            assert (await recorder.end(within=20)).exit_code == 0
    assert all(it.stdout == f"{it.key}\n".encode() for it in recorders)


async def test_a_paused_job_waits_and_goes_on(tmp_path: Path) -> None:
    script = """
import os, sys
for n in range(40):
    os.write(1, bytes([n]) * 25_000)
    open(sys.argv[1], "w").write(str(n))
"""
    path = tmp_path / "written"
    async with opened() as executor:
        job = begin(executor, *PYTHON, script, str(path))
        executor.pause(job.key)
        await becomes(lambda: path.exists() and path.read_text(), "it writes")
        await becomes(lambda: job.pid and _sleeps(job.pid), "it waits")
        written = path.read_text()
        await stays(lambda: path.read_text() == written, "it writes no more", during=0.1)
        assert int(written) < 39
        assert job.stdout == b""
        executor.resume(job.key)
        assert (await job.end()).exit_code == 0
    assert job.stdout == b"".join(bytes([number]) * 25_000 for number in range(40))


def _sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


async def test_a_paused_job_that_has_ended_gives_its_output_on_resume() -> None:
    async with opened(drain_sec=0.1) as executor:
        job = begin(executor, "sh", "-c", "echo kept; exec sleep 0.01")
        executor.pause(job.key)
        await becomes(lambda: job.pid and not Path(f"/proc/{job.pid}").exists(), "it has ended")
        await stays(lambda: job.calls == ["started"], "nothing is told while it is paused", during=0.3)
        executor.resume(job.key)
        end = await job.end()
    assert job.stdout == b"kept\n"
    assert not end.output_cut
