"""A worker that cannot start: each mistake told in one sentence, with what to do; nothing that it keeps is touched."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cmdexec.cli.worker import _kept
from cmdexec.log import Log
from cmdexec.settings.load import load
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker import workdir_posix
from cmdexec.worker.folder import DataFolder
from tests.support.small_disk import small_disk
from tests.support.starting import UNUSABLE, Spoilt, Starting, content, unusable_folders

NOWHERE = "http://127.0.0.1:9"


def worker(folder: Path, *more: str) -> list[str]:
    return ["worker", "--headless", "--allow-host", "--server", NOWHERE, "--data-dir", str(folder), *more]


def used(folder: Path) -> Path:
    """A data folder as a worker leaves it."""
    (folder / "spool" / "output").mkdir(mode=0o700, parents=True)
    folder.chmod(0o700)
    (folder / "worker.lock").touch(0o600)
    (folder / "worker-id").write_text("w-1\n")
    (folder / "spool" / "output" / "left").write_bytes(os.urandom(1000))
    return folder


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    mine = DataFolder(folder)
    mine.take()
    yield
    mine.release()


@pytest.mark.parametrize(("spoilt", "said"), unusable_folders("worker", in_use), ids=UNUSABLE)
def test_a_folder_that_cannot_be_used_stays_as_it_is(
    start: Starting, tmp_path: Path, spoilt: Spoilt, said: str
) -> None:
    folder = used(tmp_path / "w")
    before = content(folder)
    with spoilt(folder):
        assert start(*worker(folder)) == (1, [f"cmdexec: DATA_DIR: {said.format(folder)}"])
    assert content(folder) == before


def test_a_folder_that_is_none(start: Starting, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        said = f"The data folder {folder} is not a folder. Name a folder as DATA_DIR (--data-dir)."
        assert start(*worker(folder)) == (1, [f"cmdexec: DATA_DIR: {said}"])
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk(start: Starting, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        folder = disk.path / "w"
        folder.mkdir(mode=0o700)
        disk.fill()
        code, (line,) = start(*worker(folder))
        assert code == 1
        assert line.startswith(f"cmdexec: DATA_DIR: The worker's id cannot be kept in {folder / 'worker-id'}: No space")
        assert line.endswith("Make room on that disk or give the folder to this user, or set WORKER_ID.")
        code, (line,) = start(*worker(folder), WORKER_ID="w-1")
        assert line.startswith(
            f"cmdexec: DATA_DIR: The spool in {folder / 'spool'} cannot be read or written: No space"
        )
        assert line.endswith("Make room on that disk or give the folder to this user, or name another with --data-dir.")


def test_all_that_it_cannot_be_without_is_one_list(start: Starting, tmp_path: Path) -> None:
    nothing = {"WORKER_TOKEN_SECRET": "", "ALLOW_CONTAINERS": "false"}
    code, lines = start("worker", "--headless", "--data-dir", str(tmp_path / "w"), SLOTS="0", **nothing)
    assert (code, lines) == (
        1,
        [
            "cmdexec: SERVER_URL: This worker does not know its server. Name it as SERVER_URL (--server).",
            f"cmdexec: WORKER_CREDENTIAL_FILE: This worker has nothing to show to a server: {tmp_path}/w/credential is "
            "not there, and no shared secret is set. Join with a token of the server (--join), or put the worker's "
            "credential into that file (mode 0600), or set WORKER_TOKEN_SECRET.",
            "cmdexec: SLOTS (from the environment): 0 is too small. Write a whole number, from 1 to 10000.",
            "cmdexec: ALLOW_HOST: This worker has no way to run jobs: it may not run them as processes of this machine."
            " Start it with --allow-host, if whoever may submit jobs may do what this user may do here.",
        ],
    )


@pytest.mark.parametrize(
    "url", ["nonsense", "localhost:3000", "ftp://host", "ws://host/ws", "http://", "http://host:99999", "https://a b"]
)
def test_what_is_no_address_of_a_server(start: Starting, tmp_path: Path, url: str) -> None:
    code, lines = start("worker", "--headless", "--allow-host", "--server", url, "--data-dir", str(tmp_path / "w"))
    said = f"{url!r} is not the address of a server. Write an address such as https://cmdexec.example.com."
    assert (code, lines) == (1, [f"cmdexec: SERVER_URL (from the command line): {said}"])


def test_an_address_with_a_password_in_it_is_not_shown(start: Starting, tmp_path: Path) -> None:
    code, (line,) = start(*worker(tmp_path / "w", "--server", "http://me:hunter22@host"))
    assert (code, "hunter22" in line, "An address holds no password here." in line) == (1, False, True)


def test_nothing_to_show_to_a_server(start: Starting, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    said = (
        f"cmdexec: WORKER_CREDENTIAL_FILE: This worker has nothing to show to a server: {folder / 'credential'} is not "
        "there, and no shared secret is set. Join with a token of the server (--join), or put the worker's credential "
        "into that file (mode 0600), or set WORKER_TOKEN_SECRET."
    )
    assert start(*worker(folder), WORKER_TOKEN_SECRET="") == (1, [said])


@pytest.mark.parametrize(
    ("kept", "mode", "what"),
    [
        (b"wc_secret", 0o644, "may be read by other users. Run chmod 600 {}."),
        (b"", 0o600, "holds no credential. Put the worker's credential into it, on one line."),
        (b"two words", 0o600, "holds no credential. Put the worker's credential into it, on one line."),
        (b"\xff\xfe", 0o600, "cannot be read: it is not text. Put the worker's credential into it."),
        (None, 0o600, "cannot be read: No such file or directory. Put the worker's credential into it."),
    ],
)
def test_a_credential_that_cannot_be_used(
    start: Starting, tmp_path: Path, kept: bytes | None, mode: int, what: str
) -> None:
    file = tmp_path / "credential"
    if kept is not None:
        file.write_bytes(kept)
        file.chmod(mode)
    code, (line,) = start(*worker(tmp_path / "w"), WORKER_CREDENTIAL_FILE=str(file))
    assert code == 1
    said = f"The credential file {file} {what.format(file)}"
    assert line == f"cmdexec: WORKER_CREDENTIAL_FILE (from the environment): {said}"


def test_a_folder_for_jobs_that_cannot_be_used(start: Starting, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, (line,) = start(*worker(tmp_path / "w", "--work-dir", str(tmp_path / "file")))
    assert code == 1
    assert line.startswith(f"cmdexec: WORK_DIR: The folder {tmp_path / 'file'}")
    assert line.endswith(
        "for the jobs' folders cannot be used: Not a directory. Name a folder that this user may write to as "
        "WORK_DIR (--work-dir)."
    )


def test_without_a_file_system_in_memory_jobs_have_their_folders_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No mistake, and yet worth a line."""
    caplog.set_level("INFO")
    mounts = tmp_path / "mounts"
    for table in ("/dev/sda1 / ext4 rw 0 0\n", "", None):
        if table is not None:
            mounts.write_text(table)
        else:
            mounts.unlink()
        monkeypatch.setattr(workdir_posix, "_MOUNTS", mounts)
        caplog.clear()
        assert workdir_posix.work_dir(None, tmp_path / "w", Log("cmdexec.test")) == tmp_path / "w" / "work"
        assert [one.getMessage() for one in caplog.records] == [
            "no tmpfs of this user has room, so jobs have their folders on disk"
        ]


