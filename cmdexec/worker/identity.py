"""Who this worker is, and how it proves that."""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError
from cmdexec.ids import Ids
from cmdexec.settings.worker import WorkerSettings
from cmdexec.system.files import CLOSED_ON_EXEC
from cmdexec.worker.token import signed_token

CREDENTIAL_FILE = "credential"
WORKER_ID_FILE = "worker-id"
HEADER = "x-worker-token"
_CREDENTIAL_MAX = 4096


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """How the worker proves who it is. It is read anew for each connection, so that a credential may be exchanged.

    worker_id   None where the credential alone says it
    credential  the file of the worker's own credential; None: tokens signed with `secret`
    lifetime_sec, skew_sec   of these tokens
    """

    worker_id: str | None
    credential: Path | None
    secret: str | None
    lifetime_sec: float
    skew_sec: float

    def headers(self, clock: Clock) -> dict[str, str]:
        """Blocking: what a request has to carry. Raises CmdexecError when the credential cannot be used."""
        if self.credential is not None:
            return {HEADER: read_credential(self.credential)}
        token = signed_token(
            self.secret or "", self.worker_id or "", clock, lifetime_sec=self.lifetime_sec, skew_sec=self.skew_sec
        )
        return {HEADER: token}


def identify(settings: WorkerSettings, ids: Ids) -> WorkerIdentity:
    """Blocking: a credential named by the settings, else the one in the data folder, else the shared secret with an id
    that is made at the first start and kept. Raises CmdexecError when there is none of them."""
    credential = settings.worker_credential_file or settings.data_dir / CREDENTIAL_FILE
    lifetime, skew = settings.worker_token_ttl_sec, settings.worker_token_skew_sec
    if settings.worker_credential_file is not None or credential.exists():
        read_credential(credential)
        return WorkerIdentity(settings.worker_id, credential, None, lifetime, skew)
    if settings.worker_token_secret is None:
        raise nothing_to_show(credential)
    try:
        worker_id = settings.worker_id or _kept_id(settings.data_dir / WORKER_ID_FILE, ids)
    except (OSError, UnicodeError) as wrong:
        said = wrong.strerror if isinstance(wrong, OSError) else "it is not text"
        raise CmdexecError(
            "bad_data_dir", f"The worker's id cannot be kept in {settings.data_dir / WORKER_ID_FILE}: {said}.",
            field="DATA_DIR", mend="Make room on that disk or give the folder to this user, or set WORKER_ID.",
        ) from wrong  # fmt: skip
    return WorkerIdentity(worker_id, None, settings.worker_token_secret, lifetime, skew)


def nothing_to_show(credential: Path) -> CmdexecError:
    """What to say where there is neither that file nor a shared secret."""
    return CmdexecError(
        "bad_settings",
        f"This worker has nothing to show to a server: {credential} is not there, and no shared secret is set.",
        field="WORKER_CREDENTIAL_FILE",
        mend="Join with a token of the server (--join), or put the worker's credential into that file (mode 0600), or "
        "set WORKER_TOKEN_SECRET.",
    )


def _kept_id(path: Path, ids: Ids) -> str:
    with contextlib.suppress(FileNotFoundError):
        if kept := path.read_text("ascii").strip():
            return kept
    made = ids.new()
    fresh = path.with_suffix(".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | CLOSED_ON_EXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{made}\n")
        file.flush()
        os.fsync(fd)
    fresh.replace(path)
    return made


def read_credential(path: Path) -> str:
    """Blocking: the credential in a file of its owner's alone. Raises CmdexecError(`bad_settings`)."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            kept = file.read(_CREDENTIAL_MAX)
        credential = kept.decode("ascii").strip()
    except (OSError, UnicodeError) as wrong:
        said = wrong.strerror if isinstance(wrong, OSError) else "it is not text"
        raise _unusable(path, f"cannot be read: {said}", "Put the worker's credential into it.") from wrong
    if stat.S_IMODE(mode) & 0o077:
        raise _unusable(path, "may be read by other users", f"Run chmod 600 {path}.")
    if not credential or any(mark.isspace() for mark in credential):
        raise _unusable(path, "holds no credential", "Put the worker's credential into it, on one line.")
    return credential


def _unusable(path: Path, what: str, mend: str) -> CmdexecError:
    return CmdexecError(
        "bad_settings", f"The credential file {path} {what}.", field="WORKER_CREDENTIAL_FILE", mend=mend
    )
