"""The first user: made when there is none, so that somebody can log in."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime
from cmdexec.server.folder import write_private
from cmdexec.server.identity.passwords import Passwords
from cmdexec.settings.server_declared import ADMIN_EMAIL
from cmdexec.store.contract.identity import UserRow, Users

FILE = "first_admin"
"""Holds the id of the user that this folder's server made; `runtime.json` speaks for that user. It is written after
the user is in the store, so where it lies there was a store."""


_COUNTS_NOT = (
    "CMDEXEC_ADMIN_PASSWORD counts for nothing: this user has another password; to set it anew, stop the server, "
    "delete the file first_admin in its data folder and start it again"
)
_SHARED_COUNTS_NOT = (
    "CMDEXEC_ADMIN_PASSWORD counts for nothing: this user has another password; another admin can give a new one"
)
_LATE_SEC = 1.0
"""How often it is tried to make the first admin while the store is away."""


@dataclass(frozen=True, slots=True)
class MadeAdmin:
    """A user that was made just now. `password` is None where the settings gave it: it is shown to nobody."""

    email: str
    password: str | None = field(repr=False)


def refuse_lost_store(folder: Path, store: Path) -> None:
    """Refuse to take the missing or emptied file `store` for a new one where a server has kept jobs already.

    Blocking. Raises CmdexecError(`bad_data_dir`).
    """
    try:
        there = store.stat().st_size > 0
    except FileNotFoundError:
        there = False
    except OSError:
        return  # what is wrong with it is told when it is opened
    if not there and (folder / FILE).is_file():
        raise CmdexecError(
            "bad_data_dir", f"The store {store} is gone or empty, although a server has kept jobs there.",
            field="DATA_DIR",
            mend=f"Put a backup there, or delete {folder / FILE} to begin anew without its jobs and users.",
        )  # fmt: skip


async def ensure_admin(
    users: Users, passwords: Passwords, runtime: Runtime, folder: Path, *, email: str, password: str | None,
    shared: bool = False,
) -> MadeAdmin | None:  # fmt: skip
    """Make the first admin if there is no user at all; without `password` a random one of 120 bits is made, which must
    be shown once and is kept nowhere. None if there is a user already.

    Of users that are there the settings change nothing, and it is said when they differ. But where the owner of
    the folder has deleted `FILE`, the admin of `email` gets `password`: the way back from a lost one. Not so where the
    store is `shared`: a new server has no such file either.
    """
    if await users.any():
        await _compare(users, passwords, runtime, folder, email, password, shared)
        return None
    made = None if password is not None else base64.b32encode(runtime.secret_bytes(15)).decode().lower()
    user = UserRow(
        user_id=runtime.ids.new(),
        email=email,
        role="admin",
        password_hash=await passwords.hash(password if password is not None else made or ""),
        created_at=runtime.clock.now(),
    )
    if not await users.insert(user):
        return None
    await runtime.threads.run(lambda: write_private(folder / FILE, user.user_id))
    return MadeAdmin(email, made)


async def _compare(
    users: Users, passwords: Passwords, runtime: Runtime, folder: Path, email: str, password: str | None, shared: bool
) -> None:
    user, file = await users.by_email(email), folder / FILE
    if password is None and (user is not None or email == ADMIN_EMAIL):
        return
    if user is None or password is None:
        runtime.log.warning(
            "CMDEXEC_ADMIN_EMAIL and CMDEXEC_ADMIN_PASSWORD count for nothing: there are users already, and none of "
            "that address", email=email,
        )  # fmt: skip
    elif not shared and user.role == "admin" and not user.disabled and not await runtime.threads.run(file.exists):
        if not await passwords.check(password, user.password_hash):
            anew = replace(user, password_hash=await passwords.hash(password), epoch=user.epoch + 1)
            await users.change(user, anew)
            runtime.log.warning("the admin has the password of CMDEXEC_ADMIN_PASSWORD now", email=email)
        await runtime.threads.run(lambda: write_private(file, user.user_id))
    elif not await passwords.check(password, user.password_hash):
        runtime.log.warning(_SHARED_COUNTS_NOT if shared else _COUNTS_NOT, email=email)


async def first_admin(users: Users, runtime: Runtime, folder: Path, email: str) -> UserRow | None:
    """The admin that this folder's server made; else the one of that address; None if there is none, or disabled."""

    def read() -> str:
        try:
            return (folder / FILE).read_text("utf-8").strip()
        except (OSError, ValueError):
            return ""

    user_id = await runtime.threads.run(read)
    user = (await users.get(user_id) if user_id else None) or await users.by_email(email)
    return user if user is not None and user.role == "admin" and not user.disabled else None


class LateAdmin:
    """A Service: makes the first admin of a store that was away when the server started, once it is there. It ends with
    that. A password that would have to be made up can no more be shown: then it says what to do."""

    def __init__(
        self, users: Users, passwords: Passwords, runtime: Runtime, folder: Path, *, email: str, password: str | None
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._runtime = runtime
        self._folder = folder
        self._email = email
        self._password = password

    async def run(self) -> None:
        while not await self._done():
            await self._runtime.clock.sleep(_LATE_SEC)

    async def _done(self) -> bool:
        try:
            if self._password is None:
                if not await self._users.any():
                    self._runtime.log.warning(
                        "there is no user yet: start this server again now that the store is there, or set "
                        "CMDEXEC_ADMIN_PASSWORD"
                    )
                return True
            await ensure_admin(
                self._users, self._passwords, self._runtime, self._folder, email=self._email,
                password=self._password, shared=True,
            )  # fmt: skip
        except CmdexecError as away:
            self._runtime.log.debug("the first admin waits for the store", code=away.code)
            return False
        return True
