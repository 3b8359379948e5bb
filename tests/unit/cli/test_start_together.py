"""`serve --with-worker`: what its worker would trip over is told before it starts, and what that is started with."""

import os
from pathlib import Path

import pytest

from cmdexec.cli import serve as command
from cmdexec.server.run import WithWorker
from cmdexec.settings.server import ServerSettings
from tests.support.starting import Starting


def serve(folder: Path, *more: str) -> list[str]:
    return ["serve", "--with-worker", "--port", "0", "--data-dir", str(folder), *more]


class Stopped(Exception):
    """It would have started."""


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that its worker is started with, once it would have started."""
    found: list[str] = []

    def note(_loaded: object, with_worker: WithWorker, _lifeline: object) -> int:
        found.extend(with_worker.command)
        return 0

    monkeypatch.setattr(command, "_serve", note)
    return found


def test_a_worker_that_may_not_run_jobs_is_a_fault(start: Starting, tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text("allow_host = false\nslots = 0\n")
    code, lines = start(*serve(tmp_path / "d", "--config", str(file)))
    assert (code, lines) == (1, [
        f"cmdexec: SLOTS (from {file}): 0 is too small. Write a whole number, from 1 to 10000.",
        f"cmdexec: ALLOW_HOST (from {file}): It says that jobs may not run as processes of this machine, and "
        "--with-worker is there for that. Remove it, or leave out --with-worker.",
    ])  # fmt: skip
    assert not (tmp_path / "d").exists()


def test_its_folders_are_tried_before_it_starts(start: Starting, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d" / "worker").touch()
    code, lines = start(*serve(tmp_path / "d"), WORK_DIR=str(tmp_path / "file"))
    assert code == 1
    assert [line.split(":")[1].split()[0] for line in lines] == ["DATA_DIR", "WORK_DIR"]
    assert lines[1].startswith("cmdexec: WORK_DIR (from the environment): The folder ")
    assert lines[1].endswith("Name a folder that this user may write to as WORK_DIR (--work-dir).")


def test_trying_its_folder_for_jobs_leaves_alone_what_is_in_it(
    start: Starting, tmp_path: Path, words: list[str]
) -> None:
    """A worker of an earlier server may still run jobs there."""
    work = tmp_path / "work"
    assert start(*serve(tmp_path / "d"), WORK_DIR=str(work)) == (0, [])
    (folder,) = work.iterdir()
    (folder / "a job's").mkdir()
    assert start(*serve(tmp_path / "d"), WORK_DIR=str(work)) == (0, [])
    assert (folder / "a job's").is_dir()
    assert "worker" in words


def test_it_reads_the_servers_settings_file(
    start: Starting, tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "d"
    assert start(*serve(folder)) == (0, [])
    assert "--config" not in words, "there is none"
    (folder / "worker").mkdir(mode=0o700, parents=True)
    (folder / "cmdexec.toml").write_text("slots = 3\nport = 4000\n")
    assert start(*serve(folder)) == (0, [])
    assert words[words.index("--config") + 1] == str(folder / "cmdexec.toml")
    words.clear()
    (tmp_path / "both.toml").write_text("slots = 4\n")
    monkeypatch.chdir(tmp_path)
    assert start(*serve(folder, "--config", "both.toml")) == (0, [])
    assert words[words.index("--config") + 1] == str(tmp_path / "both.toml")
    words.clear()
    (folder / "worker" / "cmdexec.toml").write_text("slots = 5\n")
    assert start(*serve(folder)) == (0, [])
    assert "--config" not in words, "one in its own folder counts there"


def test_an_empty_flag_counts_as_not_given(start: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []

    def note(loaded: object, _worker: object, _lifeline: object) -> int:
        settings = loaded.settings  # type: ignore[attr-defined]
        assert isinstance(settings, ServerSettings)
        ports.append(settings.port)
        return 0

    monkeypatch.setattr(command, "_serve", note)
    assert start("serve", "--port", "", "--config", "", "--data-dir", str(tmp_path / "d")) == (0, [])
    assert ports == [3000]


def test_an_address_that_is_empty_is_refused_for_others_take_it_for_every_one(start: Starting, tmp_path: Path) -> None:
    code, (line,) = start("serve", "--host", "", "--data-dir", str(tmp_path / "d"))
    assert code == 1
    assert line == (
        "cmdexec: CMDEXEC_HOST (from the command line): An empty text is none. Write 0.0.0.0 or :: for every address of"
        " this machine, or leave out --host for this machine alone."
    )
    assert not (tmp_path / "d").exists()


def test_a_settings_file_that_cannot_be_read_names_the_flag_and_its_path(start: Starting, tmp_path: Path) -> None:
    code, lines = start(*serve(tmp_path / "d", "--config", str(tmp_path)))
    said = f"cmdexec: --config: {tmp_path} cannot be read: Is a directory. Name a file that this user can read."
    assert (code, lines) == (1, [said])


def test_a_folder_for_jobs_that_cannot_be_written_is_told(
    start: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_args, **_more: False)
    code, (line,) = start(*serve(tmp_path / "d"), WORK_DIR=str(tmp_path / "work"))
    assert code == 1
    assert "for the jobs' folders cannot be used: Permission denied." in line
