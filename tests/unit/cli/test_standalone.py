"""What the private server of `run --standalone` is given, where it lives, and that nothing of it stays."""

import os
from pathlib import Path

import pytest

from cmdexec.cli import standalone
from cmdexec.cli.lifeline import Lifeline
from cmdexec.cli.standalone import Standalone
from cmdexec.clock import SystemClock
from cmdexec.errors import CmdexecError
from cmdexec.settings.load import DECLARED, load
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings


def test_no_setting_of_the_callers_environment_reaches_it() -> None:
    """They are about another server; a wrong one must not keep this from starting."""
    names = {setting.name for side in DECLARED.values() for setting in side if setting.name != "SERVER_DRAIN_SEC"}
    names |= {f"{name}_FILE" for name in names} | {name for side in NOT_PROVIDED.values() for name in side}
    around = dict.fromkeys(names, "nonsense") | {"HOME": "h", "LANG": "C", "NODE_ENV": "x"}
    given = standalone._environment(around, Path("folder"))
    assert given == {"HOME": "h", "LANG": "C", "SERVER_DRAIN_SEC": "1.0", "WORK_DIR": "folder/work"}
    assert load(ServerSettings, environ=given, dotenv=None).settings.server_drain_sec == standalone.DRAIN_SEC


def test_for_a_job_in_a_container_it_is_told_where_the_engine_is_and_may_give_it_a_network() -> None:
    around = {"DOCKER_HOST": "unix:///engine", "DOCKER_CONTEXT": "c", "ALLOW_CONTAINERS": "false"}
    given = standalone._environment(around, Path("folder"), containers=True)
    settings = load(WorkerSettings, environ=given, dotenv=None).settings
    assert (settings.docker_host, settings.docker_context) == ("unix:///engine", "c")
    assert (settings.allow_containers, settings.allow_container_network) == (True, True)


def test_programs_are_found_where_the_caller_finds_them() -> None:
    given = standalone._environment({"PATH": "here:there", "JOB_PATH": "elsewhere"}, Path("folder"))
    assert load(WorkerSettings, environ=given, dotenv=None).settings.job_path == "here:there"


def test_it_lives_in_memory_only_with_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = os.statvfs(tmp_path)
    monkeypatch.setattr(standalone, "_MEMORY_ROOM", room.f_bavail * room.f_frsize // 2)
    assert standalone._base({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path
    assert standalone._base({"XDG_RUNTIME_DIR": "relative"}) != Path("relative")
    monkeypatch.setattr(standalone, "_MEMORY_ROOM", 1 << 62)
    monkeypatch.setattr(standalone.tempfile, "gettempdir", lambda: "/the/temp/folder")
    assert standalone._base({"XDG_RUNTIME_DIR": str(tmp_path)}) == Path("/the/temp/folder")


async def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standalone, "_base", lambda _: tmp_path)
    monkeypatch.setattr(standalone, "myself", lambda *_: ["sh", "-c", "echo; echo 'cmdexec: The disk is full.' >&2"])
    private = Standalone(os.environ)
    with pytest.raises(CmdexecError, match=r"did not start\. The disk is full\."):
        async with private.running(SystemClock(), 20):
            pass
    assert list(tmp_path.iterdir()) == []


def test_what_killed_ones_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    def made(name: str, age: int, held: bool) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        line = Lifeline(folder)
        lines.append(line)
        if not held:
            line.let_go()
        stamp = SystemClock().now() // 1000 - age
        os.utime(folder, (stamp, stamp))
        return folder

    lines: list[Lifeline] = []
    left = made("cmdexec-run-left", 120, held=False)
    stays = [
        made("cmdexec-run-held", 120, held=True),
        made("cmdexec-run-young", 10, held=False),
        made("something-else", 120, held=False),
    ]
    (tmp_path / "cmdexec-run-file").touch()
    standalone._sweep(tmp_path, SystemClock())
    assert not left.exists()
    assert all(folder.exists() for folder in stays)
    for line in lines:
        line.let_go()
