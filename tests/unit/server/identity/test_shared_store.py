"""The first admin of a store that servers share, and that may be away when one of them starts."""

import asyncio
from typing import Any

import pytest

from cmdexec.errors import Refused, Unavailable
from cmdexec.server.identity.first_admin import LateAdmin, ensure_admin
from cmdexec.server.identity.passwords import Passwords
from cmdexec.store.contract.identity import Users
from tests.support.waiting import becomes
from tests.unit.server.identity.conftest import Around
from tests.unit.server.identity.test_logins import logins, own_token


class Away:
    """The users of a store that does not answer the first few times."""

    def __init__(self, users: Users, times: int, code: str = "store_away") -> None:
        self._users = users
        self.times = times
        self._code = code

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            if self.times > 0:
                self.times -= 1
                raise Unavailable(self._code, "It is away.")
            return await getattr(self._users, name)(*arguments, **named)

        return call


def late(around: Around, users: Users, password: str | None) -> LateAdmin:
    passwords = Passwords(around.runtime.threads)
    return LateAdmin(users, passwords, around.runtime, around.folder, email="r@test", password=password)


async def test_a_new_servers_empty_folder_gives_nobody_a_password_anew(
    around: Around, caplog: pytest.LogCaptureFixture
) -> None:
    passwords, users = Passwords(around.runtime.threads), around.store.reads.users
    await ensure_admin(
        users, passwords, around.runtime, around.folder, email="r@test", password="first-one-1", shared=True
    )
    (around.folder / "first_admin").unlink()
    await ensure_admin(
        users, passwords, around.runtime, around.folder, email="r@test", password="another-2", shared=True
    )
    await logins(around).log_in("r@test", "first-one-1", "")
    with pytest.raises(Refused):
        await logins(around).log_in("r@test", "another-2", "")
    (said,) = [record.getMessage() for record in caplog.records if "CMDEXEC_ADMIN_PASSWORD" in record.getMessage()]
    assert "another admin can give a new one" in said
    assert "first_admin" not in said


async def test_the_first_admin_is_made_once_the_store_is_there(around: Around) -> None:
    away = Away(around.store.reads.users, 3)
    await asyncio.wait_for(late(around, away, "given-pass-1").run(), 10)
    assert away.times == 0
    await logins(around).log_in("r@test", "given-pass-1", "")


async def test_without_a_password_it_is_said_what_to_do_and_no_user_is_made(
    around: Around, caplog: pytest.LogCaptureFixture
) -> None:
    users = around.store.reads.users
    await asyncio.wait_for(late(around, Away(users, 2), None).run(), 10)
    assert not await users.any()
    assert "set CMDEXEC_ADMIN_PASSWORD" in caplog.records[-1].getMessage()
    caplog.clear()
    await ensure_admin(users, Passwords(around.runtime.threads), around.runtime, around.folder, email="r@test",
                       password="given-pass-1")  # fmt: skip
    await asyncio.wait_for(late(around, Away(users, 2), None).run(), 10)
    assert caplog.records == []


async def test_the_servers_own_token_is_made_when_the_store_is_there(around: Around) -> None:
    users, written = around.store.reads.users, []
    await ensure_admin(users, Passwords(around.runtime.threads), around.runtime, around.folder, email="r@test",
                       password="given-pass-1")  # fmt: skip
    own = own_token(around, ttl_sec=100)
    own._users = Away(users, 3)
    await own.begin(written.append)
    assert written == [None]
    task = asyncio.create_task(own.run())
    await becomes(lambda: len(written) > 1, "it is made")
    task.cancel()
    assert written[1] is not None


async def test_a_store_that_is_full_is_no_reason_to_wait(around: Around) -> None:
    own = own_token(around, ttl_sec=100)
    own._users = Away(around.store.reads.users, 1, "disk_full")
    with pytest.raises(Unavailable):
        await own.begin(lambda _: None)
