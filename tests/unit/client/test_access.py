"""Where the client finds its server, and what it does not believe."""

import json
from pathlib import Path

import pytest

from cmdexec.client import Access, find_access
from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make

GIVEN = {"server_url": "http://given:1", "token": "given-token-given-token"}
LEFT = {"url": "http://left:2", "token": "left-token-left-token", "pid": 1, "version": "0"}


def settings(folder: Path, **values: object) -> ClientSettings:
    return make(ClientSettings, data_dir=str(folder), **values)


def leave(folder: Path, content: object = LEFT, mode: int = 0o600) -> None:
    path = folder / "runtime.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)


def test_what_is_given_counts(tmp_path: Path) -> None:
    leave(tmp_path)
    assert find_access(settings(tmp_path, **GIVEN)) == Access("http://given:1", GIVEN["token"])


def test_what_a_server_left_is_found(tmp_path: Path) -> None:
    leave(tmp_path)
    assert find_access(settings(tmp_path)) == Access(LEFT["url"], LEFT["token"])  # type: ignore[arg-type]
    same = settings(tmp_path, server_url=LEFT["url"])
    assert find_access(same).token == LEFT["token"]
    assert find_access(settings(tmp_path, token=GIVEN["token"])) == Access("http://left:2", GIVEN["token"])


def test_a_token_goes_to_no_other_server(tmp_path: Path) -> None:
    leave(tmp_path)
    with pytest.raises(CmdexecError) as told:
        find_access(settings(tmp_path, server_url="http://given:1"))
    assert (told.value.code, told.value.field) == ("unauthorized", "CMDEXEC_TOKEN")


@pytest.mark.parametrize("named", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_loopback_has_several_names_and_the_token_goes_to_the_server_that_left_it(tmp_path: Path, named: str) -> None:
    leave(tmp_path, LEFT | {"url": "http://127.0.0.1:3000"})
    found = find_access(settings(tmp_path, server_url=named))
    assert found == Access("http://127.0.0.1:3000", str(LEFT["token"]))


@pytest.mark.parametrize(
    "named", ["http://localhost:3001", "https://localhost:3000", "http://localhost:3000/x", "http://a.example:3000"]
)
def test_another_port_scheme_path_or_host_is_another_server(tmp_path: Path, named: str) -> None:
    leave(tmp_path, LEFT | {"url": "http://127.0.0.1:3000"})
    with pytest.raises(CmdexecError, match="There is no token"):
        find_access(settings(tmp_path, server_url=named))


def test_the_data_folder_of_an_env_file_is_not_read_but_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unavailable) as told:
        find_access(settings(tmp_path / "missing"))
    assert "its data folder with --data-dir" in str(told.value)
    (tmp_path / ".env").write_text("DATA_DIR=/srv/cmdexec\n")
    with pytest.raises(Unavailable) as told:
        find_access(settings(tmp_path / "missing"))
    assert str(told.value).endswith(
        "The .env here names the data folder /srv/cmdexec, but is read by servers and workers alone. If that server is "
        "yours, name its folder with --data-dir."
    )


def test_nothing_known_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as told:
        find_access(settings(tmp_path / "missing"))
    assert "cmdexec serve" in str(told.value)
    assert "--standalone" in str(told.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": 1, "token": "x"}', "[" * 100_000, "\ud800"])
def test_a_broken_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "runtime.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(CmdexecError) as told:
        find_access(settings(tmp_path))
    assert told.value.code == "bad_data_dir"
    assert told.value.mend


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    leave(tmp_path, mode=mode)
    with pytest.raises(CmdexecError, match="another user"):
        find_access(settings(tmp_path))


def test_a_token_is_not_shown() -> None:
    assert "secret-token" not in repr(Access("http://a", "secret-token"))
