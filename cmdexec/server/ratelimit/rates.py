"""The rates of `protocol.operations` with the bounds that the settings give them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cmdexec.errors import Unavailable
from cmdexec.protocol.operations import ENROLMENTS, HEARTBEATS, SUBMISSIONS, Rate
from cmdexec.server.ratelimit.counters import Counters
from cmdexec.settings.server import ServerSettings


class TooOften(Unavailable):
    """`too_many`, with the headers that say how often it may be."""

    def __init__(self, message: str, *, retry_after: float, mend: str, headers: Mapping[str, str]) -> None:
        super().__init__("too_many", message, retry_after=retry_after, mend=mend)
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Spent:
    """One call, counted: the `used`-th of at most `most` in a window of which `left_sec` are left. `again_sec`: one too
    many is told to come again after so long at most, where that is less."""

    rate: Rate
    most: int
    window_sec: float
    used: int
    left_sec: float
    again_sec: float = math.inf

    @property
    def over(self) -> bool:
        """Whether it is one too many."""
        return self.used > self.most

    @property
    def headers(self) -> Mapping[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes them: whole seconds, and the policy's name as a string."""
        name = f'"{self.rate.name}"'
        left, window = max(1, math.ceil(self.left_sec)), max(1, math.ceil(self.window_sec))
        return {
            "RateLimit-Policy": f"{name};q={self.most};w={window}",
            "RateLimit": f"{name};r={max(0, self.most - self.used)};t={left}",
        }

    def refusal(self) -> TooOften:
        """What one too many is answered with."""
        message = f"Too many {self.rate.counted}: {self.most:,} in {self.window_sec:g} s are taken."
        after = min(self.left_sec, self.again_sec)
        mend = f"Try again in {max(1, math.ceil(after))} s. {self.rate.mend}".rstrip()
        return TooOften(message, retry_after=after, mend=mend, headers=self.headers)


class Rates:
    """Counts calls against the bounds of `settings`; what has none is not counted."""

    def __init__(self, settings: ServerSettings, counters: Counters) -> None:
        self._counters = counters
        self._window_sec = settings.rate_limit_window_ms / 1000
        bounds = {
            SUBMISSIONS.name: settings.rate_limit_max_jobs,
            ENROLMENTS.name: settings.rate_limit_max_register,
            HEARTBEATS.name: settings.rate_limit_max_heartbeat,
        }
        self._most = {name: most for name, most in bounds.items() if most is not None}
        self._again_sec = {HEARTBEATS.name: settings.heartbeat_sec}  # who obeys must not lose its lease by that

    def bounds(self, rate: Rate) -> bool:
        """Whether it has a bound."""
        return rate.name in self._most

    async def spend(self, rate: Rate, whose: str) -> Spent | None:
        """Count one call of `whose`; None where it has no bound."""
        most = self._most.get(rate.name)
        if most is None:
            return None
        used, left = await self._counters.add(f"{rate.name}:{whose}", self._window_sec)
        again = self._again_sec.get(rate.name, math.inf)
        return Spent(rate, most, self._window_sec, used, left, again)
