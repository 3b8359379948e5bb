"""What a worker that has joined keeps in its data folder: its credential, and the server that this one is of.

    credential    the worker's own, 0600
    joined.json   the server, and the worker's id there
    joining.json  0600: a credential of which a server may know: it was made, and the answer has not come yet. Once that
                  has come, all that the other two are to hold, until they do

Everything here is blocking, and raises CmdexecError(`bad_data_dir`) where the folder cannot be read or written.
"""

import base64
import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cmdexec.errors import CmdexecError
from cmdexec.settings.declare import Fault
from cmdexec.settings.parse import parse
from cmdexec.settings.shared import SHARED
from cmdexec.system.files import CLOSED_ON_EXEC, sync_folder
from cmdexec.worker.identity import CREDENTIAL_FILE
from cmdexec.worker.spool.journal import Journal

JOINED_FILE = "joined.json"
PENDING_FILE = "joining.json"
PREFIX = "wc_"
RANDOM_BYTES = 32
_MAX_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class Joined(msgspec.Struct, frozen=True, rename="camel"):
    """Which server, and which worker of it."""

    server: str
    worker_id: str


class Pending(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A joining. `worker_id`: the server has answered, and this is the worker; `instead_of`: this was it before."""

    server: str
    credential: str
    worker_id: str | None = None
    instead_of: str | None = None


_SERVER_URL = next(one for one in SHARED if one.name == "SERVER_URL")


def joined_in(folder: Path) -> Joined | None:
    """What the worker of that folder has joined; None: nothing, or it got its credential in another way."""
    path = folder / JOINED_FILE
    with _usable(path):
        pending = _pending_in(folder)
        if pending is not None and pending.worker_id is not None:
            return Joined(pending.server, pending.worker_id)
        if not path.exists():
            return None
        content = _read(path)
    why = "."
    try:
        joined = msgspec.json.decode(content, type=Joined)
        try:
            return Joined(str(parse(_SERVER_URL, joined.server)), joined.worker_id)
        except ValueError as wrong:
            why = f": {wrong}"
            raise
    except (ValueError, UnicodeError, RecursionError) as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} does not say which server this worker has joined{why}", field="DATA_DIR",
            mend="Remove it and name the server with --server, or join again with --rejoin and a new token.",
        ) from wrong  # fmt: skip


def _pending_in(folder: Path) -> Pending | None:
    """The joining that is not over; None: there is none, or what there is says nothing."""
    path = folder / PENDING_FILE
    if not path.exists():
        return None
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.json.decode(_read(path), type=Pending)
    return None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES)


def has_credential(folder: Path) -> bool:
    """Whether the worker of that folder has one, so that it need not join."""
    with _usable(folder):
        pending = _pending_in(folder)
        return (folder / CREDENTIAL_FILE).exists() or (pending is not None and pending.worker_id is not None)


def another_server(named: str, joined: Joined, folder: Path) -> Fault | None:
    """What is wrong with a `named` server that is not the one joined."""
    if same_server(named, joined.server):
        return None
    return Fault(
        "SERVER_URL", f"This worker has joined the server at {joined.server}, and not the one at {named}.",
        "Leave --server out; or give it another --data-dir to join that one as well; or join that one instead, with "
        f"--rejoin and a token of it. If it is the same server with a new address, write that into "
        f"{folder / JOINED_FILE}.",
    )  # fmt: skip


def same_server(url: str, other: str) -> bool:
    """Whether both are the address of the same server, however they are written."""
    return _place(url) == _place(other)


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme), parts.path.rstrip("/")


def pending_credential(folder: Path, server: str, secret: bytes) -> str:
    """The credential to join `server` with, on the disk before that hears of it. One of an earlier try there is taken
    again, so that a server which has taken it, and could not say so, knows it; else `secret` becomes one."""
    path = folder / PENDING_FILE
    with _usable(path):
        tried = _pending_in(folder)
        if tried is not None and same_server(tried.server, server):
            return tried.credential
        made = PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")
        _write(path, msgspec.json.encode(Pending(server, made)))
    return made


def hash_of(credential: str) -> str:
    """All that a server is told of a credential when a worker joins: its SHA-256 (hex)."""
    return hashlib.sha256(credential.encode()).hexdigest()


def keep(folder: Path, joined: Joined) -> Path | None:
    """The server has taken the pending credential: from now on it is the worker's own. What the spool holds is of no
    use to another worker than before, so it is put aside: where, if so."""
    with _usable(folder):
        before = _before(folder) if (folder / CREDENTIAL_FILE).exists() else None
        another = before if before != joined.worker_id else None
        pending = _pending_in(folder)
        if pending is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        done = msgspec.structs.replace(pending, server=joined.server, worker_id=joined.worker_id, instead_of=another)
        _write(folder / PENDING_FILE, msgspec.json.encode(done))
        return _carry_out(folder, done)


def _before(folder: Path) -> str | None:
    """Which worker the folder was of; that is not known where nothing says so any more."""
    try:
        joined = joined_in(folder)
    except CmdexecError:
        return "before"
    return joined.worker_id if joined is not None else None


def finish(folder: Path) -> tuple[Joined, Path | None] | None:
    """Carry out what a `keep` left that was cut short after it was certain: what has been joined, and where the spool
    was put, if so. None: there is nothing of that kind. To be done before anything of the folder is used."""
    with _usable(folder):
        pending = _pending_in(folder)
        if pending is None or pending.worker_id is None:
            return None
        return Joined(pending.server, pending.worker_id), _carry_out(folder, pending)


def _carry_out(folder: Path, done: Pending) -> Path | None:
    """As often as it takes: the last step alone says that it is done."""
    aside = None
    _write(folder / CREDENTIAL_FILE, f"{done.credential}\n".encode())
    _write(folder / JOINED_FILE, msgspec.json.encode(Joined(done.server, done.worker_id or "")) + b"\n")
    if done.instead_of is not None and (folder / "spool").exists():
        aside = _put_aside(folder / "spool", f"spool.{done.instead_of}")
    (folder / PENDING_FILE).unlink()
    sync_folder(folder)
    return aside


def _put_aside(spool: Path, name: str) -> Path | None:
    """Where it is now; None where it held nothing, so that it is gone."""
    journal, replay = Journal.open(spool / "journal", b"")
    journal.close()
    if not (replay.attempts or replay.torn):
        shutil.rmtree(spool)
        return None
    names = itertools.chain([name], (f"{name}.{number}" for number in itertools.count(2)))
    free = next(path for path in map(spool.with_name, names) if not path.exists())
    return spool.rename(free)


def give_up(folder: Path) -> None:
    """The server refused: nothing of the try stays."""
    with _usable(folder):
        (folder / PENDING_FILE).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | CLOSED_ON_EXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    fresh.replace(path)
    sync_folder(path.parent)


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir", f"What this worker has to keep of its joining cannot be kept in {path}: {wrong.strerror}.",
            field="DATA_DIR", mend="Make room on that disk or give the folder to this user, or name another folder.",
        ) from wrong  # fmt: skip
