"""How machines become workers (S8), and what a join token can and cannot do."""

import asyncio
from pathlib import Path

import pytest

from cmdexec.errors import Refused, Unavailable
from cmdexec.protocol.accounts import Join, NewJoinToken
from cmdexec.server.identity.joining import Joining
from cmdexec.server.identity.throttle import Throttle
from cmdexec.server.identity.workers import hash_of
from cmdexec.store.contract.identity import JoinTokenRow
from tests.unit.server.identity.conftest import Around
from tests.unit.server.identity.test_credentials import identities

HERE = "192.0.2.1"


def joining(around: Around, *, free: int = 1000) -> Joining:
    throttle = Throttle(around.clock, longest_sec=300)
    return Joining(around.store.reads.join_tokens, throttle, around.runtime, free_tries=free)


async def token(around: Around, **asked: object) -> tuple[JoinTokenRow, str]:
    return await joining(around).make(NewJoinToken(**asked), "root@test")


def asks(secret: str, number: int = 1, name: str | None = None) -> Join:
    return Join(token=secret, credential_hash=hash_of(credential(number)), name=name)


def credential(number: int) -> str:
    return f"wc_{number:043}"


async def refused(around: Around, secret: str, number: int = 9, *, by: Joining | None = None) -> str:
    with pytest.raises(Refused) as wrong:
        await (by or joining(around)).join(asks(secret, number), HERE)
    assert wrong.value.code == "bad_join_token"
    assert len(secret) < 40 or secret not in str(wrong.value)
    with pytest.raises(Refused):
        await identities(around).identity(credential(number))
    return wrong.value.message


async def test_who_joins_is_a_worker_of_its_own_with_the_tokens_labels(around: Around) -> None:
    row, secret = await token(around, uses=2, labels={"room": "1"}, name="rack")
    assert len(secret) == 46
    assert secret.startswith("cj_")
    assert (row.created_by, row.expires_at - row.created_at) == ("root@test", 3_600_000)
    first, second = [await joining(around).join(asks(secret, number, f"m{number}"), HERE) for number in (1, 2)]
    assert first.worker_id != second.worker_id
    assert (first.labels, first.name) == ({"room": "1"}, "m1")
    assert (await identities(around).identity(credential(1))).id == first.worker_id
    assert await around.store.reads.credentials.of(second.worker_id) == second
    (listed,) = await joining(around).all()
    assert (listed.used, joining(around).state(listed)) == (2, "used")
    assert await joining(around).workers([listed], 9) == [tuple(sorted((first.worker_id, second.worker_id)))]


async def test_nothing_that_is_kept_can_be_used(around: Around, tmp_path: Path) -> None:
    """S16, S50: only hashes are stored, of the token and of the credential."""
    _, secret = await token(around)
    await joining(around).join(asks(secret), HERE)
    stored = b"".join(path.read_bytes() for path in around.folder.iterdir())
    assert hash_of(secret).encode() in stored
    for usable in (secret, credential(1)):
        assert usable.encode() not in stored


async def test_each_refusal_says_which_and_an_unknown_token_is_unknown_whatever_it_looks_like(around: Around) -> None:
    _, used = await token(around)
    await joining(around).join(asks(used), HERE)
    _, twice = await token(around, uses=2)
    for number in (2, 3):
        await joining(around).join(asks(twice, number), HERE)
    revoked_row, revoked = await token(around)
    await joining(around).revoke(revoked_row.join_token_id)
    _, expired = await token(around, expires_sec=10)
    around.clock.seconds += 10
    assert await refused(around, used) == "This join token is used up: it was good once."
    assert await refused(around, twice) == "This join token is used up: it was good 2 times."
    assert await refused(around, revoked) == "This join token was revoked."
    assert (await refused(around, expired)).startswith("This join token expired at 2025-")
    unknown = [f"cj_{'A' * 43}", "cj_", "", "x", expired[:-1], f"{expired}A", f"wc_{expired[3:]}", "Ä" * 43, "a" * 200]
    assert {await refused(around, one) for one in unknown} == {"This server knows no such join token."}
    states = {joining(around).state(row) for row in await joining(around).all()}
    assert states == {"used", "revoked", "expired"}


