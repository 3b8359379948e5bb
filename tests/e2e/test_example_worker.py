"""The worker of docs/examples, a script of the standard library alone, runs jobs to their end on a real server."""

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.support.api import Api
from tests.support.proxy import Spoilt, proxying
from tests.support.system import FAST, Process, Server, clean_environment, ends, workers
from tests.support.waiting import until

SCRIPT = Path(__file__).parents[2] / "docs/examples/worker.py"


class Example(Process):
    def __init__(self, server: Server, name: str, slots: int, url: str | None = None) -> None:
        environment = clean_environment(HOME=str(server.folder), WORKER_TOKEN_SECRET=server.secret)
        super().__init__([], environment, server.folder / f"{name}.log")
        self.arguments = [sys.executable, str(SCRIPT), url or server.url, name, str(slots)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("example"), **FAST)
    with ends(server):
        server.start()
        api, example = server.api(), Example(server, "example", 2)
        with ends(example):
            example.spawn()
            until(lambda: any(one["state"] == "online" for one in workers(api)), "it is online")
            yield server


def test_it_is_no_longer_than_sixty_lines_of_the_standard_library() -> None:
    lines = SCRIPT.read_text().splitlines()
    assert len(lines) <= 60
    imported = [word for line in lines if line.startswith("import ") for word in line[7:].split(", ")]
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_jobs_end_as_they_ended_with_all_that_they_wrote(server: Server) -> None:
    api = server.api()
    large = "import sys; sys.stdout.write('x' * 300_000); sys.stderr.write('y' * 300_000)"
    commands: list[tuple[object, str, int | None, int | None, bytes, bytes]] = [
        ("echo out; echo err >&2; exit 3", "failed", 3, None, b"out\n", b"err\n"),
        (["printf", "%s|", "a b", "$HOME", "*"], "completed", 0, None, b"a b|$HOME|*|", b""),
        ([sys.executable, "-c", large], "completed", 0, None, b"x" * 300_000, b"y" * 300_000),
        ("echo $GREETING", "completed", 0, None, b"hello\n", b""),
        ("kill -9 $$", "failed", None, 9, b"", b""),
        (["/no/such/program"], "failed", 127, None, b"", b""),
    ]
    ids = api.create_many([{"command": command, "env": {"GREETING": "hello"}} for command, *_ in commands])
    for job, (_, status, exit_code, signal, out, err) in zip(api.wait_ended(ids, 30), commands, strict=True):
        assert (job["status"], job["exitCode"], job["signal"], job["attempt"]) == (status, exit_code, signal, 1), job
        assert hashlib.sha256(api.output(job["jobId"])).digest() == hashlib.sha256(out).digest()
        if err:
            assert hashlib.sha256(api.output(job["jobId"], "stderr")).digest() == hashlib.sha256(err).digest()
        assert (job["output"]["stdout"]["whole"], job["output"]["stderr"]["whole"]) == (True, True)


def test_it_gets_no_job_that_names_a_part_of_the_machine(server: Server) -> None:
    api = server.api()
    parted, plain = api.create_many([{"command": "true", "ramMb": 16}, {"command": "true"}])
    api.wait_ended([plain], 10)
    job = api.job(parted)
    assert (job["status"], job["startedAt"]) == ("queued", None)
    assert job["waitingFor"].startswith("no worker has limits for single jobs; the nearest, ")
    api.cancel(parted)


def test_two_run_at_a_time_and_their_output_is_there_while_they_run(server: Server, tmp_path: Path) -> None:
    api = server.api()
    waits = f"echo here; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    first, second, third = api.create_many([{"command": waits}] * 3)
    for job_id in (first, second):
        until(lambda job_id=job_id: api.output(job_id) == b"here\n", "it has written", 10)
    assert api.job(third)["status"] == "queued"
    (tmp_path / "go").touch()
    assert {job["status"] for job in api.wait_ended([first, second, third])} == {"completed"}


