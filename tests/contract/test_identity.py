"""Users, logins and the credentials of workers."""

import asyncio

from msgspec.structs import replace

from cmdexec.store.contract.identity import CredentialRow, SessionRow, UserRow
from tests.contract.engines import Place, Store
from tests.contract.making import NOW

ADMIN = UserRow("u1", "Admin@Example.org", "admin", "argon2-hash", NOW)


def login(number: int, expires_at: int = NOW + 1000, cookie: bool = True) -> SessionRow:
    return SessionRow(f"jti-{number}", "u1", NOW, expires_at, f"cookie-{number}" if cookie else None)


async def test_a_user_is_found_by_id_and_by_address_in_any_case(store: Store) -> None:
    assert not await store.reads.users.any()
    assert await store.reads.users.insert(ADMIN)
    assert await store.reads.users.any()
    assert await store.reads.users.get("u1") == ADMIN
    assert await store.reads.users.by_email("aDMIN@eXAMPLE.ORG") == ADMIN
    assert await store.reads.users.get("u2") is None
    assert await store.reads.users.by_email("nobody@example.org") is None


async def test_an_address_is_taken_once_whatever_its_case(store: Store) -> None:
    assert await store.reads.users.insert(ADMIN)
    assert not await store.reads.users.insert(replace(ADMIN, user_id="u2", email="admin@example.ORG"))
    assert await store.reads.users.get("u2") is None


async def test_a_change_replaces_what_was_read_and_nothing_else(store: Store) -> None:
    users = store.reads.users
    await users.insert(ADMIN)
    after = replace(ADMIN, password_hash="new hash", epoch=1)
    assert await users.change(ADMIN, after) == "changed"
    assert await users.get("u1") == after
    assert await users.change(ADMIN, replace(ADMIN, disabled=True)) == "stale"
    assert await users.change(replace(ADMIN, user_id="nobody"), after) == "stale"
    assert await users.get("u1") == after
    assert await users.by_email(ADMIN.email) == after


async def test_the_last_user_of_a_role_stays_one_whoever_asks_at_the_same_time(store: Store) -> None:
    users = store.reads.users
    admins = [UserRow(f"a{number}", f"a{number}@test", "admin", "hash", NOW) for number in range(3)]
    for user in (*admins, replace(ADMIN, disabled=True), UserRow("v", "v@test", "viewer", "hash", NOW)):
        assert await users.insert(user)
    said = await asyncio.gather(*(users.change(one, replace(one, role="viewer"), keeps="admin") for one in admins))
    assert sorted(said) == ["changed", "changed", "last"]
    (left,) = [one for one, outcome in zip(admins, said, strict=True) if outcome == "last"]
    assert await users.get(left.user_id) == left
    assert await users.change(left, replace(left, password_hash="new")) == "changed", "that takes nothing away"


async def test_a_change_that_ends_all_logins_spares_the_one_that_is_named_if_it_was_good(store: Store) -> None:
    users, sessions = store.reads.users, store.reads.sessions
    await users.insert(ADMIN)
    others = SessionRow("jti-of-another", "u2", NOW, NOW + 1000)
    for session in (login(1), login(2), others):
        await sessions.insert(session)
    after = replace(ADMIN, epoch=1)
    assert await users.change(ADMIN, after, spares="jti-1") == "changed"
    assert await sessions.get("jti-1") == await sessions.by_cookie("cookie-1") == replace(login(1), epoch=1)
    assert await sessions.get("jti-2") == login(2)
    for spared in ("jti-2", "jti-of-another", "jti-of-nobody"):
        assert await users.change(after, after := replace(after, epoch=after.epoch + 1), spares=spared) == "changed"
    assert (await sessions.get("jti-2"), await sessions.get("jti-of-another")) == (login(2), others)


async def test_users_are_listed_by_id_page_by_page(store: Store) -> None:
    for number in (3, 1, 2):
        await store.reads.users.insert(UserRow(f"u{number}", f"u{number}@test", "viewer", "hash", NOW))
    assert [user.user_id for user in await store.reads.users.all(limit=2)] == ["u1", "u2"]
    assert [user.user_id for user in await store.reads.users.all("u2", 2)] == ["u3"]
    assert await store.reads.users.all("u3") == []


async def test_a_login_is_found_by_its_token_and_by_its_cookie_until_it_is_forgotten(store: Store) -> None:
    for number in range(4):
        await store.reads.sessions.insert(login(number, expires_at=NOW + number, cookie=number != 3))
    assert await store.reads.sessions.get("jti-1") == login(1, NOW + 1)
    assert await store.reads.sessions.by_cookie("cookie-2") == login(2, NOW + 2)
    assert await store.reads.sessions.by_cookie("cookie-3") is None
    assert await store.reads.sessions.forget_expired(NOW + 3, 2) == 2
    assert await store.reads.sessions.forget_expired(NOW + 3, 9) == 1
    assert await store.reads.sessions.get("jti-2") is None
    assert await store.reads.sessions.get("jti-3") == login(3, NOW + 3, cookie=False)


async def test_a_revoked_login_stays_revoked(place: Place) -> None:
    store = place.open()
    await store.reads.sessions.insert(login(1))
    await store.reads.sessions.insert(login(2))
    await store.reads.sessions.revoke("jti-1")
    await store.reads.sessions.revoke("nobody")
    store = await place.reopen()
    revoked = replace(login(1), revoked=True)
    assert await store.reads.sessions.get("jti-1") == revoked
    assert await store.reads.sessions.by_cookie("cookie-1") == revoked
    assert await store.reads.sessions.get("jti-2") == login(2)


async def test_all_credentials_of_a_worker_are_revoked_at_once_and_no_others(place: Place) -> None:
    store = place.open()
    for number, worker_id in enumerate(("w1", "w2", "w1")):
        await store.reads.credentials.insert(CredentialRow(f"hash-{number}", worker_id, NOW))
    await store.reads.credentials.revoke_of("w1")
    store = await place.reopen()
    found = [await store.reads.credentials.get(f"hash-{number}") for number in range(4)]
    assert [one.revoked if one else None for one in found] == [True, False, True, None]


async def test_the_newest_credential_that_is_good_says_what_its_worker_was_given(store: Store) -> None:
    credentials = store.reads.credentials
    older = CredentialRow("hash-b", "w1", NOW, labels={"room": "1"}, name="one", joined_with="token")
    newer = CredentialRow("hash-a", "w1", NOW + 1, labels={"room": "2"})
    for row in (newer, older, CredentialRow("hash-c", "w2", NOW + 2)):
        await credentials.insert(row)
    assert await credentials.of("w1") == newer
    assert await credentials.get("hash-b") == older
    await credentials.revoke_of("w1")
    assert await credentials.of("w1") is None
    assert await credentials.of("nobody") is None


async def test_health_says_when_it_last_wrote_and_how_much_room_there_is(place: Place) -> None:
    store = place.open()
    assert store.reads.health.last_write() is None
    await store.reads.health.commit()
    assert store.reads.health.last_write() == place.clock.elapsed()
    place.clock.go_on(3)
    await store.reads.health.commit()
    assert store.reads.health.last_write() == place.clock.elapsed()
    room = await store.reads.health.room()
    assert room.free_bytes is None or room.free_bytes > 0
