"""Containers as people and programs ask for them: by the command line, and from Python."""

import json
from pathlib import Path

import cmdexec
from tests.support.api import Api
from tests.support.cli import command
from tests.support.containers import IMAGE, docker
from tests.support.system import Server, Worker
from tests.support.waiting import until

HERE = "run", "--standalone", "--image", IMAGE, "--pull", "never"


def test_a_command_runs_in_one_as_if_it_ran_here(tmp_path: Path) -> None:
    script = "id -u; pwd; cat; echo apart >&2; exit 3"
    (tmp_path / "in").write_bytes(b"\x00\xff")
    with (tmp_path / "in").open("rb") as given:
        with command(tmp_path, *HERE, "--user", "1000:1000", "--", script, stdin=given.fileno()) as run:
            ended = run.ended(40)
    waits = "cmdexec: Waiting: "  # on a busy machine, until its worker is there
    told = [line for line in ended.stderr.splitlines() if not line.startswith(waits)]
    assert (ended.code, ended.stdout, told) == (3, b"1000\n/job\n\x00\xff", ["apart"])


def test_ctrl_c_leaves_no_container(tmp_path: Path) -> None:
    with command(tmp_path, *HERE, "--", f"echo up; : {tmp_path.name}; exec sleep 60") as run:
        run.shows(b"up\n", 30)
        assert ours(tmp_path.name)
        run.press()
        assert run.ended(30).code == 130
    until(lambda: not ours(tmp_path.name), "its container is gone")


def ours(marker: str) -> list[str]:
    """The containers whose command has that in it."""
    found = docker("ps", "--all", "--no-trunc", "--format", "{{json .}}").splitlines()
    return [one["Names"] for one in map(json.loads, found) if f": {marker};" in one["Command"]]


def test_without_an_engine_it_is_said_why_it_waits(tmp_path: Path) -> None:
    engine = f"unix://{tmp_path}/none.sock"
    with command(tmp_path, *HERE, "--", "true", DOCKER_HOST=engine) as run:
        until(lambda: b"no worker runs containers" in run.err.read_bytes(), "it is said", 30)
        run.press()
        ended = run.ended(30)
    assert ended.code == 130
    assert "or cancel it and submit it without `--image`." in ended.stderr


def test_from_python(system: tuple[Server, Worker], api: Api) -> None:
    server, _ = system
    with cmdexec.connect(server.url, str(api.token)) as c:
        result = c.run("echo $HOME; echo $0", container_image=IMAGE, pull="never")
    assert (result.stdout, result.exit_code) == (b"/job\n/bin/sh\n", 0)
    shown = next(one for one in api.ask("GET", "/api/workers/list")["workers"] if one["state"] == "online")
    assert shown["executors"] == ["process", "container"]
