"""A token of the first admin, for the programs of the user that the server runs as."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.runtime import Runtime
from cmdexec.server.identity.first_admin import first_admin
from cmdexec.server.identity.logins import Logins
from cmdexec.server.identity.sessions import LiveSessions
from cmdexec.server.identity.who import NOBODY, Identity
from cmdexec.store.contract.identity import Users

_LOOK_SEC = 1.0
"""How often it is looked whether the token is still good: the wall clock, by which it ends, may have jumped, and its
login may have been ended. Mostly that asks the store nothing."""


class OwnToken:
    """A Service: makes the token anew at half its life, when the wall clock jumps out of that, or when its login was
    ended, and hands each to `write` (which runs in a thread)."""

    def __init__(
        self, logins: Logins, sessions: LiveSessions, users: Users, runtime: Runtime, *, folder: Path, email: str,
        ttl_sec: float,
    ) -> None:  # fmt: skip
        self._logins = logins
        self._sessions = sessions
        self._users = users
        self._runtime = runtime
        self._folder = folder
        self._email = email
        self._ttl_sec = ttl_sec
        self._write: Callable[[str | None], None] | None = None
        self._made_at: int | None = None
        self._who: Identity | None = None

    async def begin(self, write: Callable[[str | None], None]) -> None:
        """Make and write the first one; without a token, while the store is away. Raises CmdexecError."""
        self._write = write
        try:
            await self._renew()
        except Unavailable as away:
            if away.code != "store_away":
                raise
            await self._runtime.threads.run(lambda: write(None))

    async def run(self) -> None:
        """Renew until cancelled."""
        told = False
        while True:
            await self._pause()
            try:
                if self._good() and await self._stands():
                    continue
                await self._renew()
                told = False
            except CmdexecError as wrong:
                if not told:
                    self._runtime.log.warning("the server's own token could not be renewed", why=str(wrong))
                told = True

    async def _pause(self) -> None:
        """Until the next look, which is due at once when somebody ends the login: a command may follow."""
        async with asyncio.TaskGroup() as tasks:
            sleeping = tasks.create_task(self._runtime.clock.sleep(min(_LOOK_SEC, self._ttl_sec / 4)))

            def wake() -> None:
                sleeping.cancel()

            stop = self._sessions.watch(self._who or NOBODY, wake)
            sleeping.add_done_callback(lambda _: stop())

    def _good(self) -> bool:
        """Whether it is in the first half of its life; one of a time to come is taken by nobody."""
        now, made_at = self._runtime.clock.now(), self._made_at
        return made_at is not None and made_at - _LOOK_SEC * 1000 <= now < made_at + self._ttl_sec * 500

    async def _stands(self) -> bool:
        """Whether nobody has ended its login: the admin may have been given another password."""
        who = self._who
        if who is None:
            return await first_admin(self._users, self._runtime, self._folder, self._email) is None
        try:
            await self._sessions.identity(who.jti or "", who.id or "")
        except Refused:
            return False
        return True

    async def _renew(self) -> None:
        """Without an admin there is no token: then programs of this user have to log in like any other."""
        write = self._write
        if write is None:
            return
        now = self._runtime.clock.now()
        user = await first_admin(self._users, self._runtime, self._folder, self._email)
        login = await self._logins.open(user) if user is not None else None
        self._who = await self._sessions.identity(login.jti, login.user.user_id) if login is not None else None
        token = login.token if login is not None else None
        await self._runtime.threads.run(lambda: write(token))
        self._made_at = now
