"""`cmdexec serve`, `cmdexec worker` and `cmdexec run` together, as a person uses them on one machine."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.support import proc
from tests.support.cli import command, run
from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.waiting import until

COUNT = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; exit 7"


def test_run_finds_the_server_and_its_worker(tmp_path: Path) -> None:
    """`serve --with-worker`, then `run`, with nothing else said."""
    server = Server(tmp_path / "s", "--with-worker").start()
    with ends(server):
        result = run(tmp_path / "c", ["run", "--data-dir", str(server.data), "--", "echo out; echo err >&2; exit 4"])
        assert (result.code, result.stdout, result.stderr) == (4, b"out\n", "err\n")
        left = server.data / "runtime.json"
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        assert server.stop() == 0
        assert not left.exists()
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")


def test_output_goes_on_after_the_server_was_killed_and_started_anew(tmp_path: Path) -> None:
    server = Server(tmp_path / "s", **FAST).start()
    worker = Worker(server, "w", **FAST)
    with ends(server, worker):
        worker.start(server.api())
        with command(tmp_path / "c", "run", "--data-dir", str(server.data), "--", COUNT) as running:
            running.shows(b"line 50\n")
            server.kill9()
            server.start()
            result = running.ended(60)
    assert result.stdout == b"".join(b"line %d\n" % number for number in range(300)), result.stderr
    assert result.code == 7


def test_a_wrong_token_is_told(tmp_path: Path) -> None:
    server = Server(tmp_path / "s").start()
    with ends(server):
        given = {"SERVER_URL": server.url, "CMDEXEC_TOKEN": "a-token-that-nobody-knows"}
        result = run(tmp_path / "c", ["run", "--", "true"], given)
    assert (result.code, result.stdout) == (125, b"")
    assert result.stderr.startswith("cmdexec: ")
    assert "Traceback" not in result.stderr
    assert given["CMDEXEC_TOKEN"] not in result.stderr


def test_a_server_that_has_gone_is_told(tmp_path: Path) -> None:
    server = Server(tmp_path / "s").start()
    with ends(server):
        assert server.stop() == 0
    result = run(tmp_path / "c", ["run", "--data-dir", str(server.data), "--", "true"])
    assert result.code == 125
    assert "cmdexec serve" in result.stderr


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    server = Server(tmp_path / "s").start()
    with ends(server):
        result = run(tmp_path / "c", ["serve", "--port", str(server.port), "--data-dir", str(tmp_path / "other")])
    assert result.code == 1
    assert str(server.port) in result.stderr
    assert len(result.stderr.splitlines()) <= 3
    assert "Traceback" not in result.stderr


def test_a_second_server_on_the_same_folder_names_the_first(tmp_path: Path) -> None:
    server = Server(tmp_path / "s").start()
    with ends(server):
        result = run(tmp_path / "c", ["serve", "--port", "0", "--data-dir", str(server.data)])
        assert result.code == 1
        assert str(server.pid) in result.stderr
        assert "Traceback" not in result.stderr
        assert json.loads((server.data / "runtime.json").read_text())["pid"] == server.pid


def test_a_second_worker_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path / "s").start()
    worker = Worker(server, "w")
    with ends(server, worker):
        worker.start(server.api())
        arguments = ["worker", "--headless", "--allow-host", "--server", server.url, "--data-dir", str(worker.data)]
        result = run(tmp_path / "c", arguments, {"WORKER_TOKEN_SECRET": server.secret})
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert str(worker.pid) in result.stderr


def test_a_worker_that_may_run_nothing_says_what_to_do(tmp_path: Path) -> None:
    arguments = ["worker", "--headless", "--server", "http://127.0.0.1:9", "--data-dir", str(tmp_path / "w")]
    result = run(tmp_path / "c", arguments, {"ALLOW_CONTAINERS": "false"})
    assert result.code == 1
    assert "--allow-host" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["serve", "--port", "0"], ["worker", "--headless", "--allow-host"]])
def test_a_data_folder_that_is_none_is_told(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "file").write_text("")
    result = run(
        tmp_path / "c", [*arguments, "--data-dir", str(tmp_path / "file")], {"SERVER_URL": "http://127.0.0.1:9"}
    )
    assert result.code == 1
    assert str(tmp_path / "file") in result.stderr
    assert "Traceback" not in result.stderr


def test_ctrl_c_stops_a_server_and_its_worker(tmp_path: Path) -> None:
    """A terminal sends it to both at once."""
    arguments = ["serve", "--port", "0", "--with-worker", "--data-dir", str(tmp_path / "s")]
    with command(tmp_path / "c", *arguments, MARK=str(tmp_path)) as server:
        server.says("The server listens at http://127.0.0.1:")
        until(lambda: len(proc.with_marker(str(tmp_path))) >= 2, "the worker runs")
        server.press()
        assert server.ended(30).code == 0
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")


def test_a_server_with_closed_streams_and_its_worker_run_jobs(tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--with-worker", "--data-dir", str(tmp_path / "s")]
    with command(tmp_path / "c", *arguments, by='exec "$@" <&- >&- 2>&-', MARK=str(tmp_path)) as server:
        until(lambda: (tmp_path / "s" / "runtime.json").exists(), "it listens", 20)
        result = run(tmp_path / "r", ["run", "--data-dir", str(tmp_path / "s"), "--", "echo out; echo err >&2; exit 4"])
        assert (result.code, result.stdout, result.stderr) == (4, b"out\n", "err\n")
        server.send(signal.SIGTERM)
        assert server.ended(30).code == 0
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")


def test_a_server_stops_while_its_worker_is_still_starting(tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--with-worker", "--data-dir", str(tmp_path / "s")]
    with command(tmp_path / "c", *arguments, MARK=str(tmp_path)) as server:
        server.says("The server listens at http://127.0.0.1:")
        server.send(signal.SIGTERM)
        assert server.ended(20).code == 0
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")


def test_a_second_signal_stops_a_server_at_once_and_its_worker_hands_back(tmp_path: Path) -> None:
    """The job that holds up the first one is ended, and the next server in this folder is told so."""
    server = Server(tmp_path / "s", "--with-worker", **FAST | {"SERVER_DRAIN_SEC": "1h"}).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "echo $$; exec sleep 60"})["jobId"]
        until(lambda: api.output(job_id), "the job runs")
        pid = int(api.output(job_id))
        server.send(signal.SIGTERM)
        until(lambda: api.call("GET", "/api/ready")[0] == 503, "it drains")
        assert proc.alive(pid), "one signal lets jobs end by themselves"
        server.send(signal.SIGTERM)
        assert server.wait(10) == 1
        until(lambda: not proc.with_marker(str(tmp_path)), "worker and job have ended", within=30)
        server.start()
        job = server.api().wait_status(job_id, "failed", within=30)
        assert (job["reason"], job["run"]) == ("worker", 1)
        assert server.stop() == 0


def _words(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def test_the_first_admin_is_shown_once(tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--data-dir", str(tmp_path / "s")]
    for start in (1, 2):
        with command(tmp_path / f"c{start}", *arguments) as server:
            server.says("The server listens at")
            server.send(signal.SIGTERM)
            result = server.ended()
            assert result.code == 0
            assert ("The first user is admin@localhost, password " in result.stderr) == (start == 1)


def test_a_killed_server_takes_its_worker_up_again(tmp_path: Path) -> None:
    """The worker and its job outlive it."""
    server = Server(tmp_path / "s", "--with-worker", **FAST).start()
    with ends(server):
        api = server.api()
        until(lambda: [one for one in workers(api) if one["state"] == "online"], "its worker is online")
        job_id = api.create({"command": "echo $$; exec sleep 60"})["jobId"]
        until(lambda: api.output(job_id), "the job runs")
        pid = int(api.output(job_id))
        server.kill9()
        server.start()
        api = server.api()
        until(lambda: [one for one in workers(api) if one["state"] == "online"], "its worker is online again")
        assert len(workers(api)) == 1
        assert proc.alive(pid)
        assert api.job(job_id)["status"] == "running"
        api.cancel(job_id)
        assert api.wait_ended([job_id])[0]["status"] == "cancelled"
        assert not proc.alive(pid)
        assert server.stop() == 0
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")


def test_the_worker_of_a_killed_server_finds_the_next_on_another_port(tmp_path: Path) -> None:
    """Its jobs go on, and it takes others. The data folder is reached through a link, as a home folder may be."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    server = Server(tmp_path / "link", "--with-worker", **FAST).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "echo $$; exec sleep 60"})["jobId"]
        until(lambda: api.output(job_id), "the job runs")
        pid, before = int(api.output(job_id)), server.port
        server.kill9()
        server.port = 0
        server.start()
        assert server.port != before
        result = run(tmp_path / "c", ["run", "--data-dir", str(server.data), "--", "echo", "hello"])
        assert (result.code, result.stdout) == (0, b"hello\n")
        assert proc.alive(pid)
        assert server.api().job(job_id)["status"] == "running"
        server.api().cancel(job_id)
        until(lambda: not proc.alive(pid), "the job has ended")
        server.send(signal.SIGHUP)
        assert server.wait(40) == 0, "a closed terminal is no kill"
    until(lambda: not proc.with_marker(str(tmp_path)), "server and worker have ended")


