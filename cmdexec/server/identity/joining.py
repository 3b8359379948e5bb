"""Join tokens: how a machine becomes a worker. It makes its credential by itself and says only its hash; whoever shows
a token that is good has that credential kept, under a worker id of its own."""

import base64
from collections.abc import Sequence
from typing import Literal

from cmdexec.clock import Millis, rfc3339
from cmdexec.errors import Refused
from cmdexec.protocol.accounts import Join, NewJoinToken
from cmdexec.runtime import Runtime
from cmdexec.server.identity.throttle import Throttle, source_key
from cmdexec.server.identity.workers import hash_of
from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow, JoinTokens

_MEND = "Have a new one made: cmdexec join-token create."
_REVOKED_MEND = (
    "To have this machine join again: `cmdexec worker --headless --allow-host --rejoin --join TOKEN`, with a new token."
)

PREFIX = "cj_"
_LENGTH = len(PREFIX) + 43

State = Literal["good", "used", "expired", "revoked"]


class Joining:
    """Makes, lists and revokes join tokens, and lets workers join. `free_tries`: how many tokens that are not good may
    come from one place before the next has to wait."""

    def __init__(self, tokens: JoinTokens, throttle: Throttle, runtime: Runtime, *, free_tries: int) -> None:
        self._tokens = tokens
        self._throttle = throttle
        self._runtime = runtime
        self._free = free_tries

    async def make(self, asked: NewJoinToken, created_by: str) -> tuple[JoinTokenRow, str]:
        """A new token, and its secret, which nobody can tell later."""
        secret = PREFIX + base64.urlsafe_b64encode(self._runtime.secret_bytes(32)).decode().rstrip("=")
        now = self._runtime.clock.now()
        row = JoinTokenRow(
            join_token_id=self._runtime.ids.new(),
            secret_hash=hash_of(secret),
            created_at=now,
            expires_at=now + round(asked.expires_sec * 1000),
            created_by=created_by,
            uses=asked.uses,
            name=asked.name,
            labels=asked.labels,
        )
        await self._tokens.insert(row)
        self._runtime.log.info("a join token was made", join_token=row.join_token_id, by=created_by)
        return row, secret

    async def all(self, page: int = 1000) -> list[JoinTokenRow]:
        """All that are kept, the newest first."""
        found: list[JoinTokenRow] = []
        while part := await self._tokens.all(found[-1].join_token_id if found else "", page):
            found += part
        return found[::-1]

    async def workers(self, rows: Sequence[JoinTokenRow], limit: int) -> list[tuple[str, ...]]:
        """Who joined with each, the first `limit`."""
        return await self._tokens.workers([row.secret_hash for row in rows], limit)

    async def revoke(self, join_token_id: str) -> JoinTokenRow:
        """Raises Refused(`not_found`)."""
        row = await self._tokens.revoke(join_token_id)
        if row is None:
            raise Refused("not_found", f"There is no join token {join_token_id}.", field="joinTokenId")
        self._runtime.log.info("a join token was revoked", join_token=join_token_id)
        return row

    def state(self, row: JoinTokenRow) -> State:
        """Whether it can be used now, and if not, why."""
        return _state(row, self._runtime.clock.now())

    async def join(self, asked: Join, source: str) -> CredentialRow:
        """The credential as it is kept from now on. The same again is answered the same and costs no use: with the
        same token whatever has become of that, with another one while that is good. Raises
        Refused(`bad_join_token` | `forbidden`), Unavailable(`too_many` | `store_away`)."""
        place = f"join {source_key(source)}" if source else None
        if place is not None:
            self._throttle.check(place, "Too many join tokens that are not good came from here.")
        now = self._runtime.clock.now()
        shown = hash_of(asked.token) if _could_be_ours(asked.token) else ""
        new = CredentialRow(asked.credential_hash, self._runtime.ids.new(), now, name=asked.name, joined_with=shown)
        kept = await self._tokens.use(new, now) if shown else None
        if kept is None or kept.joined_with != shown:
            row = await self._tokens.by_secret(shown)
            state = _state(row, now) if row is not None else None
            if kept is None or state != "good":
                if place is not None:
                    self._throttle.failed(place, self._free)
                self._runtime.log.warning("a worker could not join", source=source, token=state or "unknown")
                raise Refused("bad_join_token", _why(row, state), mend=_MEND)
        if kept.revoked:
            raise Refused("forbidden", "This worker was revoked.", mend=_REVOKED_MEND)
        if kept.worker_id == new.worker_id:
            self._runtime.log.info("a worker joined", worker=kept.worker_id, source=source)
        return kept


def _could_be_ours(token: str) -> bool:
    return len(token) == _LENGTH and token.startswith(PREFIX) and token.isascii()


def _state(row: JoinTokenRow, now: Millis) -> State:
    if row.revoked:
        return "revoked"
    if row.used >= row.uses:
        return "used"
    return "expired" if row.expires_at <= now else "good"


def _why(row: JoinTokenRow | None, state: State | None) -> str:
    if row is None:
        return "This server knows no such join token."
    if state == "used":
        times = "once" if row.uses == 1 else f"{row.uses:,} times"
        return f"This join token is used up: it was good {times}."
    if state == "revoked":
        return "This join token was revoked."
    return f"This join token expired at {rfc3339(row.expires_at)}."