async def test_joining_again_is_answered_the_same_whatever_has_become_of_the_token(around: Around) -> None:
    """An answer may be lost on its way, and the machine may ask again much later."""
    row, secret = await token(around, labels={"room": "1"})
    first = await joining(around).join(asks(secret), HERE)
    for _ in range(2):
        assert await joining(around).join(asks(secret, name="renamed"), HERE) == first
    around.clock.seconds += 7200
    await joining(around).revoke(row.join_token_id)
    assert await joining(around).join(asks(secret), HERE) == first
    await around.store.reads.join_tokens.forget_expired(around.clock.now(), 10)
    assert await joining(around).all() == []
    assert await joining(around).join(asks(secret), HERE) == first
    assert await refused(around, secret) == "This server knows no such join token."


async def test_of_two_at_once_on_the_last_use_exactly_one_joins(around: Around) -> None:
    _, secret = await token(around)
    came = await asyncio.gather(
        *(joining(around).join(asks(secret, number), HERE) for number in (1, 2)), return_exceptions=True
    )
    assert sorted(isinstance(one, Refused) for one in came) == [False, True]


async def test_a_credential_that_has_joined_is_answered_the_same_with_another_good_token_and_costs_it_no_use(
    around: Around,
) -> None:
    """As when the first answer was lost, and the machine is given another token since the first has expired."""
    _, secret = await token(around, expires_sec=10, labels={"room": "1"})
    _, other = await token(around, labels={"room": "2"})
    first = await joining(around).join(asks(secret), HERE)
    around.clock.seconds += 10
    assert await joining(around).join(asks(other), HERE) == first
    assert [row.used for row in await joining(around).all()] == [0, 1]
    _, used = await token(around)
    await joining(around).join(asks(used, 2), HERE)
    for bad in (f"cj_{'A' * 43}", used):
        with pytest.raises(Refused) as wrong:
            await joining(around).join(asks(bad), HERE)
        assert wrong.value.code == "bad_join_token"


async def test_who_was_revoked_does_not_come_back_with_the_same_credential(around: Around) -> None:
    """S10."""
    _, secret = await token(around, uses=5)
    first = await joining(around).join(asks(secret), HERE)
    await around.store.reads.credentials.revoke_of(first.worker_id)
    with pytest.raises(Refused, match="revoked") as wrong:
        await joining(around).join(asks(secret), HERE)
    assert wrong.value.code == "forbidden"
    assert (await joining(around).join(asks(secret, 2), HERE)).worker_id != first.worker_id


async def test_guessing_takes_longer_and_longer_for_each_place_and_joining_does_not(around: Around) -> None:
    _, secret = await token(around, uses=100)
    there = joining(around, free=3)
    for number in range(20):
        await there.join(asks(secret, number), HERE)
    for _ in range(3):
        await refused(around, "cj_wrong", 99, by=there)
    with pytest.raises(Unavailable, match="Too many join tokens") as wait:
        await there.join(asks(secret, 50), HERE)
    assert wait.value.code == "too_many"
    await there.join(asks(secret, 50), "192.0.2.2")
    around.clock.seconds += wait.value.retry_after
    await there.join(asks(secret, 51), HERE)


async def test_what_is_not_there_cannot_be_revoked(around: Around) -> None:
    with pytest.raises(Refused) as wrong:
        await joining(around).revoke("01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f")
    assert (wrong.value.code, wrong.value.field) == ("not_found", "joinTokenId")


async def test_all_tokens_are_listed_the_newest_first_however_many_pages_they_fill(around: Around) -> None:
    made = [(await token(around))[0] for _ in range(5)]
    assert await joining(around).all(page=2) == sorted(made, key=lambda row: row.join_token_id, reverse=True)