def test_an_unreadable_folder_is_told(tmp_path: Path) -> None:
    left = tmp_path / "runtime.json"
    left.write_text("nonsense")
    os.chmod(left, 0o600)
    result = run(tmp_path / "c", ["run", "--data-dir", str(tmp_path), "--", "true"])
    assert result.code == 125
    assert "is not what a server writes" in result.stderr


def test_a_server_for_other_machines_says_at_which_address_they_reach_it(tmp_path: Path) -> None:
    arguments = ["serve", "--port", "0", "--host", "0.0.0.0", "--insecure-http", "--data-dir", str(tmp_path / "s")]
    with command(tmp_path / "c", *arguments) as server:
        server.says("Other machines reach it at http://")
        address = server.stderr().partition("reach it at ")[2].partition(".\n")[0]
        told = run(tmp_path / "t", ["join-token", "create", "--data-dir", str(tmp_path / "s")]).stderr
        assert f"--server {address} --join" in told
        assert "of this machine alone" not in told
        assert "127.0.0.1" not in told
        shown = run(tmp_path / "t", ["workers", "--server", address], {"CMDEXEC_TOKEN": _token(tmp_path / "s")})
        assert shown.code == 0, shown.stderr
        server.send(signal.SIGTERM)


def _token(data: Path) -> str:
    token: str = json.loads((data / "runtime.json").read_text())["token"]
    return token
