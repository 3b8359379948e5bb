"""Tokens: made for users, and checked for workers that sign their own. `edge.bearer` checks those of users."""

from collections.abc import Mapping
from typing import Any

import jwt

from cmdexec.clock import Clock
from cmdexec.errors import Refused
from cmdexec.server.identity.keys import KeyRing

ISSUER = "cmdexec"
AUDIENCE = "cmdexec"
TYPE = "at+jwt"
"""An access token (RFC 9068, 2.1): the token of a worker, which is of type JWT, is never taken for one."""

ALGORITHM = "HS256"
MAX_TOKEN = 4096
"""Bytes; what is longer is no token of ours."""

REQUIRED = ("sub", "jti", "iat", "exp")
_WORKER_REQUIRED = ("workerId", "iat", "exp")

LONGEST_SEC = 24 * 3600 + 1
"""The longest that any token may be good; the second is for times that were rounded."""

_SKEW_SEC = 60
"""How far the clock of another machine may be off."""

_ID_MAX = 100
_ID_MARKS = frozenset("_.:-")


def issue(keys: KeyRing, *, user_id: str, jti: str, issued_at: int, expires_at: int) -> str:
    """A user's token, bound to the session `jti`; times in whole seconds since 1970."""
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "jti": jti, "iat": issued_at, "exp": expires_at,
    }  # fmt: skip
    return jwt.encode(claims, keys.secrets[keys.newest], algorithm=ALGORITHM, headers={"kid": keys.newest, "typ": TYPE})


def header_of(token: str) -> Mapping[str, Any]:
    """The header of a token, not yet verified. Raises Refused(`unauthorized`) for what is none."""
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        raise bad_token()
    try:
        header: Mapping[str, Any] = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as wrong:
        raise bad_token() from wrong
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise bad_token()
    return header


def claims_in(token: str, secret: str) -> Mapping[str, Any]:
    """What a user's token says, its signature found good; its times are still to be judged, by the server's clock.
    Raises Refused(`unauthorized`)."""
    options: Any = {"require": list(REQUIRED), "verify_exp": False, "verify_iat": False}
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as wrong:
        raise bad_token() from wrong
    return claims


def worker_id_in(token: str, secret: str, clock: Clock) -> str:
    """The worker that a token signed with WORKER_TOKEN_SECRET speaks for. Raises Refused(`unauthorized`).

    HS256 only; claims `workerId`, `iat`, `exp`, at most 24 h apart and not from the future.
    """
    try:
        return _worker_id_in(token, secret, clock)
    except Refused as wrong:
        raise bad_worker_token() from wrong


def _worker_id_in(token: str, secret: str, clock: Clock) -> str:
    if header_of(token).get("typ", "JWT") not in ("JWT", "jwt"):
        raise bad_token()
    judged_here: Any = {"require": list(_WORKER_REQUIRED), "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options=judged_here)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as wrong:
        raise bad_token() from wrong
    worker_id, issued, expires = (claims[name] for name in _WORKER_REQUIRED)
    for time in (issued, expires):
        if isinstance(time, bool) or not isinstance(time, int | float):
            raise bad_token()
    now = clock.now() / 1000
    if not (issued <= now + _SKEW_SEC and now < expires <= issued + LONGEST_SEC):
        raise bad_token()
    if not isinstance(worker_id, str) or not 0 < len(worker_id) <= _ID_MAX:
        raise bad_token()
    if not all(mark.isascii() and (mark.isalnum() or mark in _ID_MARKS) for mark in worker_id):
        raise bad_token()
    return worker_id


def bad_token() -> Refused:
    """The same for every fault of a token: whoever tries tokens learns nothing from the answer."""
    return Refused(
        "unauthorized", "This token is not good: it is not ours, or it has ended.",
        mend="Log in again for a new one: POST /api/auth/login.",
    )  # fmt: skip


def bad_worker_token() -> Refused:
    """The same for every fault of what a worker showed."""
    return Refused(
        "unauthorized", "This worker token is not good: it is not ours, or it has ended.",
        mend="Show the worker's own credential, or sign a token with WORKER_TOKEN_SECRET where the server takes those:"
        " HS256, with `workerId`, `iat` and `exp`, at most 24 hours apart.",
    )  # fmt: skip
