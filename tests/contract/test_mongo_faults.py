"""MongoDB that breaks off, half confirms and comes back: what was done is done once, and is not said to be undone."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cmdexec.errors import Unavailable
from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow, SessionRow, UserRow
from cmdexec.store.contract.output import Append
from cmdexec.store.mongo.output import PIECE_BYTES
from tests.contract.engines import Place, Store
from tests.contract.making import NOW, worker
from tests.contract.mongo import client, failing, name_of

TOKEN = JoinTokenRow("t1", "secret-1", NOW, NOW + 1000, "root@test", uses=2, labels={"room": "1"})
CREDENTIAL = CredentialRow("hash-1", "w1", NOW, joined_with="secret-1")
ADMINS = [UserRow(f"a{number}", f"a{number}@test", "admin", "hash", NOW) for number in range(2)]


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    place = Place("mongo", folder)
    yield place
    await place.end()


@pytest.fixture
async def store(place: Place) -> Store:
    store = place.open()
    await store.reads.health.commit()
    return store


UNCONFIRMED = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}


def given_row(place: Place) -> Append:
    """A job's document with an open row of output, and an append to it."""
    row = {"session": "s1", "open": True, "stdout": 0, "stderr": 0}
    client()[name_of(place.folder)].jobs.insert_one({"_id": "job", "outputs": {"1": row}})
    return Append("job", 1, "s1", "stdout", 0, b"one", 1 << 40)


async def all_of(store: Store) -> bytes:
    return await store.reads.output.read("job", 1, "stdout", 0, 1 << 30)


async def test_a_connection_that_breaks_once_is_not_noticed(store: Store, place: Place) -> None:
    with failing(place.folder, "workers", "findAndModify", closeConnection=True):
        assert await store.reads.workers.register(worker()) is None
    assert len(await store.reads.workers.all()) == 1


async def test_one_that_breaks_twice_leaves_the_outcome_open_and_the_same_call_again_settles_it(
    store: Store, place: Place
) -> None:
    with failing(place.folder, "workers", "findAndModify", times=2, closeConnection=True):
        with pytest.raises(Unavailable, match="broke off") as caught:
            await store.reads.workers.register(worker())
    assert caught.value.code == "store_away"
    await store.reads.workers.register(worker())
    assert len(await store.reads.workers.all()) == 1


async def test_a_write_that_no_majority_confirmed_is_told_as_unknown_and_not_done_twice(
    store: Store, place: Place
) -> None:
    """Each was written, and the caller was not told: called again, it is as if it had been called once."""
    users, tokens = store.reads.users, store.reads.join_tokens
    with failing(place.folder, "users", "insert", **UNCONFIRMED):
        with pytest.raises(Unavailable, match="has not confirmed"):
            await users.insert(ADMINS[0])
    assert await users.insert(ADMINS[0]), "it is there, and is this one"
    assert not await users.insert(replace(ADMINS[0], user_id="another"))
    await tokens.insert(TOKEN)
    with failing(place.folder, "joinTokens", "findAndModify", **UNCONFIRMED):
        with pytest.raises(Unavailable):
            await tokens.use(CREDENTIAL, NOW)
    assert await tokens.use(CREDENTIAL, NOW) == replace(CREDENTIAL, labels={"room": "1"})
    assert await tokens.get("t1") == replace(TOKEN, used=1)
    assert client()[name_of(place.folder)].joinTokens.find_one({"_id": "t1"}, {"taken": 1}) == {
        "_id": "t1",
        "taken": [],
    }


async def test_output_whose_confirmation_was_lost_is_stored_once(store: Store, place: Place) -> None:
    append = given_row(place)
    for collection, command in (("jobLogs", "insert"), ("jobs", "update")):
        with failing(place.folder, collection, command, **UNCONFIRMED):
            with pytest.raises(Unavailable):
                await store.reads.output.append([append])
    (again,) = await store.reads.output.append([replace(append, data=b"one two")])
    assert (again.stored, again.refused) == (4, None)
    assert await all_of(store) == b"one two"


