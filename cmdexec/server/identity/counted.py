"""Under whom a call is counted, and whether it counts at all."""

from typing import Any

from cmdexec.protocol.operations import ENROLMENTS, Per, Rate
from cmdexec.server.identity.throttle import source_key
from cmdexec.server.identity.who import Identity
from cmdexec.server.identity.workers import WorkerIdentities
from cmdexec.server.ratelimit import Rates, Spent

_NOWHERE = "from no place that a proxy named"
"""Under this all are counted together of whom nobody can tell where they come from: the bound has to hold for them too.
"""


class Counted:
    """Counts the calls of operations that have a rate."""

    def __init__(self, rates: Rates, workers: WorkerIdentities) -> None:
        self._rates = rates
        self._workers = workers

    async def call(self, rate: Rate, who: Identity, request: Any, source: str) -> Spent | None:
        """One call; None where it does not count. Raises Unavailable(`store_away`) if it cannot be known whether."""
        if not self._rates.bounds(rate) or any(getattr(request, name) for name in rate.spares):
            return None
        if rate.per is not Per.SOURCE:
            return await self._rates.spend(rate, who.id or "")
        if rate.first and await self._known(who, request):
            return None
        return await self._rates.spend(rate, source_key(source) if source else _NOWHERE)

    async def enrols(self, who: Identity, source: str) -> None:
        """A worker opens a socket. Raises TooOften if it is new and too many have come from there."""
        spent = await self.call(ENROLMENTS, who, None, source)
        if spent is not None and spent.over:
            raise spent.refusal()

    async def _known(self, who: Identity, request: Any) -> bool:
        """Whether the worker was there before: the one that speaks, or the one that shows the hash of its credential to
        join."""
        if (shown := getattr(request, "credential_hash", None)) is not None:
            return await self._workers.has(shown)
        return who.enrolled
