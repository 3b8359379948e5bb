"""Passwords: argon2id, off the event loop, two at a time; an unknown user costs as much as a known one."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cmdexec.errors import Unavailable
from cmdexec.ids import RandomBytes
from cmdexec.runtime import Threads

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_AT_ONCE = 2
_WAITING = 20
_PASSES, _MEMORY_KIB, _LANES = 2, 19_456, 1
"""19 MiB and two passes: OWASP's password storage cheat sheet, the least that it names for argon2id."""

DUMMY = "$argon2id$v=19$m=19456,t=2,p=1$RGao+ES8HkqFzqZVLn6vGQ$Za2QYtHoQocNyzNsBU7AlgzO5+/8/IPrAjpt04V5Exo"
"""A hash that no password of anybody has; checked where there is no user, so that both take the same time."""


_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
"""32 that cannot be taken for each other (Crockford's base 32)."""

_GROUPS, _GROUP = 5, 4
"""20 letters of 5 bits: 100 bits."""


def readable_password(secret_bytes: RandomBytes) -> str:
    """A password to be read out and typed in: `k7fm-2q9x-…`."""
    letters = "".join(_LETTERS[byte % len(_LETTERS)] for byte in secret_bytes(_GROUPS * _GROUP))
    return "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))


class Passwords:
    """Makes and checks hashes."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._hasher: PasswordHasher | None = None

    async def hash(self, password: str) -> str:
        """A new hash, with a salt of its own."""
        async with self._turn:
            return await self._threads.run(lambda: self._make().hash(password))

    async def check(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one of `stored`; of None (no such user) it never is, and takes as long.

        Raises Unavailable(`overloaded`) if too many wait.
        """
        if self._waiting >= _WAITING:
            raise Unavailable("overloaded", "Too many people log in at once.", retry_after=2.0)
        self._waiting += 1
        try:
            async with self._turn:
                right = await self._threads.run(partial(self._verify, password, DUMMY if stored is None else stored))
        finally:
            self._waiting -= 1
        return right and stored is not None

    async def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than are used now, and should be made anew."""
        return await self._threads.run(lambda: self._make().check_needs_rehash(stored))

    def _verify(self, password: str, stored: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            return self._make().verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    def _make(self) -> "PasswordHasher":
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)
        return self._hasher
