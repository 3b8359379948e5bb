"""The first user: made when there is none, so that somebody can log in."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from cmdexec.runtime import Runtime
from cmdexec.server.folder import write_private
from cmdexec.server.identity.passwords import Passwords
from cmdexec.store.contract.identity import UserRow, Users

FILE = "first_admin"
"""Holds the id of the user that this folder's server made; `runtime.json` speaks for that user."""


@dataclass(frozen=True, slots=True)
class MadeAdmin:
    """A user that was made just now. `password` is None where the settings gave it: it is shown to nobody."""

    email: str
    password: str | None = field(repr=False)


async def ensure_admin(
    users: Users, passwords: Passwords, runtime: Runtime, folder: Path, *, email: str, password: str | None
) -> MadeAdmin | None:
    """Make the first admin if there is no user at all; without `password` a random one of 120 bits is made, which must
    be shown once and is kept nowhere. None if there is a user already."""
    if await users.any():
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
