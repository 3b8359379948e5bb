"""What a worker that has joined keeps in its data folder: its credential, and the server that this one is of.

    credential          the worker's own, 0600
    joined.json         the server, and the worker's id there
    credential.joining  a credential of which a server may know: it was made, and the answer has not come yet

Everything here is blocking, and raises CmdexecError(`bad_data_dir`) where the folder cannot be read or written.
"""

import base64
import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cmdexec.errors import CmdexecError
from cmdexec.settings.declare import Fault
from cmdexec.worker.identity import CREDENTIAL_FILE, read_credential
from cmdexec.worker.spool.journal import Journal

JOINED_FILE = "joined.json"
PENDING_FILE = "credential.joining"
PREFIX = "wc_"
RANDOM_BYTES = 32
_MAX_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class Joined(msgspec.Struct, frozen=True, rename="camel"):
    """Which server, and which worker of it."""

    server: str
    worker_id: str


def joined_in(folder: Path) -> Joined | None:
    """What the worker of that folder has joined; None: nothing, or it got its credential in another way."""
    path = folder / JOINED_FILE
    with _usable(path):
        if not path.exists():
            return None
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
    try:
        return msgspec.json.decode(content, type=Joined)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} does not say which server this worker has joined.", field="DATA_DIR",
            mend="Remove it and name the server with --server, or join again with --rejoin and a new token.",
        ) from wrong  # fmt: skip


def has_credential(folder: Path) -> bool:
    """Whether the worker of that folder has one, so that it need not join."""
    with _usable(folder):
        return (folder / CREDENTIAL_FILE).exists()


def another_server(named: str, joined: Joined, folder: Path) -> Fault | None:
    """What is wrong with a `named` server that is not the one joined."""
    if _place(named) == _place(joined.server):
        return None
    return Fault(
        "SERVER_URL", f"This worker has joined the server at {joined.server}, and not the one at {named}.",
        "Leave --server out; or give it another --data-dir to join that one as well; or join that one instead, with "
        f"--rejoin and a token of it. If it is the same server with a new address, write that into "
        f"{folder / JOINED_FILE}.",
    )  # fmt: skip


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme), parts.path.rstrip("/")


def pending_credential(folder: Path, secret: bytes) -> str:
    """The credential to join with, on the disk before any server hears of it. One of an earlier try is taken again, so
    that a server which has taken it, and could not say so, knows it; else `secret` becomes one."""
    path = folder / PENDING_FILE
    with _usable(path):
        if path.exists():
            with contextlib.suppress(CmdexecError):
                return read_credential(path)
        made = PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")
        _write(path, f"{made}\n".encode())
    return made


def hash_of(credential: str) -> str:
    """All that a server is told of a credential when a worker joins: its SHA-256 (hex)."""
    return hashlib.sha256(credential.encode()).hexdigest()


def keep(folder: Path, joined: Joined) -> Path | None:
    """The server has taken the pending credential: from now on it is the worker's own. What the spool holds is of no
    use to another worker than before, so it is put aside: where, if so."""
    aside = None
    with _usable(folder):
        before = joined_in(folder) if (folder / CREDENTIAL_FILE).exists() else None
        if before is not None and before.worker_id != joined.worker_id and (folder / "spool").exists():
            aside = _put_aside(folder / "spool", folder / f"spool.{before.worker_id}")
        _write(folder / JOINED_FILE, msgspec.json.encode(joined) + b"\n")
        (folder / PENDING_FILE).replace(folder / CREDENTIAL_FILE)
        _sync(folder)
    return aside


def _put_aside(spool: Path, aside: Path) -> Path | None:
    """Where it is now; None where it held nothing, so that it is gone."""
    journal, replay = Journal.open(spool / "journal", b"")
    journal.close()
    if replay.attempts or replay.torn:
        return spool.rename(aside)
    shutil.rmtree(spool)
    return None


def give_up(folder: Path) -> None:
    """The server refused: nothing of the try stays."""
    with _usable(folder):
        (folder / PENDING_FILE).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    fresh.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """A name is on the disk when its folder is (fsync(2))."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir", f"What this worker has to keep of its joining cannot be kept in {path}: {wrong.strerror}.",
            field="DATA_DIR", mend="Make room on that disk or give the folder to this user, or name another folder.",
        ) from wrong  # fmt: skip
