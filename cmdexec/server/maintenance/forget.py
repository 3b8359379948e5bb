"""What is kept only for a while: the keys of submissions, login sessions that have ended, and old join tokens."""

from cmdexec.errors import CmdexecError
from cmdexec.log import Trouble
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import Jobs
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads


class Forget:
    """A Service."""

    def __init__(self, *, reads: Reads, jobs: Jobs, runtime: Runtime, settings: ServerSettings) -> None:
        self._sessions = reads.sessions
        self._join_tokens = reads.join_tokens
        self._join_token_keep_ms = round(settings.join_token_keep_sec * 1000)
        self._jobs = jobs
        self._clock = runtime.clock
        self._trouble = Trouble(runtime.log, "what is old could not be forgotten")
        self._sweep_sec = settings.forget_sweep_sec
        self._items = settings.sweep_items

    async def run(self) -> None:
        """Forget until cancelled."""
        while True:
            try:
                while await self.sweep():
                    await self._clock.sleep(0)
                self._trouble.over()
            except CmdexecError as away:
                self._trouble.tell(away.code, away.message)
            await self._clock.sleep(self._sweep_sec)

    async def sweep(self) -> bool:
        """One bounded batch of each kind; returns whether there may be more. Raises what the store raises."""
        keys = await self._jobs.forget_submit_keys(self._items)
        now = self._clock.now()
        sessions = await self._sessions.forget_expired(now, self._items)
        join_tokens = await self._join_tokens.forget_expired(now - self._join_token_keep_ms, self._items)
        return max(keys, sessions, join_tokens) >= self._items
