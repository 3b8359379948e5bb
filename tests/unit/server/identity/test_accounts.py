"""Users: adding and changing them, and what of them ends then."""

import asyncio
import re

import pytest

from cmdexec.errors import Conflict, Refused
from cmdexec.notify.contract import Revoked
from cmdexec.protocol.accounts import ChangeUser, NewUser
from cmdexec.server.identity.accounts import Accounts
from cmdexec.server.identity.passwords import Passwords, readable_password
from cmdexec.store.contract.identity import UserRow
from tests.unit.server.identity.conftest import Around
from tests.unit.server.identity.test_logins import live, logins

NOBODY = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"


def accounts(around: Around) -> Accounts:
    return Accounts(around.store.reads.users, Passwords(around.runtime.threads), around.notify, around.runtime)


async def added(around: Around, name: str, role: str = "admin") -> UserRow:
    asked = NewUser(email=f"{name}@test", role=role, password="a good password")
    user, made = await accounts(around).add(asked)
    assert made is None
    return user


def test_a_password_that_is_made_can_be_read_out_and_has_a_hundred_bits() -> None:
    every = "".join(readable_password(bytes([first]).__mul__) for first in range(256))
    letters = set(every) - {"-"}
    assert len(letters) == 32
    assert {every.count(letter) for letter in letters} == {256 * 20 // 32}, "each as likely as any other"
    assert not letters & set("ilou")
    assert re.fullmatch(r"(\w{4}-){4}\w{4}", readable_password(lambda count: bytes(range(count))))


async def test_a_user_is_added_with_a_password_that_is_told_once_and_logs_in_with_it(around: Around) -> None:
    user, made = await accounts(around).add(NewUser(email="Bea@test", role="viewer"))
    assert made is not None
    assert made not in repr(user)
    assert (user.role, user.disabled, user.created_at) == ("viewer", False, around.clock.now())
    login = await logins(around).log_in("bea@TEST", made, "")
    assert login.user == user
    other, second = await accounts(around).add(NewUser(email="c@test"))
    assert second != made
    assert other.role == "operator"


async def test_an_address_is_taken_in_any_case(around: Around) -> None:
    await added(around, "Bea")
    with pytest.raises(Conflict, match="bEA@test already") as refused:
        await accounts(around).add(NewUser(email="bEA@test"))
    assert (refused.value.code, refused.value.field) == ("conflict", "email")
    assert len(await accounts(around).all()) == 1


async def test_addresses_that_look_the_same_are_the_same(around: Around) -> None:
    user, made = await accounts(around).add(NewUser(email="jose\u0301@test"))
    assert user.email == "jos\u00e9@test"
    for email in ("jos\u00e9@test", "jose\u0301@test", " JOSE\u0301@test"):
        assert (await logins(around).log_in(email, made or "", "")).user == user
    with pytest.raises(Conflict):
        await accounts(around).add(NewUser(email="JOS\u00c9@test"))


@pytest.mark.parametrize("unseen", ["\0", "\x7f", "\u200b", "\u202e", "\u00ad", "\ufeff", "\ue000"])
async def test_an_address_with_what_nobody_sees_is_refused(around: Around, unseen: str) -> None:
    with pytest.raises(Refused, match="cannot be seen") as refused:
        await accounts(around).add(NewUser(email=f"be{unseen}a@test"))
    assert (refused.value.code, refused.value.field) == ("invalid_field", "email")


async def test_all_users_are_listed_however_many_pages_they_fill(around: Around) -> None:
    rows = [UserRow(f"{number:03}", f"{number}@test", "viewer", "hash", 1) for number in range(7)]
    for row in rows:
        await around.store.reads.users.insert(row)
    assert await accounts(around).all(page=3) == rows


CHANGES = {
    "role": {"role": "viewer"}, "password": {"password": "another password"}, "newPassword": {"new_password": True},
    "disabled": {"disabled": True},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_takes_something_from_a_user_ends_its_logins_at_once_known_ones_too(
    around: Around, change: dict[str, object]
) -> None:
    """S12."""
    user, other = await added(around, "ann"), await added(around, "bob")
    sessions = live(around, cache_sec=1000)
    mine, others = [await logins(around).open(one) for one in (user, other)]
    for login in (mine, others):
        await sessions.identity(login.jti, login.user.user_id)
    over = []
    sessions.watch(await sessions.identity(mine.jti, user.user_id), lambda: over.append("ann"))
    after, made = await accounts(around).change(ChangeUser(user_id=user.user_id, **change))
    assert over == ["ann"]
    with pytest.raises(Refused):
        await sessions.identity(mine.jti, user.user_id)
    assert (await sessions.identity(others.jti, other.user_id)).id == other.user_id
    assert (made is not None) == ("new_password" in change)
    if after.disabled:
        with pytest.raises(Refused):
            await logins(around).log_in("ann@test", "a good password", "")
        back, _ = await accounts(around).change(ChangeUser(user_id=user.user_id, disabled=False))
        assert not back.disabled
    password = made or change.get("password", "a good password")
    assert (await logins(around).log_in("ann@test", str(password), "")).user.role == after.role


async def test_what_changes_nothing_ends_nothing(around: Around) -> None:
    user = await added(around, "ann")
    heard: list[Revoked] = []
    around.notify.listen(Revoked, heard.append)
    has = {"password": "a good password", "role": "admin"}
    for change in ({}, {"role": "admin"}, {"disabled": False}, {"role": "admin", "disabled": False}, has):
        same, made = await accounts(around).change(ChangeUser(user_id=user.user_id, **change))
        assert (same, made) == (user, None)
    assert heard == []


async def test_the_last_admin_who_can_log_in_stays_one(around: Around) -> None:
    last, shut_out = await added(around, "ann"), await added(around, "bob")
    await added(around, "eve", "operator")
    await accounts(around).change(ChangeUser(user_id=shut_out.user_id, disabled=True))
    for change in ({"role": "viewer"}, {"disabled": True}):
        with pytest.raises(Conflict, match="ann@test is the last admin") as refused:
            await accounts(around).change(ChangeUser(user_id=last.user_id, **change))
        assert refused.value.code == "conflict"
    assert await around.store.reads.users.get(last.user_id) == last
    _, made = await accounts(around).change(ChangeUser(user_id=last.user_id, new_password=True))
    assert made is not None
    await accounts(around).change(ChangeUser(user_id=shut_out.user_id, disabled=False))
    after, _ = await accounts(around).change(ChangeUser(user_id=last.user_id, role="viewer"))
    assert after.role == "viewer"


async def test_admins_who_demote_each_other_at_once_leave_one(around: Around) -> None:
    admins = [await added(around, name) for name in ("a", "b", "c")]
    changes = [accounts(around).change(ChangeUser(user_id=one.user_id, role="viewer")) for one in admins]
    said = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(one) for one in said if isinstance(one, Conflict)) == [Conflict]
    assert [user.role for user in await accounts(around).all()].count("admin") == 1


async def test_changes_of_one_user_at_the_same_time_are_all_made(around: Around) -> None:
    user = await added(around, "ann")
    await added(around, "bob")
    asked = [{"role": "viewer"}, {"disabled": True}, {"password": "yet another one"}]
    changes = [ChangeUser(user_id=user.user_id, **one) for one in asked]
    await asyncio.gather(*map(accounts(around).change, changes))
    row = await around.store.reads.users.get(user.user_id)
    assert row is not None
    assert (row.role, row.disabled, row.epoch) == ("viewer", True, 3)
    assert row.password_hash != user.password_hash


async def test_nobody_and_two_passwords_are_refused(around: Around) -> None:
    with pytest.raises(Refused, match=NOBODY) as refused:
        await accounts(around).change(ChangeUser(user_id=NOBODY, disabled=True))
    assert (refused.value.code, refused.value.field) == ("not_found", "userId")
    with pytest.raises(Refused, match="not both"):
        await accounts(around).change(ChangeUser(user_id=NOBODY, password="a good password", new_password=True))
