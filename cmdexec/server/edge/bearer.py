"""Credentials of a request. The only file that knows aiohttp-jwt, which verifies the signatures of users' tokens.

Used bare it would take tokens without `exp`, know one key, answer in its own words and let OPTIONS pass. So: what the
token says of itself is checked before, a verifier for each key is called with a handler that does nothing, and what
came out is checked after. Only our own code decides what runs and what is said.
"""

import hashlib
from collections import OrderedDict
from typing import Any

from aiohttp import web
from aiohttp_jwt import JWTMiddleware

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError, Refused
from cmdexec.server.identity.keys import KeyRing
from cmdexec.server.identity.tokens import (
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    LONGEST_SEC,
    MAX_TOKEN,
    REQUIRED,
    TYPE,
    bad_token,
    bad_worker_token,
    claims_in,
    header_of,
)
from cmdexec.server.perform import Claims, Presented

WORKER_TOKEN = "x-worker-token"  # noqa: S105 (a header's name)
_CLAIMS = "jwt"
_KEPT = 4096
"""How many tokens are remembered as good; beyond, those verified longest ago are so anew when they come. No setting:
more would save a fraction of a millisecond a call, and cost memory that anybody with tokens could fill."""


class _Shown(dict[str, Any]):
    """All that the verifier sees of a request: the token, and where to put what it says. So it treats every method
    alike (it would let OPTIONS pass unverified), and knows no path that it could make an exception of."""

    method = "GET"
    path = "/"

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


def _token(shown: _Shown) -> str:
    return shown.token


async def _nothing(_shown: _Shown) -> None:
    return None


def _token_of(request: web.BaseRequest) -> str:
    """What follows `Bearer`. Raises Refused(`unauthorized`) if there is no single header of that form."""
    given = request.headers.getall("Authorization", ())
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise Refused(
            "unauthorized", "This `Authorization` is none that is taken here.",
            mend="Send it once, with one `Bearer` token; for one, log in: POST /api/auth/login.",
        )  # fmt: skip
    return token.strip()


class Bearer:
    """Reads credentials: `Authorization` decides alone if it is there, else `x-worker-token` does, and only without
    both a browser's cookie (`edge.browser`).

    A token that was verified stays so until its own end; checking it anew costs a third of a whole small request.
    Whether its session still stands is asked each time, elsewhere.
    """

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._clock = clock
        self._secrets = keys.secrets
        self._verified: OrderedDict[bytes, tuple[Claims, int]] = OrderedDict()
        self._verify = {
            kid: JWTMiddleware(
                secret, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, token_getter=_token,
                request_property=_CLAIMS, whitelist=(),
            )
            for kid, secret in keys.secrets.items()
        }  # fmt: skip

    async def presented(self, request: web.BaseRequest) -> Presented:
        """The request's credentials; of a user's token, what it says, with its signature and times found good."""
        if "Authorization" in request.headers:
            try:
                return Presented(claims=await self._claims(_token_of(request)))
            except CmdexecError as wrong:
                return Presented(bad=wrong)
        tokens = request.headers.getall(WORKER_TOKEN, ())
        if len(tokens) > 1 or (tokens and not 0 < len(tokens[0]) <= MAX_TOKEN):
            return Presented(bad=bad_worker_token())
        return Presented(worker_token=tokens[0] if tokens else None)

    async def _claims(self, token: str) -> Claims:
        name = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(name)
        if known is None:
            known = await self._verify_anew(token)
            self._verified[name] = known
            while len(self._verified) > _KEPT:
                self._verified.popitem(last=False)
        claims, expires = known
        if self._clock.now() >= expires * 1000:
            self._verified.pop(name, None)
            raise bad_token()
        return claims

    async def _verify_anew(self, token: str) -> tuple[Claims, int]:
        """The library judges times by this machine's clock, which says nothing where servers go by their store's, or
        the clock was set since: its no is asked for once more without them. When a token ends, our own clock says."""
        header = header_of(token)
        kid = header.get("kid")
        verify = self._verify.get(kid) if isinstance(kid, str) else None
        secret = self._secrets.get(kid) if isinstance(kid, str) else None
        if verify is None or secret is None or header.get("typ") != TYPE:
            raise bad_token()
        shown = _Shown(token)
        try:
            await verify(shown, _nothing)
        except web.HTTPException:
            shown[_CLAIMS] = claims_in(token, secret)
        except (ValueError, TypeError, OverflowError, RecursionError) as wrong:
            raise bad_token() from wrong
        user_id, jti, issued, expires = (shown.get(_CLAIMS, {}).get(name) for name in REQUIRED)
        if not isinstance(user_id, str) or not isinstance(jti, str):
            raise bad_token()
        if not isinstance(issued, int) or not isinstance(expires, int) or not 0 < expires - issued <= LONGEST_SEC:
            raise bad_token()
        return Claims(user_id, jti), expires
