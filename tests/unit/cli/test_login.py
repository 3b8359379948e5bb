"""`cmdexec login`, `logout` and `whoami`, and what is said when a token is not good."""

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest

from cmdexec.client.logins import Login, keep_login, read_login
from cmdexec.protocol.accounts import MeView
from cmdexec.protocol.requests import LoggedIn
from tests.support.answers import USER, Answers, Refusal, page
from tests.support.scripted import TOKEN

Captured = pytest.CaptureFixture[str]
LOGIN, ME, JOBS = "POST /api/auth/login", "GET /api/auth/me", "GET /api/jobs"
UNTIL = "2026-11-26T10:00:00.000Z"
TOLD = LoggedIn(token="a-token-of-this-login-alone", expires_at=UNTIL, user=USER)
REFUSED = Refusal(401, "unauthorized", "This token is not good.", "Log in.")
WHO = MeView(user=USER, permissions=("view jobs",), expires_at=UNTIL, server_version="9")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the login is kept."""
    path = tmp_path / "config" / "login.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOGIN_FILE", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def typed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"))


async def test_a_login_is_kept_and_used_and_ended(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    routes = {LOGIN: TOLD, ME: WHO, "POST /api/auth/logout": {}}
    async with Answers(routes).up(monkeypatch) as server:
        url = server.url
        monkeypatch.delenv("CMDEXEC_TOKEN")
        typed(monkeypatch, "pass wörd\r\n".encode())
        assert await server.run("login", "--email", "ada@example.com", "--password-stdin") == 0
        assert server.asked[0].body == {"email": "ada@example.com", "password": "pass wörd"}
        assert "Authorization" not in server.asked[0].headers
        assert f"Logged in to {url} as ada@example.com (operator) until 2026-11-2" in capsys.readouterr().err
        monkeypatch.delenv("SERVER_URL")
        assert await server.run("whoami", "--json") == 0
        assert server.asked[1].headers["Authorization"] == f"Bearer {TOLD.token}"
        told = json.loads(capsys.readouterr().out)
        assert (told["url"], told["source"], told["user"]["role"]) == (url, "login", "operator")
        assert await server.run("logout") == 0
        assert server.asked[2].path == "/api/auth/logout"
        assert await server.run("logout") == 0
        assert await server.run("logout", "--json") == 0
    told = capsys.readouterr()
    assert told.err == f"cmdexec: Logged out of {url}.\ncmdexec: Nobody is logged in.\n"
    assert json.loads(told.out) == {"url": None, "told": False}
    assert not kept.exists()


async def test_a_token_for_elsewhere_is_printed_and_no_login_kept(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with Answers({LOGIN: TOLD}).up(monkeypatch) as server:
        monkeypatch.delenv("CMDEXEC_TOKEN")
        typed(monkeypatch, b"password\n")
        assert await server.run("login", "-u", "ada@example.com", "--password-stdin", "--print-token") == 0
        told = capsys.readouterr()
        assert told.out == f"{TOLD.token}\n"
        assert f"Logged in to {server.url} as ada@example.com (operator) until" in told.err
        assert await server.run("login", "--print-token", "--json") == 2
    assert not kept.exists()


async def test_a_token_of_the_environment_is_said_to_count_before_it(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with Answers({LOGIN: TOLD}).up(monkeypatch) as server:
        typed(monkeypatch, b"password")
        assert await server.run("login", "-u", "ada@example.com", "--password-stdin", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["email"] == "ada@example.com"
    assert "CMDEXEC_TOKEN is set and counts before this login" in told.err
    assert TOLD.token not in told.out + told.err
    assert (read_login(kept) or Login("", "")).token == TOLD.token


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["--email", "a@b", "--password-stdin"], b"", "--password-stdin: Standard input holds no password."),
        (["--email", "a@b", "--password-stdin"], b"\xff\xfe\n", "Standard input holds no password."),
        (["--email", "a@b"], b"", "There is no terminal to ask for the password on."),
        ([], b"", "--email: There is no terminal to ask on who logs in."),
        (["--email", "a@b", "--password-stdin"], b"wrong", "E-mail address or password is wrong."),
    ],
)
async def test_what_keeps_from_logging_in_is_told(
    arguments: list[str], stdin: bytes, said: str, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    wrong = Refusal(401, "bad_credentials", "E-mail address or password is wrong.")
    async with Answers({LOGIN: wrong}).up(monkeypatch) as server:
        typed(monkeypatch, stdin)
        assert await server.run("login", *arguments) == 1
    assert said in capsys.readouterr().err
    assert not kept.exists()


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://far.example.com", True), ("https://far.example.com", False), ("http://127.0.0.1:9", False)],
)
async def test_a_password_that_goes_in_clear_is_warned_of_before_it_is_typed(
    url: str, warned: bool, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    typed(monkeypatch, b"")
    assert await Answers({}).run("login", "--server", url, "--email", "a@b") == 1
    assert (f"Warning: what goes to {url} can be read on its way" in capsys.readouterr().err) == warned


async def test_where_nobody_can_say_who_logs_in_nothing_is_warned_of(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    typed(monkeypatch, b"")
    assert await Answers({}).run("login", "--server", "http://far.example.com") == 1
    assert capsys.readouterr().err == "cmdexec: --email: There is no terminal to ask on who logs in. Name it.\n"


async def test_no_server_to_log_in_to_is_told(kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("SERVER_URL", raising=False)
    typed(monkeypatch, b"password")
    assert await Answers({}).run("login", "--email", "a@b", "--password-stdin") == 1
    assert capsys.readouterr().err == (
        "cmdexec: --server: No server is known. Name it: `cmdexec login --server https://cmdexec.example.com`.\n"
    )


async def test_a_login_that_is_over_says_how_to_get_another(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with Answers({JOBS: REFUSED}).up(monkeypatch) as server:
        keep_login(kept, Login(server.url, TOKEN, "ada@example.com"))
        monkeypatch.delenv("CMDEXEC_TOKEN")
        assert await server.run("jobs") == 1
        assert f"over: log in again with `cmdexec login --server {server.url}`" in capsys.readouterr().err
        monkeypatch.setenv("CMDEXEC_TOKEN", TOKEN)
        assert await server.run("jobs") == 1
        assert f"CMDEXEC_TOKEN holds no token that {server.url} takes" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
async def test_who_one_is_to_a_server_that_is_away_is_told_at_once(
    as_json: bool, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for name in ("SERVER_URL", "CMDEXEC_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATIENCE_SEC", "1h")
    keep_login(kept, Login("http://127.0.0.1:9", TOKEN, "ada@example.com", "viewer", UNTIL))
    run = Answers({}).run("whoami", *(["--json"] if as_json else []))
    assert await asyncio.wait_for(run, 20) == 1
    told = capsys.readouterr()
    assert "http://127.0.0.1:9 cannot be reached" in told.err
    known = ("ada@example.com (viewer)", "http://127.0.0.1:9, which does not answer", "the login that `cmdexec login`")
    assert [fact in told.out for fact in known] == [not as_json] * 3
    assert not (as_json and told.out)


async def test_a_logout_whose_server_is_away_forgets_the_login(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    keep_login(kept, Login("http://127.0.0.1:9", TOKEN, "ada@example.com"))
    async with Answers({}).up(monkeypatch) as server:
        assert await server.run("logout") == 0
    assert "its server was not told, so its token stays good for its time." in capsys.readouterr().err
    assert not kept.exists()


async def test_a_login_that_is_spoilt_can_be_left(kept: Path, capsys: Captured) -> None:
    kept.parent.mkdir()
    kept.write_text("{")
    assert await Answers({}).run("logout") == 0
    assert not kept.exists()


async def test_a_server_of_ones_own_that_is_gone_is_named_as_that(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    left = tmp_path / "data" / "runtime.json"
    left.parent.mkdir()
    left.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": TOKEN}))
    monkeypatch.delenv("SERVER_URL", raising=False)
    monkeypatch.delenv("CMDEXEC_TOKEN", raising=False)
    monkeypatch.setenv("PATIENCE_SEC", "0")
    assert await Answers({JOBS: page()}).run("jobs", "--data-dir", str(left.parent)) == 1
    assert capsys.readouterr().err == (
        "cmdexec: Your server, which was at http://127.0.0.1:9, does not answer. Start it again as before, with "
        "`cmdexec serve`: it has lost nothing.\n"
    )