DATA = random.Random(4).randbytes(PIECE_BYTES + 1000)


@pytest.mark.parametrize("left", [5, PIECE_BYTES, PIECE_BYTES + 5])
async def test_bytes_that_no_row_counts_are_no_output_and_what_comes_instead_is(
    store: Store, place: Place, left: int
) -> None:
    """The server died between the bytes and the row; the worker sends again, in other pieces."""
    append = given_row(place)
    with failing(place.folder, "jobs", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await store.reads.output.append([replace(append, data=DATA[:left])])
    assert client()[name_of(place.folder)].jobLogs.count_documents({}) == -(-left // PIECE_BYTES)
    assert await all_of(store) == b""
    for end in (3, 11, PIECE_BYTES + 1, len(DATA)):
        (done,) = await store.reads.output.append([replace(append, data=DATA[:end])])
        assert done.row is not None
        assert done.row.stdout == end
        assert await all_of(store) == DATA[:end]
    assert await store.reads.output.read("job", 1, "stdout", 2, 7) == DATA[2:9]


async def test_bytes_that_others_put_there_are_completed(store: Store, place: Place) -> None:
    append = given_row(place)
    with failing(place.folder, "jobs", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await store.reads.output.append([replace(append, data=DATA[:5])])
    await store.reads.output.append([replace(append, data=DATA[:12])])
    assert await all_of(store) == DATA[:12]


async def test_a_use_that_was_counted_has_its_credential_whoever_asks(store: Store, place: Place) -> None:
    """The server died between both; then another one is asked."""
    await store.reads.join_tokens.insert(TOKEN)
    with failing(place.folder, "credentials", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await store.reads.join_tokens.use(CREDENTIAL, NOW)
    other = place.open()
    given = replace(CREDENTIAL, labels={"room": "1"})
    assert await other.reads.join_tokens.get("t1") == replace(TOKEN, used=1)
    assert await other.reads.credentials.of("w1") == given
    assert await store.reads.join_tokens.use(CREDENTIAL, NOW) == given
    assert await other.reads.join_tokens.get("t1") == replace(TOKEN, used=1)
    assert await store.reads.join_tokens.forget_expired(NOW + 2000, 9) == 1


@pytest.mark.parametrize("ask", ["get", "workers", "revoke", "forget"])
async def test_a_credential_that_is_only_noted_is_made_by_each_that_looks_for_it(
    store: Store, place: Place, ask: str
) -> None:
    tokens, credentials = store.reads.join_tokens, store.reads.credentials
    await tokens.insert(TOKEN)
    with failing(place.folder, "credentials", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await tokens.use(CREDENTIAL, NOW)
    if ask == "workers":
        assert await tokens.workers(["secret-1"], 9) == [("w1",)]
    elif ask == "revoke":
        await credentials.revoke_of("w1")
    elif ask == "forget":
        assert await tokens.forget_expired(NOW + 2000, 9) == 1
    found = await credentials.get("hash-1")
    assert found == replace(CREDENTIAL, labels={"room": "1"}, revoked=ask == "revoke")


async def test_a_use_that_turns_out_to_be_the_second_is_given_back(store: Store, place: Place) -> None:
    """The first to ask is overtaken on its way to the token by another server that is asked with the same."""
    tokens, other = store.reads.join_tokens, place.open()
    await tokens.insert(TOKEN)
    with failing(place.folder, "joinTokens", "findAndModify", blockConnection=True, blockTimeMS=300) as entered:
        slow = asyncio.ensure_future(tokens.use(CREDENTIAL, NOW))
        await asyncio.to_thread(entered)
        given = await other.reads.join_tokens.use(CREDENTIAL, NOW)
        assert await slow == given == replace(CREDENTIAL, labels={"room": "1"})
    assert await tokens.get("t1") == replace(TOKEN, used=1)


async def test_a_change_of_a_role_that_was_written_down_is_done_before_another_is_judged(
    store: Store, place: Place
) -> None:
    """The server died between both; the one that is asked next must not take the last admin away."""
    for admin in ADMINS:
        assert await store.reads.users.insert(admin)
    first, second = (replace(admin, role="viewer") for admin in ADMINS)
    with failing(place.folder, "users", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await store.reads.users.change(ADMINS[0], first, keeps="admin")
    other = place.open()
    assert await other.reads.users.get("a0") == ADMINS[0]
    assert await other.reads.users.change(ADMINS[1], second, keeps="admin") == "last"
    assert await other.reads.users.get("a0") == first
    assert await other.reads.users.get("a1") == ADMINS[1]


async def test_a_login_goes_on_as_soon_as_the_change_that_spares_it_is_made_and_no_other_change_spares_it(
    store: Store, place: Place
) -> None:
    """The server died before the change, then after it; each time another is asked."""
    user, session = ADMINS[0], SessionRow("jti", "a0", NOW, NOW + 1000, "cookie")
    users, sessions = store.reads.users, place.open().reads.sessions
    await users.insert(user)
    await sessions.insert(session)
    first, second = (replace(user, epoch=epoch) for epoch in (1, 2))
    with failing(place.folder, "users", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await users.change(user, first, spares="jti")
    assert await sessions.get("jti") == session
    assert await users.change(user, first) == "changed"
    assert await sessions.get("jti") == session, "of that change it was not told"
    await sessions.insert(replace(session, jti="later", cookie_hash="later", epoch=1))
    with failing(place.folder, "sessions", "update", times=1, errorCode=8) as _:
        with pytest.raises(Unavailable):
            await users.change(first, second, spares="later")
    with failing(place.folder, "sessions", "update", skip=1, errorCode=8):
        with pytest.raises(Unavailable):
            await users.change(first, second, spares="later")
    assert await sessions.by_cookie("later") == await sessions.get("later")
    found = await sessions.get("later")
    assert found is not None
    assert found.epoch == 2
    assert await users.change(second, replace(second, epoch=3)) == "changed"
    assert (await sessions.get("later")) == replace(found, epoch=1)


async def test_as_many_expired_tokens_as_are_asked_for_are_finished_and_forgotten(store: Store, place: Place) -> None:
    """What others left to be written of them is not all done at once."""
    tokens = store.reads.join_tokens
    for number in range(3):
        await tokens.insert(
            replace(TOKEN, join_token_id=f"t{number}", secret_hash=f"s{number}", expires_at=NOW + number + 1)
        )
        with failing(place.folder, "credentials", "update", errorCode=8):
            with pytest.raises(Unavailable):
                await tokens.use(replace(CREDENTIAL, secret_hash=f"h{number}", joined_with=f"s{number}"), NOW)
    credentials = client()[name_of(place.folder)].credentials
    assert (await tokens.forget_expired(NOW + 2000, 0), credentials.count_documents({})) == (0, 0)
    assert (await tokens.forget_expired(NOW + 2000, 1), credentials.count_documents({})) == (1, 1)
    assert await tokens.get("t0") is None
    assert (await tokens.forget_expired(NOW + 2000, 9), credentials.count_documents({})) == (2, 3)


async def test_a_full_disk_and_a_refused_command_have_sentences_of_their_own(store: Store, place: Place) -> None:
    for code, said, sentence in ((14031, "disk_full", "no room left"), (13, "store_away", "may not do"),
                                 (8, "store_away", r"error 8 \(UnknownError\): Failing command")):  # fmt: skip
        with failing(place.folder, "workers", "findAndModify", errorCode=code):
            with pytest.raises(Unavailable, match=sentence) as caught:
                await store.reads.workers.register(worker())
        assert caught.value.code == said
    await store.reads.workers.register(worker())
