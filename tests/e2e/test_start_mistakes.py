"""Starts as people make them: with what is no mistake at all, with what is waited for, and with what is refused and
then mended, after which everything is there. Each sentence is held by the unit tests of the command line."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cmdexec.settings.env_file import env_example
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.engine import FILE
from tests.support.cli import command, run
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import holds, until

SECRET = "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"


def test_a_refused_server_has_all_its_jobs_when_the_mistake_is_mended(tmp_path: Path) -> None:
    server = Server(tmp_path / "s").start()
    with ends(server):
        jobs = server.api().create_many([{"command": "true"}] * 100)
        assert server.stop() == 0
        _write(server.data / FILE, "PRAGMA user_version = 99")
        result = run(tmp_path / "c", ["serve", "--port", "0", "--data-dir", str(server.data)])
        assert (result.code, result.stdout, len(result.stderr.splitlines())) == (1, b"", 1)
        assert "was written by a newer cmdexec (its tables are version 99" in result.stderr
        _write(server.data / FILE, f"PRAGMA user_version = {schema.newest()}")
        server.start()
        api = server.api()
        assert [api.job(job_id)["status"] for job_id in jobs] == ["queued"] * 100
        assert server.stop() == 0


def _write(file: Path, sql: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(sql)


def test_a_worker_waits_for_a_server_that_is_not_there_and_says_so_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "s", **FAST).start()
    worker = Worker(server, "w", **FAST | {"RECONNECT_MAX_SEC": "50ms", "LOG_LEVEL": "debug"})
    with ends(server, worker):
        server.stop()
        worker.start()
        until(lambda: worker.log.read_text().count("still not connected") >= 5, "it goes on trying")
        holds(worker.running, "it does not end", 0.1)
        said = [line for line in worker.log.read_text().splitlines() if " warning not connected" in line]
        assert len(said) == 1
        assert f"The server at {server.url} cannot be reached: nothing answers there. Is it running?" in said[0]
        server.start()
        api = server.api()
        worker.wait_online(api)
        assert api.wait_ended([api.create({"command": "echo hello"})["jobId"]])[0]["status"] == "completed"
        assert (worker.stop(), server.stop()) == (0, 0)


@pytest.mark.parametrize(
    "shell",
    [
        'unset HOME; exec "$@" <&-',
        'HOME= TMPDIR=/no/such/folder LANG=xx exec "$@"',
        'HOME=/no/such/home XDG_RUNTIME_DIR=/no/such exec "$@"',
    ],
)
def test_an_odd_environment_is_no_mistake(tmp_path: Path, shell: str) -> None:
    with command(tmp_path, "run", "--standalone", "--", "echo", "hello", by=shell) as running:
        result = running.ended(60)
    assert (result.code, result.stdout, result.stderr) == (0, b"hello\n", "")


def test_one_env_file_starts_a_server_and_its_workers(tmp_path: Path) -> None:
    """What people do: copy the example, take the lines that they want, and start both where it lies. They even share
    the folder that it names."""
    server = Server(tmp_path)
    for name in ("WORKER_TOKEN_SECRET", "DISK_RESERVE_BYTES"):
        del server.environment[name]
    with ends(server):
        lines = f"PORT=0\nDATA_DIR={server.data}\nWORKER_TOKEN_SECRET={SECRET}\nALLOW_HOST=true\nDISK_RESERVE_BYTES=0\n"
        (tmp_path / ".env").write_text(env_example() + lines + "AUTO_START=false\nSLOTS=2\nCMDEXEC_ENV=development\n")
        server.start()
        (tmp_path / ".env").write_text(f"{env_example()}{lines}SERVER_URL={server.url}\nWORKER_NAME=w\n")
        worker = Worker(server, "w")
        worker.arguments = [*worker.arguments[:3], "worker", "--headless"]
        del worker.environment["WORKER_TOKEN_SECRET"]
        del worker.environment["WORKER_NAME"]
        with ends(worker):
            api = server.api()
            worker.start(api)
            job_id = api.create({"command": "echo hello"})["jobId"]
            assert api.wait_ended([job_id])[0]["status"] == "completed"
            assert api.output(job_id) == b"hello\n"
            assert (worker.stop(), server.stop()) == (0, 0)
        for log in (server.log, worker.log):
            assert "Warning" not in log.read_text()
