"""The key that signs login tokens: from the settings, or made at the first start and kept in the data folder."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.ids import RandomBytes
from cmdexec.server.folder import file_fault, write_private

FILE = "jwt_secret"
_BYTES = 32
"""256 random bits (RFC 7518, 3.2: as long as the hash)."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys by their id (`kid`); tokens are signed with the newest, those signed with any are taken."""

    newest: str
    secrets: Mapping[str, str] = field(repr=False)


def kid_of(secret: str) -> str:
    """The id of a key: it tells keys apart and says nothing about them."""
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]


def key_ring(folder: Path, configured: str | None, secret_bytes: RandomBytes) -> KeyRing:
    """The keys to use: `configured` if there is one, else what `folder`/jwt_secret holds, made if it is not there.

    Blocks; for the start only. Raises CmdexecError(`bad_data_dir`).
    """
    secret = configured if configured is not None else _kept(folder / FILE, secret_bytes)
    kid = kid_of(secret)
    return KeyRing(kid, {kid: secret})


def _kept(path: Path, secret_bytes: RandomBytes) -> str:
    try:
        made = secret_bytes(_BYTES).hex()
        if not path.exists():
            write_private(path, made)
        secret = path.read_text("ascii").strip()
    except OSError as wrong:
        raise file_fault(path, wrong) from wrong
    except ValueError:  # it is not text
        secret = ""
    if len(secret) < _BYTES:
        mend = "Delete it: a new one is made, and all logins end."
        raise CmdexecError("bad_data_dir", f"{path} holds no key.", field="DATA_DIR", mend=mend)
    return secret
