"""`cmdexec` alone says what to do next, by what is there; and completion, and the settings that count."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.cli.completion import VARIABLE
from cmdexec.cli.main import COMMANDS, SECTIONS, command_line
from cmdexec.cli.newcomer import next_steps
from cmdexec.client.logins import Login, keep_login
from cmdexec.settings.shared import data_dir
from tests.support.system import clean_environment

Captured = pytest.CaptureFixture[str]
Leave = Callable[[str], None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SERVER_URL", "CMDEXEC_TOKEN", "DATA_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def leave() -> Leave:
    def as_a_server_does(url: str) -> None:
        folder = data_dir("client")
        folder.mkdir(parents=True)
        (folder / "runtime.json").write_text(json.dumps({"url": url, "token": "t"}))

    return as_a_server_does


def test_with_nothing_there(capsys: Captured) -> None:
    assert command_line([]) == 0
    said = capsys.readouterr().out
    assert "No server of yours runs here, and you are not logged in to any." in said
    assert "cmdexec run --standalone -- " in said
    assert "cmdexec serve --with-worker" in said
    assert len(said.splitlines()) <= 8


async def test_with_a_server_that_runs(leave: Leave) -> None:
    server = TestServer(web.Application())
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    leave(url)
    said = "\n".join(next_steps())
    await server.close()
    assert f"Your server runs at {url}" in said
    assert "cmdexec join-token create" in said
    assert "--with-worker" not in said


@pytest.mark.parametrize(
    ("role", "offered", "never"),
    [("viewer", "cmdexec workers", "cmdexec run --"), ("operator", "cmdexec run", "join-token"),
     ("admin", "cmdexec join-token create", "--with-worker")],
)  # fmt: skip
async def test_a_login_is_offered_what_its_role_may_do(role: str, offered: str, never: str, home: Path) -> None:
    until = "2999-01-01T00:00:00.000Z"
    async with TestServer(web.Application()) as server:
        login = Login(str(server.make_url("")).rstrip("/"), "t", "ada@example.com", role, until)
        keep_login(home / ".config" / "cmdexec" / "login.json", login)
        said = "\n".join(next_steps())
    assert f"as ada@example.com ({role})" in said
    assert offered in said
    assert never not in said


def test_a_narrow_terminal_has_whole_words() -> None:
    lines = next_steps(42)
    assert max(map(len, lines)) <= 42
    assert lines[-2:] == ["  cmdexec --help", "      list all commands"]


def test_with_a_server_that_was_killed(leave: Leave) -> None:
    leave("http://127.0.0.1:9")
    said = "\n".join(next_steps())
    assert "Your server was at http://127.0.0.1:9 and does not answer" in said
    assert "cmdexec serve --with-worker " in said


def test_with_a_login_that_is_good_for_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIN_FILE", str(home / "login.json"))
    away = "http://127.0.0.1:9"
    keep_login(home / "login.json", Login(away, "t", "ada@example.com"))
    assert next_steps()[1] == f"You are logged in to {away} as ada@example.com, and it does not answer now."
    keep_login(home / "login.json", Login(away, "t", "ada@example.com", "viewer", "2020-01-01T00:00:00.000Z"))
    _, said, _, first, *_ = next_steps()
    assert said == f"Your login to {away} as ada@example.com (viewer) is over."
    assert first.split()[:4] == ["cmdexec", "login", "--server", away]


def test_with_an_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_URL", "https://far.example.com")
    assert "cmdexec login --server https://far.example.com" in next_steps()[3]
    monkeypatch.setenv("CMDEXEC_TOKEN", "a-token-of-that-server")
    assert next_steps()[1] == "SERVER_URL names the server at https://far.example.com."


def test_with_settings_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_URL", "nonsense")
    said = next_steps()
    assert "SERVER_URL (from the environment)" in said[1]
    assert said[-1].split() == ["cmdexec", "--help", "list", "all", "commands"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_asks_this_program(shell: str, capsys: Captured) -> None:
    assert command_line(["completion", shell]) == 0
    assert VARIABLE in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "found"),
    [("cmdexec jo", {"jobs", "join-token"}), ("cmdexec workers dr", {"drain"}),
     ("cmdexec jobs --status ru", {"running"}), ("cmdexec submit --retry-o", {"--retry-on"})],
)  # fmt: skip
def test_commands_options_and_choices_are_completed(words: str, found: set[str]) -> None:
    given = {VARIABLE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    told = subprocess.run(
        [sys.executable, "-m", "cmdexec"], capture_output=True, timeout=20, env=clean_environment(**given), check=False
    )
    assert {line.partition(",")[2] for line in told.stdout.decode().splitlines()} == found, told.stderr


def test_every_command_stands_in_a_section_and_shows_an_example(capsys: Captured) -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
    for name in COMMANDS.keys() - {"worker"}:
        assert command_line([name, "--help"]) == 0
        assert f"Example: `cmdexec {name}" in " ".join(capsys.readouterr().out.split()), name


def test_no_command_loads_more_than_it_needs_to_read_its_words() -> None:
    """Neither the client nor the codec; what is loaded late is loaded by those who call alone."""
    modules = sorted({place.partition(":")[0] for name, place in COMMANDS.items() if name not in ("bench", "worker")})
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True).stdout
    heavy = {"aiohttp", "apsw", "cryptography", "jwt", "argon2", "cmdexec.client", "cmdexec.server"}
    assert not heavy & set(loaded.split())


def test_the_settings_that_count_are_printed_without_secrets(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("JWT_SECRET", secret := "a-secret-of-this-test-that-is-long-enough")
    assert command_line(["serve", "--print-config", "--port", "4000"]) == 0
    said = capsys.readouterr().out
    assert "PORT\t4000\tthe command line\tserver\n" in said
    assert secret not in said
    assert command_line(["serve", "--print-config", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"name": "PORT", "value": "3000", "from": "the default", "side": "server"} in rows
    assert next(one for one in rows if one["name"] == "JWT_SECRET")["from"] == "the environment"
    assert not os.path.lexists(data_dir("server"))
    assert command_line(["serve", "--json"]) == 2


def test_the_settings_of_a_worker_are_printed_too(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLOTS", "7")
    assert command_line(["worker", "--print-config", "--label", "gpu=yes"]) == 0
    said = capsys.readouterr().out
    assert "SLOTS\t7\tthe environment\tworker\n" in said
    assert "LABELS\tgpu=yes\tthe command line\tworker\n" in said
    assert command_line(["serve", "--print-config", "--with-worker", "--data-dir", str(tmp_path), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"name": "SLOTS", "value": "7", "from": "the environment", "side": "worker"} in rows
    folders = {(one["side"], one["value"], one["from"]) for one in rows if one["name"] == "DATA_DIR"}
    assert folders == {
        ("server", str(tmp_path), "the command line"), ("worker", str(tmp_path / "worker"), "the server"),
    }  # fmt: skip
    assert command_line(["worker", "--json"]) == 2


def test_on_a_narrow_terminal_no_value_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    from cmdexec.cli import effective

    monkeypatch.setattr(effective, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("ALLOWED_HOSTS", hosts := ",".join(f"host-{number}.example" for number in range(9)))
    assert command_line(["serve", "--print-config"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 40
    assert hosts in "".join(said.split())
    assert "…" not in said
