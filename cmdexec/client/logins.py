"""The login that `cmdexec login` keeps: for one server at a time, in a file that only this user may read (0600)."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from cmdexec.errors import CmdexecError, Refused

_MAX_BYTES = 64 * 1024
_AGAIN = "Log in again with `cmdexec login`, or delete the file."


class Login(msgspec.Struct, frozen=True, rename="camel"):
    """Whose token for which server; `expires_at` as RFC 3339."""

    url: str
    token: str
    email: str = ""
    role: str = ""
    expires_at: str = ""

    def __repr__(self) -> str:
        return f"Login({self.email!r} at {self.url!r})"


def read_login(path: Path) -> Login | None:
    """The login that is kept at `path`, None if there is none.

    Raises Refused("forbidden") if others could have written it: it decides where a token is sent.
    """
    content = read_own(path, "LOGIN_FILE", _AGAIN)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=Login)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} is not what `cmdexec login` writes.", field="LOGIN_FILE", mend=_AGAIN
        ) from wrong


def keep_login(path: Path, login: Login) -> None:
    """Write it, whole or not at all. Raises CmdexecError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(login))
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir", f"The login cannot be kept in {path}: {wrong.strerror}.", field="LOGIN_FILE",
            mend="Name a file that this user may write with LOGIN_FILE, or set SERVER_URL and CMDEXEC_TOKEN.",
        ) from wrong  # fmt: skip


def forget_login(path: Path) -> None:
    """Delete what is kept; nothing there is fine. Raises CmdexecError."""
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} cannot be deleted: {wrong.strerror}.", field="LOGIN_FILE",
            mend="Delete it as the user whom it belongs to.",
        ) from wrong  # fmt: skip


def read_own(path: Path, field: str, mend: str) -> bytes | None:
    """The content of a file that decides where a token is sent; None where there is none.

    Raises Refused("forbidden") if another user could have written it, CmdexecError if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as wrong:
        message = f"{path} cannot be read: {wrong.strerror}."
        raise CmdexecError("bad_data_dir", message, field=field, mend=mend) from wrong
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = f"{path} could have been written by another user, so it is not believed."
        raise Refused("forbidden", message, field=field, mend=mend)
    return content
