"""The login that `cmdexec login` keeps: for one server at a time, in a file that only this user may read (0600)."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from cmdexec.errors import CmdexecError, Refused
from cmdexec.system.files import is_shared

T = TypeVar("T")

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
    return read_own(path, Login, field="LOGIN_FILE", written_by="`cmdexec login`", mend=_AGAIN)


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


def read_own(path: Path, kind: type[T], *, field: str, written_by: str, mend: str, anew: str | None = None) -> T | None:
    """What a file says that decides where a token is sent, as `kind`; None where there is none.

    field        the setting by which the file is found
    written_by   who writes such files
    mend, anew   what to do if it cannot be had or believed; and if it is not what they write, where that differs

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
    if is_shared(status):
        message = f"{path} could have been written by another user, so it is not believed."
        raise Refused("forbidden", message, field=field, mend=mend)
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        message = f"{path} is not what {written_by} writes."
        raise CmdexecError("bad_data_dir", message, field=field, mend=anew or mend) from wrong
