"""A token that a worker signs itself with the shared WORKER_TOKEN_SECRET: a JSON Web Token (RFC 7519), HS256.

Made by hand: the JWT library would weigh more than the rest of an idle worker does.
"""

import base64
import hashlib
import hmac

import msgspec

from cmdexec.clock import Clock

LIFETIME_SEC = 24 * 3600
"""The longest that a server accepts; it is checked once, when the connection is made."""

SKEW_SEC = 60
"""Issued so long ago, because a server refuses tokens from the future and its clock may be behind."""

_HEADER = b'{"alg":"HS256","typ":"JWT"}'


def signed_token(secret: str, worker_id: str, clock: Clock) -> str:
    """A token that says `workerId`, `iat` and `exp`."""
    issued = clock.now() // 1000 - SKEW_SEC
    claims = msgspec.json.encode({"workerId": worker_id, "iat": issued, "exp": issued + LIFETIME_SEC})
    text = _part(_HEADER) + b"." + _part(claims)
    return (text + b"." + _part(hmac.digest(secret.encode(), text, hashlib.sha256))).decode()


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
