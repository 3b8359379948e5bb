"""A server whose folder, address or settings cannot be: each told with what to do, and nothing touched."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmdexec.server.opening import open_folder
from tests.support.small_disk import small_disk
from tests.support.starting import (
    JOBS,
    SECRET,
    UNUSABLE,
    Spoilt,
    Starting,
    content,
    jobs_in,
    seeded,
    unusable_folders,
)


def serve(folder: Path, *more: str) -> list[str]:
    return ["serve", "--port", "0", "--data-dir", str(folder), *more]


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    mine = open_folder(folder)
    yield
    mine.close()


@pytest.mark.parametrize(("spoilt", "said"), unusable_folders("server", in_use), ids=UNUSABLE)
def test_a_folder_that_cannot_be_used_keeps_all_its_jobs(
    start: Starting, tmp_path: Path, spoilt: Spoilt, said: str
) -> None:
    folder = seeded(tmp_path / "d")
    before = content(folder)
    with spoilt(folder):
        assert start(*serve(folder)) == (1, [f"cmdexec: DATA_DIR: {said.format(folder)}"])
        assert content(folder) == before
    os.chown(folder, os.geteuid(), os.getegid())
    assert jobs_in(folder) == JOBS


def test_a_folder_that_is_none_or_cannot_be_made(start: Starting, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        said = f"cmdexec: DATA_DIR: The data folder {folder} is not a folder. Name a folder as DATA_DIR (--data-dir)."
        assert start(*serve(folder)) == (1, [said])
    assert (tmp_path / "file").read_text() == "mine"
    see = "See to its owner and its mode, or name another folder as DATA_DIR (--data-dir)."
    said = f"The data folder /proc/cmdexec/d cannot be used: /proc/cmdexec: No such file or directory. {see}"
    assert start(*serve(Path("/proc/cmdexec/d"))) == (1, [f"cmdexec: DATA_DIR: {said}"])
    (tmp_path / "d" / "server.lock").mkdir(parents=True)
    said = f"The data folder {tmp_path}/d cannot be used: {tmp_path}/d/server.lock: Is a directory. {see}"
    assert start(*serve(tmp_path / "d")) == (1, [f"cmdexec: DATA_DIR: {said}"])


def test_a_folder_of_others_is_not_closed_to_them(start: Starting, tmp_path: Path) -> None:
    """Of one's own, it is: see the tests of the folder."""
    folder = tmp_path / "theirs"
    folder.mkdir(0o755)
    (folder / "letter").write_text("theirs")
    said = (
        f"cmdexec: DATA_DIR: The data folder {folder} holds files of something else, and others may read it. "
        "Name an empty or a new folder as DATA_DIR (--data-dir), or make this one your own: chmod 700."
    )
    assert start(*serve(folder)) == (1, [said])
    assert ([one.name for one in folder.iterdir()], folder.stat().st_mode & 0o777) == (["letter"], 0o755)


@pytest.mark.parametrize(("left", "file"), [(0, "jwt_secret"), (16 << 10, "jobs.sqlite")])
def test_a_full_disk(start: Starting, tmp_path: Path, left: int, file: str) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        folder = disk.path / "d"
        folder.mkdir(mode=0o700)
        disk.fill(left)
        said = f"There is no room left on the disk for {folder / file}. Make room there, and start again."
        assert start(*serve(folder)) == (1, [f"cmdexec: DATA_DIR: {said}"])
        disk.free()
        assert jobs_in(folder) == 0, "with room it is made"


