"""The login that is kept: when it counts, and what is not believed."""

import stat
from pathlib import Path

import pytest

from cmdexec.client import Access, find_access
from cmdexec.client import access as finding
from cmdexec.client.logins import Login, forget_login, keep_login, read_login
from cmdexec.errors import CmdexecError
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make
from tests.unit.client.test_access import LEFT, leave

KEPT = Login("https://far.example.com", "kept-token-kept-token", "ada@example.com", "operator", "2030-01-01T00:00:00Z")


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a server of this user keeps its things when nothing else is said."""
    monkeypatch.setattr(finding, "data_dir", lambda _side: tmp_path)
    return tmp_path


def settings(folder: Path, **values: object) -> ClientSettings:
    return make(ClientSettings, **{"data_dir": str(folder), "login_file": str(folder / "c" / "login.json"), **values})


def test_a_login_counts_before_a_server_that_runs_here_and_after_what_is_given(usual: Path) -> None:
    leave(usual)
    own = settings(usual)
    keep_login(own.login_file, KEPT)
    found = find_access(own)
    assert (found, found.source) == (Access(KEPT.url, KEPT.token), "login")
    given = find_access(settings(usual, token="a-token-of-the-environment"))
    assert given == Access(KEPT.url, "a-token-of-the-environment")
    assert given.source == "CMDEXEC_TOKEN"
    local = find_access(settings(usual, server_url=LEFT["url"]))
    assert (local.token, local.source) == (LEFT["token"], "runtime.json")
    assert find_access(settings(usual, server_url=KEPT.url)).token == KEPT.token
    forget_login(own.login_file)
    forget_login(own.login_file)
    assert find_access(own).source == "runtime.json"


def test_a_token_that_is_kept_goes_to_no_other_server(usual: Path) -> None:
    own = settings(usual, server_url="https://another.example.com")
    keep_login(own.login_file, KEPT)
    with pytest.raises(CmdexecError, match=r"login --server https://another\.example\.com") as told:
        find_access(own)
    assert told.value.code == "unauthorized"


def test_a_data_folder_that_is_named_counts_before_the_login(tmp_path: Path) -> None:
    leave(tmp_path)
    own = settings(tmp_path)
    keep_login(own.login_file, KEPT)
    assert find_access(own).source == "runtime.json"


def test_only_the_user_may_read_it_and_its_words_hide_the_token(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "login.json"
    keep_login(path, Login("http://old", "x"))
    keep_login(path, KEPT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_login(path) == KEPT
    assert KEPT.token not in repr(KEPT)
    assert [one.name for one in path.parent.iterdir()] == ["login.json"]


@pytest.mark.parametrize(("mode", "content", "code"), [(0o620, None, "forbidden"), (0o600, b"[]", "bad_data_dir")])
def test_what_others_could_have_written_or_is_no_login_is_refused(
    tmp_path: Path, mode: int, content: bytes | None, code: str
) -> None:
    path = tmp_path / "login.json"
    keep_login(path, KEPT)
    if content is not None:
        path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(CmdexecError) as told:
        read_login(path)
    assert (told.value.code, told.value.field) == (code, "LOGIN_FILE")


def test_a_place_that_cannot_hold_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CmdexecError, match="cannot be kept"):
        keep_login(tmp_path / "file" / "login.json", KEPT)
    assert read_login(tmp_path / "file" / "login.json") is None
    forget_login(tmp_path / "file" / "login.json")
