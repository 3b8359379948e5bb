"""From a password to a session; and sessions that end."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from cmdexec.errors import Refused, Unavailable
from cmdexec.notify.contract import Revoked
from cmdexec.server.identity.first_admin import ensure_admin, first_admin
from cmdexec.server.identity.keys import KeyRing, kid_of
from cmdexec.server.identity.logins import Login, Logins
from cmdexec.server.identity.own_token import OwnToken
from cmdexec.server.identity.passwords import Passwords
from cmdexec.server.identity.sessions import LiveSessions
from cmdexec.server.identity.throttle import Throttle
from cmdexec.store.contract.identity import UserRow
from tests.support.waiting import becomes
from tests.unit.server.identity.conftest import Around

SECRET = "a-key-of-the-tests-for-login-tokens-7f1c9d"
KEYS = KeyRing(kid_of(SECRET), {kid_of(SECRET): SECRET})


def logins(around: Around, *, free: int = 5, ttl: float = 3600) -> Logins:
    reads = around.store.reads
    return Logins(
        reads.users, reads.sessions, Passwords(around.runtime.threads), KEYS, Throttle(around.clock, longest_sec=300),
        around.notify, around.runtime, token_ttl_sec=ttl, free_tries=free,
    )  # fmt: skip


def live(around: Around, cache_sec: float = 5) -> LiveSessions:
    reads = around.store.reads
    return LiveSessions(reads.sessions, reads.users, around.notify, around.clock, cache_sec=cache_sec)


def own_token(around: Around, *, ttl_sec: float) -> OwnToken:
    return OwnToken(
        logins(around, ttl=ttl_sec), live(around), around.store.reads.users, around.runtime, folder=around.folder,
        email="r@test", ttl_sec=ttl_sec,
    )  # fmt: skip


async def user(around: Around, name: str = "ann", *, disabled: bool = False) -> UserRow:
    row = UserRow(name, f"{name}@test", "viewer", await Passwords(around.runtime.threads).hash("secret"), 1, disabled)
    assert await around.store.reads.users.insert(row)
    return row


def jti_of(login: Login) -> str:
    import jwt

    return str(jwt.decode(login.token, options={"verify_signature": False})["jti"])


async def test_the_right_password_opens_a_session_that_its_token_names(around: Around) -> None:
    row = await user(around)
    login = await logins(around).log_in(" ANN@test ", "secret", "192.0.2.1")
    assert login.user == row
    assert login.expires_at == around.clock.now() + 3_600_000
    who = await live(around).identity(jti_of(login), "ann")
    assert (who.kind, who.id, who.email, who.role) == ("user", "ann", "ann@test", "viewer")


async def test_wrong_password_unknown_user_and_disabled_user_are_told_the_same(around: Around) -> None:
    await user(around)
    await user(around, "bob", disabled=True)
    login, told = logins(around), set()
    for email, password in (("ann@test", "x"), ("nobody@test", "secret"), ("bob@test", "secret"), ("", "")):
        with pytest.raises(Refused) as refused:
            await login.log_in(email, password, "192.0.2.1")
        told.add(str(refused.value))
    assert len(told) == 1


async def test_guesses_have_to_wait_also_from_many_places_and_for_users_that_are_none(around: Around) -> None:
    await user(around)
    for email in ("ann@test", "nobody@test"):
        login = logins(around, free=2)
        tries = [login.log_in(email, "wrong", f"192.0.2.{number}") for number in range(30)]
        told = [type(wrong) for wrong in await asyncio.gather(*tries, return_exceptions=True)]
        assert (told.count(Refused), told.count(Unavailable)) == (2, 28)


async def test_people_who_share_a_place_do_not_wait_for_each_others_good_logins(around: Around) -> None:
    await user(around)
    login = logins(around, free=1)
    for _ in range(10):
        await login.log_in("ann@test", "secret", "192.0.2.1")


async def test_good_logins_side_by_side_all_succeed(around: Around) -> None:
    await user(around)
    login = logins(around, free=2)
    opened = await asyncio.gather(*(login.log_in("ann@test", "secret", "192.0.2.1") for _ in range(12)))
    assert len({one.jti for one in opened}) == 12


async def test_where_nobody_can_tell_the_place_only_the_account_counts(around: Around) -> None:
    await user(around)
    login = logins(around, free=1)
    for number in range(10):
        with pytest.raises(Refused):
            await login.log_in(f"{number}@test", "wrong", "")
    await login.log_in("ann@test", "secret", "")


async def test_an_outdated_hash_is_made_anew_at_login(around: Around) -> None:
    from argon2 import PasswordHasher

    old = PasswordHasher(1, 1024, 1).hash("secret")
    await around.store.reads.users.insert(UserRow("old", "old@test", "viewer", old, 1))
    await logins(around).log_in("old@test", "secret", "")
    row = await around.store.reads.users.get("old")
    assert row is not None
    assert row.password_hash != old
    await logins(around).log_in("old@test", "secret", "")


async def test_a_session_ends_by_time_by_revocation_and_with_its_user(around: Around) -> None:
    await user(around)
    login = await logins(around).log_in("ann@test", "secret", "")
    jti, sessions = jti_of(login), live(around)
    await sessions.identity(jti, "ann")
    with pytest.raises(Refused):
        await sessions.identity(jti, "bob")
    with pytest.raises(Refused):
        await sessions.identity("unknown", "ann")
    around.clock.seconds += 3599
    await sessions.identity(jti, "ann")
    around.clock.seconds += 1
    with pytest.raises(Refused):
        await sessions.identity(jti, "ann")


async def test_a_revoked_session_is_refused_at_once_when_told_and_soon_when_not(around: Around) -> None:
    await user(around)
    made, sessions = logins(around), live(around)
    told, untold = [jti_of(await made.log_in("ann@test", "secret", "")) for _ in range(2)]
    for jti in (told, untold):
        await sessions.identity(jti, "ann")
        await around.store.reads.sessions.revoke(jti)
    await sessions.identity(told, "ann")
    around.notify.publish(Revoked(jti=told))
    with pytest.raises(Refused):
        await sessions.identity(told, "ann")
    around.clock.seconds += 4.9
    await sessions.identity(untold, "ann")
    around.clock.seconds += 0.2
    with pytest.raises(Refused):
        await sessions.identity(untold, "ann")


async def test_revoking_a_user_forgets_all_its_sessions(around: Around) -> None:
    await user(around)
    made, sessions = logins(around), live(around, cache_sec=1000)
    one = jti_of(await made.log_in("ann@test", "secret", ""))
    await sessions.identity(one, "ann")
    await around.store.reads.sessions.revoke(one)
    around.notify.publish(Revoked(user_id="ann"))
    with pytest.raises(Refused):
        await sessions.identity(one, "ann")


async def test_the_first_admin_is_made_once_and_only_where_there_is_nobody(around: Around) -> None:
    passwords, users = Passwords(around.runtime.threads), around.store.reads.users
    made = await ensure_admin(users, passwords, around.runtime, around.folder, email="root@test", password=None)
    assert made is not None
    assert made.password is not None
    assert len(made.password) == 24
    assert made.password not in repr(made)
    await logins(around).log_in("root@test", made.password, "")
    assert await ensure_admin(users, passwords, around.runtime, around.folder, email="b@test", password="x") is None
    found = await first_admin(users, around.runtime, around.folder, "other@test")
    assert found is not None
    assert (found.email, found.role) == ("root@test", "admin")
    (around.folder / "first_admin").unlink()
    assert await first_admin(users, around.runtime, around.folder, "other@test") is None
    assert await first_admin(users, around.runtime, around.folder, "root@test") == found


async def test_a_configured_password_is_shown_to_nobody(around: Around) -> None:
    passwords, users = Passwords(around.runtime.threads), around.store.reads.users
    made = await ensure_admin(users, passwords, around.runtime, around.folder, email="r@test", password="configured-1")
    assert made is not None
    assert made.password is None
    await logins(around).log_in("r@test", "configured-1", "")


async def test_an_admin_of_the_settings_that_is_not_the_one_there_is_is_warned_of(
    around: Around, caplog: pytest.LogCaptureFixture
) -> None:
    async def again(email: str, password: str | None) -> list[str]:
        caplog.clear()
        passwords = Passwords(around.runtime.threads)
        users, folder = around.store.reads.users, around.folder
        await ensure_admin(users, passwords, around.runtime, folder, email=email, password=password)
        return [record.getMessage() for record in caplog.records]

    assert await again("r@test", "configured-1") == []
    assert await again("r@test", "configured-1") == []
    assert await again("r@test", None) == []
    assert await again("admin@localhost", None) == [], "nobody said that"
    assert "none of that address" in (await again("other@test", "configured-1"))[0]
    assert "none of that address" in (await again("other@test", None))[0]
    assert (await again("r@test", "another-one-2"))[0].startswith("CMDEXEC_ADMIN_PASSWORD counts for nothing")
    await logins(around).log_in("r@test", "configured-1", "")


async def test_who_owns_the_folder_can_set_the_admins_password_anew(around: Around) -> None:
    passwords, users = Passwords(around.runtime.threads), around.store.reads.users
    await ensure_admin(users, passwords, around.runtime, around.folder, email="r@test", password="forgotten-1")
    kept = (around.folder / "first_admin").read_text()
    (around.folder / "first_admin").unlink()
    await ensure_admin(users, passwords, around.runtime, around.folder, email="r@test", password="remembered-2")
    await logins(around).log_in("r@test", "remembered-2", "")
    with pytest.raises(Refused):
        await logins(around).log_in("r@test", "forgotten-1", "")
    assert (around.folder / "first_admin").read_text() == kept
    await ensure_admin(users, passwords, around.runtime, around.folder, email="r@test", password="not-again-3")
    await logins(around).log_in("r@test", "remembered-2", "")


async def test_the_servers_own_token_is_good_and_is_renewed_before_it_ends(around: Around) -> None:
    users = around.store.reads.users
    await ensure_admin(
        users, Passwords(around.runtime.threads), around.runtime, around.folder, email="r@test", password="configured-1"
    )
    written: list[str | None] = []
    own = own_token(around, ttl_sec=100)

    class Enough(Exception):
        pass

    def write(token: str | None) -> None:
        written.append(token)
        if len(written) == 4:
            raise Enough

    await own.begin(write)
    began = around.clock.seconds
    with pytest.raises(Enough):
        await own.run()
    assert around.clock.seconds - began == 150
    assert len(set(written)) == 4
    assert None not in written


@pytest.mark.parametrize("shut_out", [False, True])
async def test_the_servers_own_token_is_made_anew_when_its_login_was_ended(around: Around, shut_out: bool) -> None:
    """As when the admin gets another password; of an admin who is shut out there is none, until that is taken back."""
    users, written = around.store.reads.users, []
    await ensure_admin(
        users, Passwords(around.runtime.threads), around.runtime, around.folder, email="r@test", password="configured-1"
    )
    own = own_token(around, ttl_sec=10**9)
    await own.begin(written.append)
    task = asyncio.create_task(own.run())
    for disabled in (shut_out, False):
        user = await users.by_email("r@test")
        assert user is not None
        await users.change(user, replace(user, disabled=disabled, epoch=user.epoch + 1))
        seen = len(written)
        await becomes(lambda seen=seen: len(written) > seen, "it is made anew")
    task.cancel()
    assert [token is None for token in written] == [False, shut_out, False]
    assert len(set(written)) == 3


async def test_the_servers_own_token_is_made_anew_at_once_when_the_end_of_its_login_is_announced(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that changes the admin's password is followed by others, which find the new token."""
    users, written = around.store.reads.users, []
    await ensure_admin(
        users, Passwords(around.runtime.threads), around.runtime, around.folder, email="r@test", password="configured-1"
    )
    own = own_token(around, ttl_sec=86_400)
    await own.begin(written.append)

    pauses: list[float] = []

    async def never(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.Event().wait()

    monkeypatch.setattr(around.clock, "sleep", never)
    task = asyncio.create_task(own.run())
    for number in range(2):
        await becomes(lambda number=number: len(pauses) > number, "it pauses")
        user, seen = await users.by_email("r@test"), len(written)
        assert user is not None
        await users.change(user, replace(user, epoch=user.epoch + 1))
        around.notify.publish(Revoked(user_id=user.user_id))
        await becomes(lambda seen=seen: len(written) > seen, "it is made anew")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(set(written)) == 3


async def test_the_servers_own_token_is_made_anew_when_the_wall_clock_jumps(around: Around) -> None:
    """As when a machine starts in 1970 and learns the time later: else nobody here could call it for half a day."""
    users, jumps = around.store.reads.users, [0, 56 * 365 * 86_400_000, -3_600_000]
    await ensure_admin(
        users, Passwords(around.runtime.threads), around.runtime, around.folder, email="r@test", password="configured-1"
    )
    own = own_token(around, ttl_sec=86_400)
    written: list[float] = []

    class Enough(Exception):
        pass

    def write(_token: str | None) -> None:
        written.append(around.clock.elapsed())
        if len(written) == len(jumps):
            raise Enough
        around.clock.ahead_ms += jumps[len(written)]

    await own.begin(write)
    with pytest.raises(Enough):
        await own.run()
    assert [after - before for before, after in itertools.pairwise(written)] == [1, 1]