@pytest.mark.parametrize("name", ["jwt_secret", "first_admin", "runtime.json"])
def test_a_folder_where_a_file_of_its_own_would_be(start: Starting, tmp_path: Path, name: str) -> None:
    (tmp_path / "d" / name / "in it").mkdir(parents=True)
    (tmp_path / "d").chmod(0o700)
    said = f"{tmp_path / 'd' / name} cannot be read or written: Is a directory. See to its owner and its mode."
    assert start(*serve(tmp_path / "d")) == (1, [f"cmdexec: DATA_DIR: {said}"])


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64])
def test_a_key_that_is_none(start: Starting, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d" / "jwt_secret").write_bytes(content)
    said = f"{tmp_path / 'd' / 'jwt_secret'} holds no key. Delete it: a new one is made, and all logins end."
    assert start(*serve(tmp_path / "d")) == (1, [f"cmdexec: DATA_DIR: {said}"])


def test_a_disk_that_is_smaller_than_what_has_to_stay_free(start: Starting, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        said = (
            f"cmdexec: DISK_RESERVE_BYTES: The disk of the data folder {disk.path} holds 1,048,576 bytes in all, and "
            "DISK_RESERVE_BYTES wants 2,097,152 free before it lets a job be taken. Lower DISK_RESERVE_BYTES, or name "
            "a folder on a larger disk as DATA_DIR (--data-dir)."
        )
        assert start(*serve(disk.path), DISK_RESERVE_BYTES="2MiB") == (1, [said])


def test_a_port_in_use(start: Starting, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, name in ((["--port", str(port)], "PORT"), (["--port", "0"], "WS_PORT")):
            environ = {"WS_PORT": str(port)} if name == "WS_PORT" else {}
            code, (line,) = start("serve", *arguments, "--data-dir", str(tmp_path / "d"), **environ)
            assert code == 1
            assert line.startswith(f"cmdexec: {name}: Port {port} of 127.0.0.1")
            assert "is taken by another program." in line
            assert line.endswith(".")


def test_a_port_that_is_the_systems_own(start: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may have it, so the system's answer to others stands here."""

    def bind(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    code, (line,) = start("serve", "--port", "80", "--data-dir", str(tmp_path / "d"))
    assert (code, line.startswith("cmdexec: PORT: This user may not listen on port 80")) == (1, True)
    assert line.endswith("Choose a port above 1023.")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "2001:db8::7"])
def test_an_address_that_this_machine_has_not(start: Starting, tmp_path: Path, host: str) -> None:
    said = (
        f"cmdexec: CMDEXEC_HOST: {host} is not an address of this machine. Use 127.0.0.1, or an address that this "
        "machine has."
    )
    assert start(*serve(tmp_path / "d", "--host", host, "--insecure-http")) == (1, [said])


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "a b", "a..b", "http://localhost", "a" * 70, "*", "-a"])
def test_what_can_be_no_host(start: Starting, tmp_path: Path, host: str) -> None:
    """One fault: whether it is far is not asked of what is nowhere."""
    said = (
        f"cmdexec: CMDEXEC_HOST (from the command line): {host!r} is neither an address nor a host name. Write it "
        "without a port, such as 127.0.0.1 or ::1; the port is PORT (--port)."
    )
    assert start(*serve(tmp_path / "d", "--host", host)) == (1, [said])
    assert not (tmp_path / "d").exists()


def test_all_that_is_wrong_with_the_server_and_its_worker_is_one_list(start: Starting, tmp_path: Path) -> None:
    """The worker would read the same `.env`, and end at once again and again."""
    (tmp_path / ".env").write_text("PORT=http\nSLOTS=many\nAUTO_START=please\nOIDC_CLIENT_SECRET=hunter22\n")
    code, lines = start("serve", "--data-dir", str(tmp_path / "d"), "--with-worker", LEASE_SEC="15")
    assert code == 1
    assert [line.split()[1] for line in lines] == ["OIDC_CLIENT_SECRET", "HEARTBEAT_SEC", "PORT", "SLOTS", "AUTO_START"]
    assert all(line.startswith("cmdexec: ") for line in lines)
    assert "hunter22" not in str(lines)
    code, lines = start("serve", "--data-dir", str(tmp_path / "d"), LEASE_SEC="15")
    alone = ["OIDC_CLIENT_SECRET", "HEARTBEAT_SEC", "PORT"]
    assert [line.split()[1] for line in lines] == alone, "it has no worker"


def test_what_server_and_worker_have_both_wrong_is_said_once(start: Starting, tmp_path: Path) -> None:
    code, lines = start("serve", "--data-dir", str(tmp_path / "d"), "--with-worker", MAX_FRAME_BYTES="64MiB")
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(
        "cmdexec: MAX_FRAME_BYTES (from the environment): 2 times MAX_FRAME_BYTES must be at most"
    )


def test_a_warning_is_said_before_what_else_is_wrong(start: Starting, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    placeholder = "dev-worker-token-secret"
    code, lines = start(*serve(tmp_path / "file"), WORKER_TOKEN_SECRET=placeholder)
    assert code == 1
    assert [line.split()[1:3] for line in lines] == [["Warning:", "WORKER_TOKEN_SECRET"], ["DATA_DIR:", "The"]]
    assert placeholder not in str(lines)
    code, lines = start(*serve(tmp_path / "file"), WORKER_TOKEN_SECRET=SECRET)
    assert len(lines) == 1


def test_a_dotenv_that_is_no_file(start: Starting, tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    said = "cmdexec: .env: .env cannot be read: Is a directory. Make it a file that can be read, or remove it."
    assert start(*serve(tmp_path / "d")) == (1, [said])
