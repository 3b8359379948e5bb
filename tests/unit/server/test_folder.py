"""The data folder: its owner's alone, one server at a time, and clear words when it cannot be had."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.server.opening import open_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_alone_with_all_that_leads_to_it(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "a" / "b")
    assert (mode(folder.path), mode(folder.path / "server.lock")) == (0o700, 0o600)
    folder.close()
    folder.close()


def test_one_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_folder(tmp_path).close()
    assert mode(tmp_path) == 0o700


@pytest.mark.parametrize("name", ["server.lock", "cmdexec.toml"])
def test_one_of_our_own_that_others_can_read_is_closed_to_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    tmp_path.chmod(0o755)
    open_folder(tmp_path).close()
    assert mode(tmp_path) == 0o700


def test_what_others_use_is_neither_taken_nor_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(CmdexecError, match="files of something else") as wrong:
        open_folder(tmp_path)
    assert (wrong.value.code, wrong.value.field) == ("bad_data_dir", "DATA_DIR")
    assert (mode(tmp_path), os.listdir(tmp_path)) == (0o755, ["letter.txt"])
    tmp_path.chmod(0o700)
    open_folder(tmp_path).close()


def test_a_second_server_is_told_which_process_has_it(tmp_path: Path) -> None:
    first = open_folder(tmp_path)
    with pytest.raises(CmdexecError) as wrong:
        open_folder(tmp_path)
    assert (wrong.value.code, wrong.value.field) == ("in_use", "DATA_DIR")
    assert f"process {os.getpid()}" in wrong.value.message
    first.close()
    open_folder(tmp_path).close()


def test_a_lock_left_by_a_killed_server_does_not_hinder_the_next(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from cmdexec.server.opening import open_folder\n"
        "kept = open_folder(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(CmdexecError, match=f"process {other.pid}"):
            open_folder(tmp_path)
        other.kill()
    open_folder(tmp_path).close()
    assert (tmp_path / "server.lock").read_text() == f"{os.getpid()}\n"


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CmdexecError, match="is not a folder") as wrong:
            open_folder(path)
        assert wrong.value.code == "bad_data_dir"


def test_a_file_system_that_cannot_be_written_is_told() -> None:
    with pytest.raises(CmdexecError) as wrong:
        open_folder(Path("/proc/cmdexec"))
    assert wrong.value.code == "bad_data_dir"


def test_anothers_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(CmdexecError, match="belongs to another user"):
        open_folder(tmp_path)


def test_runtime_json_is_written_whole_for_its_owner_alone_and_removed(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write_runtime("http://127.0.0.1:1", None, None, "a-token")
    folder.write_runtime("http://127.0.0.1:2", None, None, None)
    written = json.loads((tmp_path / "runtime.json").read_text())
    assert (written["url"], written["pid"], written["token"]) == ("http://127.0.0.1:2", os.getpid(), None)
    assert mode(tmp_path / "runtime.json") == 0o600
    folder.remove_runtime()
    folder.remove_runtime()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["server.lock"]
    folder.close()
