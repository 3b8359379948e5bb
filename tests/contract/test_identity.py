"""Users, logins and the credentials of workers."""

import msgspec

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
    assert not await store.reads.users.insert(msgspec.structs.replace(ADMIN, user_id="u2", email="admin@example.ORG"))
    assert await store.reads.users.get("u2") is None


async def test_a_password_hash_is_replaced_and_nothing_else(store: Store) -> None:
    await store.reads.users.insert(ADMIN)
    after = msgspec.structs.replace(ADMIN, password_hash="new hash")
    assert await store.reads.users.change(ADMIN, after) == "changed"
    assert await store.reads.users.get("u1") == after


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
    revoked = msgspec.structs.replace(login(1), revoked=True)
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
