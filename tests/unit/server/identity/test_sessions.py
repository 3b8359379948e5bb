"""Logins that end while something of them is open, and those of browsers (S12)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace as changed

from cmdexec.errors import Refused, Unavailable
from cmdexec.notify.contract import Revoked
from cmdexec.server.identity import NOBODY
from cmdexec.server.identity.logins import Login
from cmdexec.server.identity.sessions import LiveSessions, hash_of_cookie
from cmdexec.server.identity.who import worker
from cmdexec.store.contract.identity import SessionRow, UserRow
from tests.support.waiting import becomes
from tests.unit.server.identity.conftest import Around
from tests.unit.server.identity.test_logins import live, logins, user


async def opened(around: Around, name: str = "ann", ttl: float = 3600) -> Login:
    row = await around.store.reads.users.get(name) or await user(around, name)
    return await logins(around, ttl=ttl).open(row, cookie=True)


async def test_a_browsers_cookie_is_good_as_long_as_its_login(around: Around) -> None:
    login, sessions = await opened(around), live(around)
    assert login.cookie is not None
    assert login.cookie not in repr(login)
    who = await sessions.of_cookie(login.cookie)
    assert (who.id, who.jti, who.expires_at) == ("ann", login.jti, login.expires_at)
    row = await around.store.reads.sessions.get(login.jti)
    assert row is not None
    assert row.cookie_hash == hash_of_cookie(login.cookie) != login.cookie
    for wrong in ("", "x", "A" * 43, f"{login.cookie}x", login.cookie[:-1], hash_of_cookie(login.cookie)):
        with pytest.raises(Refused, match="has ended"):
            await sessions.of_cookie(wrong)
    await logins(around).log_out(who)
    with pytest.raises(Refused):
        await sessions.of_cookie(login.cookie)
    with pytest.raises(Refused):
        await sessions.identity(login.jti, "ann")


async def test_a_program_that_logs_in_gets_no_cookie(around: Around) -> None:
    await user(around)
    login = await logins(around).log_in("ann@test", "secret", "")
    assert login.cookie is None
    row = await around.store.reads.sessions.get(login.jti)
    assert row is not None
    assert row.cookie_hash is None


async def test_a_login_under_an_older_epoch_is_not_good(around: Around) -> None:
    """Also one that was under way, by the old password, when the user was changed."""
    row = await user(around)
    login, sessions = await opened(around), live(around, cache_sec=0)
    users = around.store.reads.users
    assert await users.change(row, changed(row, epoch=1)) == "changed"
    late = await logins(around).open(row, cookie=True)
    for one in (login, late):
        with pytest.raises(Refused):
            await sessions.identity(one.jti, "ann")
        with pytest.raises(Refused):
            await sessions.of_cookie(one.cookie or "")
    newer = await opened(around)
    assert (await sessions.identity(newer.jti, "ann")).id == "ann"


class Cut:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def watched(around: Around, sessions: LiveSessions, login: Login) -> tuple[Cut, Callable[[], None]]:
    cut = Cut()
    return cut, sessions.watch(await sessions.identity(login.jti, login.user.user_id), cut)


async def test_who_watches_a_login_is_told_once_and_at_once_when_its_end_is_announced(around: Around) -> None:
    sessions, one = live(around), await opened(around)
    another, other = await opened(around), await opened(around, "bob")
    cut, _ = await watched(around, sessions, one)
    too, _ = await watched(around, sessions, one)
    stays, _ = await watched(around, sessions, another)
    gone, stop = await watched(around, sessions, one)
    stop()
    stop()
    bobs, _ = await watched(around, sessions, other)
    for _ in range(2):
        around.notify.publish(Revoked(jti=one.jti))
    assert [cut.times, too.times, stays.times, gone.times, bobs.times] == [1, 1, 0, 0, 0]
    around.notify.publish(Revoked(user_id="ann"))
    around.notify.publish(Revoked(worker_id="bob"))
    assert [cut.times, too.times, stays.times, gone.times, bobs.times] == [1, 1, 1, 0, 0]


async def test_who_has_no_login_is_never_told(around: Around) -> None:
    sessions, cut = live(around), Cut()
    for who in (NOBODY, worker("w1")):
        sessions.watch(who, cut)()
        sessions.watch(who, cut)
    around.notify.publish(Revoked(jti=None, user_id=None, worker_id="w1"))
    assert cut.times == 0


async def ends(around: Around, login: Login, how: str) -> None:
    reads = around.store.reads
    row = await reads.users.get("ann")
    assert row is not None
    if how == "revoked":
        await reads.sessions.revoke(login.jti)
    elif how == "disabled":
        await reads.users.change(row, changed(row, disabled=True))
    elif how == "epoch":
        await reads.users.change(row, changed(row, epoch=9))
    else:
        around.clock.ahead_ms += 3_600_000


@asynccontextmanager
async def looking(sessions: LiveSessions) -> AsyncIterator[None]:
    task = asyncio.create_task(sessions.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("how", ["revoked", "disabled", "epoch", "expired"])
async def test_an_end_that_nobody_announced_is_found_within_the_time_it_may_be_kept(around: Around, how: str) -> None:
    sessions, login = live(around), await opened(around)
    who = await sessions.identity(login.jti, "ann")
    over, at = asyncio.create_task(sessions.ended(who)), list[float]()
    sessions.watch(who, lambda: at.append(around.clock.seconds))
    stays, _ = await watched(around, sessions, await opened(around, "bob", ttl=10**9))
    await ends(around, login, how)
    began = around.clock.seconds
    async with looking(sessions):
        await asyncio.wait_for(over, 10)
    assert [found - began for found in at] == [5]
    assert stays.times == 0


async def test_a_login_stays_while_the_store_is_away_but_not_beyond_its_own_end(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, login = live(around), await opened(around, ttl=10**9)
    cut, _ = await watched(around, sessions, login)
    asked = Cut()

    async def away(_jti: str) -> SessionRow | None:
        asked()
        raise Unavailable("store_away", "The store cannot be reached.")

    monkeypatch.setattr(around.store.reads.sessions, "get", away)
    async with looking(sessions):
        await becomes(lambda: asked.times > 2, "it was looked at")
        assert cut.times == 0
        around.clock.ahead_ms += 10**12
        await becomes(lambda: cut.times == 1, "it was cut")


async def test_an_end_that_is_announced_while_its_login_is_looked_up_is_not_overlooked(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, login = live(around, cache_sec=1000), await opened(around)
    users, read, reading = around.store.reads.users, asyncio.Event(), asyncio.Event()
    get = users.get

    async def slow(user_id: str) -> UserRow | None:
        row = await get(user_id)
        reading.set()
        await read.wait()
        return row

    monkeypatch.setattr(users, "get", slow)
    looked_up = asyncio.create_task(sessions.identity(login.jti, "ann"))
    await asyncio.wait_for(reading.wait(), 10)
    await around.store.reads.sessions.revoke(login.jti)
    around.notify.publish(Revoked(jti=login.jti))
    read.set()
    await asyncio.gather(looked_up, return_exceptions=True)
    with pytest.raises(Refused):
        await sessions.identity(login.jti, "ann")


async def test_what_waits_for_an_end_and_is_given_up_leaves_nothing_behind(around: Around) -> None:
    sessions, login = live(around), await opened(around)
    who = await sessions.identity(login.jti, "ann")
    for _ in range(3):
        over = asyncio.create_task(sessions.ended(who))
        await asyncio.sleep(0)
        over.cancel()
        with pytest.raises(asyncio.CancelledError):
            await over
    assert not sessions._watched