def test_a_job_is_told_which_it_is_and_none_of_the_workers_secrets(server: Server) -> None:
    job_id = server.api().create({"command": "env", "env": {"GREETING": "hello"}})["jobId"]
    server.api().wait_ended([job_id], 20)
    told = dict(line.partition("=")[::2] for line in server.api().output(job_id).decode().splitlines())
    assert (told["CMDEXEC_JOB_ID"], told["CMDEXEC_ATTEMPT"], told["GREETING"]) == (job_id, "1", "hello")
    shells_own = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert told.keys() - shells_own == {"PATH", "HOME", "GREETING", "CMDEXEC_JOB_ID", "CMDEXEC_ATTEMPT"}


def cancelled(api: Api, command: str) -> dict[str, object]:
    job_id = api.create({"command": command})["jobId"]
    until(lambda: api.output(job_id) == b"here\n", "it has written", 10)
    began = time.monotonic()
    api.cancel(job_id)
    (job,) = api.wait_ended([job_id], 10)
    assert time.monotonic() - began < 5
    return job


def test_a_cancelled_one_ends_also_if_it_will_not(server: Server) -> None:
    job = cancelled(server.api(), "echo here; sleep 600")
    assert (job["status"], job["signal"], job["confirmed"]) == ("cancelled", 15, True)
    job = cancelled(server.api(), "trap '' TERM; echo here; while :; do sleep 0.1; done")
    assert (job["status"], job["signal"], job["confirmed"]) == ("cancelled", 9, True)
    job = cancelled(server.api(), "trap 'exit 143' TERM; echo here; while :; do sleep 0.1; done")
    assert (job["status"], job["exitCode"], job["confirmed"]) == ("cancelled", 143, True)


def test_one_that_takes_too_long_is_ended(server: Server) -> None:
    job_id = server.api().create({"command": "sleep 600", "timeoutSec": 0.3})["jobId"]
    (job,) = server.api().wait_ended([job_id], 10)
    assert (job["status"], job["reason"]) == ("failed", "timeout")


def test_a_job_goes_on_while_the_server_is_killed_and_started_again(server: Server, tmp_path: Path) -> None:
    command = f"echo before; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo after"
    job_id = server.api().create({"command": command})["jobId"]
    until(lambda: server.api().output(job_id) == b"before\n", "it has written", 10)
    server.kill9()
    (tmp_path / "go").touch()
    server.start()
    (job,) = server.api().wait_ended([job_id], 20)
    assert (job["status"], job["attempt"], job["output"]["stdout"]["whole"]) == ("completed", 1, True)
    assert server.api().output(job_id) == b"before\nafter\n"


@pytest.mark.parametrize("how", get_args(Spoilt))
def test_no_work_is_lost_behind_a_proxy_that_loses_calls_or_their_answers(tmp_path: Path, how: Spoilt) -> None:
    """Nor does it stop to beat, to take orders, or to take jobs. The job of a poll whose answer broke off is lost."""
    server = Server(tmp_path, **FAST)
    with ends(server):
        server.start()
        with proxying(server.port) as proxy:
            example = Example(server, "behind", 2, proxy.url)
            polls = {"/api/jobs/get-job": [how]} if how == "502" else {}
            posts = ("jobs/stream-output", "jobs/submit-result", "workers/register", "workers/heartbeat")
            proxy.spoil = {f"/api/{path}": [how, how] for path in posts} | polls
            with ends(example):
                example.spawn()
                api = server.api()
                ids = api.create_many([{"command": f"echo one {n}; sleep 0.1; echo two"} for n in range(4)])
                for n, job in enumerate(api.wait_ended(ids, 30)):
                    told = (job["status"], job["attempt"], job["output"]["stdout"]["whole"])
                    assert told == ("completed", 1, True), job
                    assert api.output(job["jobId"]) == b"one %d\ntwo\n" % n
                assert not any(proxy.spoil.values()), "all of it happened"
                assert cancelled(api, "echo here; sleep 600")["status"] == "cancelled"
