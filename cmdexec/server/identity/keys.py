"""The key that signs login tokens: from the settings, or made at the first start and kept in the data folder."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.ids import RandomBytes

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
            write_secret(path, made)
        secret = path.read_text("ascii").strip()
    except (OSError, ValueError) as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} cannot be read or written.", mend="See to its owner and its mode."
        ) from wrong
    if len(secret) < _BYTES:
        raise CmdexecError(
            "bad_data_dir", f"{path} holds no key.", mend="Delete it: a new one is made, and all logins end."
        )
    return secret


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner can read: whole, or not at all. Raises OSError."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
