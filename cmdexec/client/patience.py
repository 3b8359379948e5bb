"""How long, and how often, a call is made again."""

from collections.abc import Callable

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.model.backoff import reconnect_wait
from cmdexec.runtime import Runtime
from cmdexec.settings.client import ClientSettings

Notice = Callable[[CmdexecError], None]
"""Told once for each time that the server is away or busy for longer than `tell_after_sec`."""

_HOPELESS = frozenset({"disk_full", "output_limit"})
"""Waiting does not help: somebody has to make room."""

_UNNAMED_SEC = 1.0
"""What `retry_after` is where a server names none: a proposal, and no more."""

_SPREAD_PART, _SPREAD_SEC = 0.1, 1.0
"""Over how much of the wait that a server asks for, and how many seconds at least but no more than that wait, those
come back who were all sent away until the same moment."""


class Patience:
    """The waits between the tries of one call: full jitter, never shorter than the server asks for, and an end.

    A server that asks for more than the patience that is left is not waited for at all. `ended`: see `end`.
    """

    def __init__(self, settings: ClientSettings, runtime: Runtime, notice: Notice | None = None) -> None:
        self._settings = settings
        self._runtime = runtime
        self._notice = notice
        self._failures = 0
        self._since: float | None = None
        self._told = False
        self.ended = False

    def end(self) -> None:
        """Nobody wants it any more: what is tried now is the last try."""
        self.ended = True

    def answered(self) -> None:
        """The server did what was asked: what comes now is a new trouble."""
        self._failures = 0
        self._since = None
        self._told = False

    async def wait(self, wrong: Unavailable) -> None:
        """Wait before the next try. Raises `wrong` when there shall be none."""
        now = self._runtime.clock.elapsed()
        if self._since is None:
            self._since = now
        passed = now - self._since
        if self.ended or wrong.code in _HOPELESS or passed >= self._settings.patience_sec:
            raise wrong
        first, longest = self._settings.retry_first_sec, self._settings.retry_max_sec
        wait = reconnect_wait(self._failures, self._runtime.rng.random(), first, longest)
        self._failures += 1
        if wrong.code != "server_away":
            named = wrong.retry_after > _UNNAMED_SEC
            if named and wrong.retry_after > self._settings.patience_sec - passed:
                raise wrong
            least = wrong.retry_after if named else min(wrong.retry_after, longest)
            if named or wrong.code == "too_many":
                least += self._runtime.rng.random() * max(least * _SPREAD_PART, min(least, _SPREAD_SEC))
            wait = max(wait, least)
        if self._notice is not None and not self._told and passed + wait >= self._settings.tell_after_sec:
            self._told = True
            self._notice(wrong)
        await self._runtime.clock.sleep(min(wait, self._settings.patience_sec - passed))
        if self.ended:
            raise wrong
