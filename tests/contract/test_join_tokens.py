"""The tokens that workers join with, and what is made with them."""

import asyncio

from msgspec.structs import replace

from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow
from tests.contract.engines import Place, Store
from tests.contract.making import NOW

SOON = NOW + 1000
TOKEN = JoinTokenRow("t1", "secret-1", NOW, SOON, "root@test", uses=2, name="rack", labels={"room": "1"})


def credential(number: int, joined_with: str = "secret-1") -> CredentialRow:
    return CredentialRow(f"hash-{number}", f"w{number}", NOW, name=f"machine {number}", joined_with=joined_with)


def kept(number: int) -> CredentialRow:
    """As the token leaves it."""
    return replace(credential(number), labels={"room": "1"})


async def test_a_token_is_found_by_id_and_by_its_secret_and_listed_by_id(store: Store) -> None:
    tokens = store.reads.join_tokens
    others = [replace(TOKEN, join_token_id=f"t{number}", secret_hash=f"secret-{number}") for number in (3, 2)]
    for token in (*others, TOKEN):
        await tokens.insert(token)
    assert await tokens.get("t1") == TOKEN
    assert await tokens.by_secret("secret-2") == others[1]
    assert (await tokens.get("secret-1"), await tokens.by_secret("t1")) == (None, None)
    assert await tokens.all(limit=2) == [TOKEN, others[1]]
    assert await tokens.all("t2") == [others[0]]


async def test_a_use_makes_the_credential_with_the_tokens_labels_and_is_counted(place: Place) -> None:
    store = place.open()
    await store.reads.join_tokens.insert(TOKEN)
    assert await store.reads.join_tokens.use(credential(1), NOW) == kept(1)
    store = await place.reopen()
    assert await store.reads.join_tokens.get("t1") == replace(TOKEN, used=1)
    assert await store.reads.credentials.get("hash-1") == kept(1)
    assert await store.reads.credentials.of("w1") == kept(1)


async def test_of_many_at_once_as_many_join_as_there_are_uses_left(store: Store) -> None:
    tokens = store.reads.join_tokens
    await tokens.insert(TOKEN)
    came = await asyncio.gather(*(tokens.use(credential(number), NOW) for number in range(9)))
    made = [row for row in came if row is not None]
    assert len(made) == 2
    assert await tokens.get("t1") == replace(TOKEN, used=2)
    there = [await store.reads.credentials.get(f"hash-{number}") for number in range(9)]
    assert [row for row in there if row is not None] == made
    assert await tokens.workers(["secret-1", "nothing"], 9) == [tuple(row.worker_id for row in made), ()]
    assert await tokens.workers(["secret-1"], 1) == [(made[0].worker_id,)]


async def test_the_same_credential_again_is_answered_as_it_is_kept_and_costs_no_use(place: Place) -> None:
    """Also in the same moment, after a restart, when the token is used up, revoked, expired or forgotten, and for
    whoever asks with it by another token."""
    store = place.open()
    await store.reads.join_tokens.insert(replace(TOKEN, uses=1))
    again = [replace(credential(1), worker_id=f"w1-{number}", created_at=NOW + number) for number in range(4)]
    first = await store.reads.join_tokens.use(again[0], NOW)
    came = await asyncio.gather(*(store.reads.join_tokens.use(one, NOW) for one in again))
    assert first is not None
    assert came == [first] * 4
    store = await place.reopen()
    tokens = store.reads.join_tokens
    assert await tokens.get("t1") == replace(TOKEN, uses=1, used=1)
    await tokens.revoke("t1")
    assert await tokens.use(again[3], SOON + 1) == first
    assert await tokens.use(credential(1, "another"), NOW) == first
    assert await tokens.forget_expired(SOON + 1, 9) == 1
    assert await tokens.use(again[3], SOON + 1) == first
    await store.reads.credentials.revoke_of(first.worker_id)
    assert await tokens.use(again[3], NOW) == replace(first, revoked=True)


async def test_a_token_is_good_until_its_end_and_until_it_is_revoked_and_unknown_ones_are_not(store: Store) -> None:
    tokens = store.reads.join_tokens
    await tokens.insert(TOKEN)
    assert await tokens.use(credential(1), SOON) is None
    assert await tokens.use(credential(1), SOON - 1) == kept(1)
    assert await tokens.use(credential(2, "unknown"), NOW) is None
    assert await tokens.use(replace(credential(2), joined_with=None), NOW) is None
    assert await tokens.revoke("t1") == replace(TOKEN, used=1, revoked=True)
    assert await tokens.revoke("t1") == replace(TOKEN, used=1, revoked=True)
    assert await tokens.revoke("nothing") is None
    assert await tokens.use(credential(2), NOW) is None
    assert await store.reads.credentials.get("hash-2") is None
    assert await tokens.get("t1") == replace(TOKEN, used=1, revoked=True)


async def test_old_tokens_are_forgotten_in_batches_and_who_joined_with_them_stays(store: Store) -> None:
    tokens = store.reads.join_tokens
    for number in range(4):
        one = replace(TOKEN, join_token_id=f"t{number}", secret_hash=f"secret-{number}", expires_at=NOW + number)
        await tokens.insert(one)
    await tokens.use(credential(1), NOW)
    assert await tokens.forget_expired(NOW + 3, 2) == 2
    assert [token.join_token_id for token in await tokens.all()] == ["t2", "t3"]
    assert await tokens.forget_expired(NOW + 3, 9) == 1
    assert await tokens.forget_expired(NOW + 3, 9) == 0
    assert await store.reads.credentials.of("w1") == kept(1)
