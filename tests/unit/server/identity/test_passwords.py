"""Passwords are hashed slowly, beside the loop, a few at a time, and an unknown user takes as long as a known one."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from cmdexec.errors import Unavailable
from cmdexec.runtime import ThreadPool
from cmdexec.server.identity.passwords import DUMMY, Passwords


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    threads = ThreadPool(8, "test")
    yield Passwords(threads)
    threads.close()


async def test_a_hash_fits_its_own_password_and_no_other(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert stored != await passwords.hash("correct horse battery")
    assert await passwords.check("correct horse battery", stored)
    for other in ("", "correct horse batter", "correct horse battery ", "CORRECT HORSE BATTERY", "\0"):
        assert not await passwords.check(other, stored)


async def test_nobody_has_the_dummys_password_not_even_with_its_hash(passwords: Passwords) -> None:
    assert not await passwords.check("not a password of anybody, only as slow as one: kX3v", None)
    assert not await passwords.check("x", None)


async def test_the_dummy_is_as_slow_as_a_new_hash(passwords: Passwords) -> None:
    assert not await passwords.outdated(DUMMY)
    assert DUMMY.split("$")[:4] == (await passwords.hash("x")).split("$")[:4]


async def test_a_hash_of_older_parameters_is_outdated_and_still_fits(passwords: Passwords) -> None:
    from argon2 import PasswordHasher

    older = PasswordHasher(1, 1024, 1).hash("x")
    assert await passwords.check("x", older)
    assert await passwords.outdated(older)


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$2b$12$abc", "$argon2id$v=19$m=8,t=1,p=1$a$b"])
async def test_a_stored_hash_that_is_none_fits_nothing(passwords: Passwords, stored: str) -> None:
    assert not await passwords.check("x", stored)


async def test_two_at_a_time_and_only_so_many_wait() -> None:
    """Each takes memory and a core: a flood of logins must not take all of either."""
    running, most, gate = 0, 0, threading.Event()

    class Counting(Passwords):
        def _verify(self, password: str, stored: str) -> bool:
            nonlocal running, most
            running += 1
            most = max(most, running)
            gate.wait(10)
            running -= 1
            return True

    threads = ThreadPool(16, "test")
    passwords = Counting(threads)
    checks = [asyncio.ensure_future(passwords.check("x", "y")) for _ in range(30)]
    await asyncio.sleep(0)
    refused = [check for check in checks if check.done() and isinstance(check.exception(), Unavailable)]
    assert len(refused) == 10
    gate.set()
    results = await asyncio.gather(*checks, return_exceptions=True)
    assert results.count(True) == 20
    assert most == 2
    threads.close()
