"""A token that a worker signs itself with the shared WORKER_TOKEN_SECRET: a JSON Web Token (RFC 7519), HS256.

Made by hand: the JWT library would weigh more than the rest of an idle worker does.
"""

import base64
import hashlib
import hmac

import msgspec

from cmdexec.clock import Clock

_HEADER = b'{"alg":"HS256","typ":"JWT"}'


def signed_token(secret: str, worker_id: str, clock: Clock, *, lifetime_sec: float, skew_sec: float) -> str:
    """A token that says `workerId`, `iat` and `exp`.

    It is checked once, when the connection is made. A server refuses tokens from the future, and its clock may be
    behind: so it is issued `skew_sec` ago.
    """
    issued = clock.now() // 1000 - int(skew_sec)
    claims = msgspec.json.encode({"workerId": worker_id, "iat": issued, "exp": issued + int(lifetime_sec)})
    text = _part(_HEADER) + b"." + _part(claims)
    return (text + b"." + _part(hmac.digest(secret.encode(), text, hashlib.sha256))).decode()


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