def test_without_a_folder_for_temporary_files_a_command_of_its_own_says_so(
    start: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    monkeypatch.setattr("cmdexec.cli.standalone._MEMORY_ROOM", 1 << 62)
    said = (
        "cmdexec: TMPDIR: There is no folder for temporary files that can be used: No usable temporary directory found."
        " Set TMPDIR to a folder that this user may write to, on a disk with room."
    )
    assert start("run", "--standalone", "--", "true") == (125, [said])


def test_a_second_start_after_a_refused_one_finds_nothing_in_its_way(start: Starting, tmp_path: Path) -> None:
    """The lock of a worker that did not start is free again."""
    folder = used(tmp_path / "w")
    assert start(*worker(folder), WORKER_TOKEN_SECRET="")[0] == 1
    mine = DataFolder(folder)
    mine.take()
    mine.release()


def test_a_warning_is_said_once_also_where_a_server_starts_it(start: Starting, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    secret = {"WORKER_TOKEN_SECRET": "dev-worker-token-secret"}
    code, lines = start(*worker(tmp_path / "file"), **secret)
    assert (code, [line.split()[1] for line in lines]) == (1, ["Warning:", "DATA_DIR:"])
    code, lines = start(*worker(tmp_path / "file", "--warned"), **secret)
    assert (code, [line.split()[1] for line in lines]) == (1, ["DATA_DIR:"])
    code, lines = start(*worker(tmp_path / "file"), **secret, NODE_ENV="production")
    assert (code, [line.split()[1] for line in lines]) == (1, ["WORKER_TOKEN_SECRET"])
    assert "dev-worker" not in str(lines)


def test_labels_and_joining_again_written_wrongly(start: Starting, tmp_path: Path) -> None:
    code, lines = start(*worker(tmp_path / "w", "--rejoin", "--label", "gpu=a100", "--label", "fast"))
    assert (code, lines) == (
        1,
        [
            "cmdexec: JOIN_TOKEN: Joining again takes a new token. Give it with --join, or leave --rejoin out.",
            "cmdexec: LABELS (from the command line): The label 'fast' has no value. Write KEY=VALUE, such as gpu=a100;"
            " a key is letters, digits, and any of . _ : - alone.",
        ],
    )


def test_what_was_typed_is_kept_and_what_stands_elsewhere_is_not(tmp_path: Path) -> None:
    def kept(**given: Any) -> dict[str, object]:
        return _kept(load(WorkerSettings, **{"environ": {}, "dotenv": None} | given))

    assert kept() == {}
    assert kept(flags={"worker_name": "n", "labels": ("a=b",)}) == {"worker_name": "n", "labels": ("a=b",)}
    assert kept(environ={"WORKER_NAME": "n"}) == {"worker_name": "n"}
    (tmp_path / ".env").write_text("WORKER_NAME=n\n")
    assert kept(dotenv=tmp_path / ".env") == {}


def test_a_token_that_is_cut_off_is_not_sent_anywhere(start: Starting, tmp_path: Path) -> None:
    code, (line,) = start(*worker(tmp_path / "w", "--join", "cj_tooshort"))
    assert code == 1
    assert line == (
        "cmdexec: JOIN_TOKEN (from the command line): 11 bytes is too short. Give the whole token, as `cmdexec "
        "join-token create` printed it, or name a file in JOIN_TOKEN_FILE."
    )


@pytest.mark.parametrize("written", ["http://h:99999", "http://[::1", "", "ftp://x", "127.0.0.1:3000"])
@pytest.mark.parametrize("named", [False, True])
def test_a_server_joined_that_is_no_address(start: Starting, tmp_path: Path, written: str, named: bool) -> None:
    """As somebody wrote it there, since the server has moved."""
    folder = used(tmp_path / "w")
    (folder / "joined.json").write_text(json.dumps({"server": written, "workerId": "x"}))
    command = worker(folder)
    if not named:
        at = command.index("--server")
        del command[at : at + 2]
    code, (line,) = start(*command)
    assert code == 1
    assert line.startswith(
        f"cmdexec: DATA_DIR (from the command line): {folder}/joined.json does not say which server this worker has "
        f"joined: '{written}' is not the address of a server. "
    )


def test_a_note_of_the_server_joined_that_cannot_be_read(start: Starting, tmp_path: Path) -> None:
    folder = used(tmp_path / "w")
    (folder / "joined.json").write_text("{")
    code, (line,) = start(*worker(folder))
    assert (code, line) == (
        1,
        f"cmdexec: DATA_DIR (from the command line): {folder}/joined.json does not say which server this worker has "
        "joined. Remove it and name the server with --server, or join again with --rejoin and a new token.",
    )
