"""Users: adding them, and changing what they may do and how they log in."""

from msgspec.structs import replace

from cmdexec.errors import Conflict, Refused, Unavailable
from cmdexec.notify.contract import Notify, Revoked
from cmdexec.protocol.accounts import ChangeUser, NewUser
from cmdexec.runtime import Runtime
from cmdexec.server.identity.addresses import new_address
from cmdexec.server.identity.passwords import Passwords, readable_password
from cmdexec.store.contract.identity import UserRow, Users

_TRIES = 5
_KEEPER = "admin"
"""There is always a user of this role who can log in: else nobody could let anybody in."""


class Accounts:
    """Each change is made on what was read, or tried again; where it takes something away, the user's logins end with
    it."""

    def __init__(self, users: Users, passwords: Passwords, notify: Notify, runtime: Runtime) -> None:
        self._users = users
        self._passwords = passwords
        self._notify = notify
        self._runtime = runtime

    async def add(self, asked: NewUser) -> tuple[UserRow, str | None]:
        """The new user, and the password that was made where none was given: nobody can tell it later. Raises
        Conflict(`conflict`) if the address is taken, Refused(`invalid_field`)."""
        email = new_address(asked.email)
        made = readable_password(self._runtime.secret_bytes) if asked.password is None else None
        user = UserRow(
            user_id=self._runtime.ids.new(),
            email=email,
            role=asked.role,
            password_hash=await self._passwords.hash(asked.password or made or ""),
            created_at=self._runtime.clock.now(),
        )
        if not await self._users.insert(user):
            raise Conflict(
                "conflict", f"There is a user of the address {email} already.", field="email",
                mend="Change that one, or take another address; capitals make no difference.",
            )  # fmt: skip
        self._runtime.log.info("a user was added", user=user.user_id, role=user.role)
        return user, made

    async def change(self, asked: ChangeUser) -> tuple[UserRow, str | None]:
        """The user as changed, and the password if one was made. The password that the user has is no change, so that
        the same may be asked again. Raises Refused(`not_found` | `invalid_field`), Conflict(`conflict`) for the last
        admin, Unavailable(`overloaded`)."""
        if asked.new_password and asked.password is not None:
            raise Refused(
                "invalid_field",
                "Give a `password`, or have one made with `newPassword`; not both.",
                field="newPassword",
            )
        made = readable_password(self._runtime.secret_bytes) if asked.new_password else None
        password = made or asked.password
        hashed: str | None = None
        for _ in range(_TRIES):
            before = await self._users.get(asked.user_id)
            if before is None:
                raise Refused("not_found", f"There is no user {asked.user_id}.", field="userId")
            has_it = asked.password is not None and await self._passwords.check(asked.password, before.password_hash)
            if password is not None and not has_it and hashed is None:
                hashed = await self._passwords.hash(password)
            after = _changed(before, asked, None if has_it else hashed)
            if after == before:
                return before, None
            needed = _can_let_in(before) and not _can_let_in(after)
            outcome = await self._users.change(before, after, keeps=_KEEPER if needed else None)
            if outcome == "last":
                raise Conflict(
                    "conflict", f"{before.email} is the last admin who can log in: nobody could let anybody in then.",
                    mend="Make another user an admin first.",
                )  # fmt: skip
            if outcome == "changed":
                self._tell(before, after)
                return after, made
        raise Unavailable("overloaded", "Others are changing this user at the same time.", mend="Try it again.")

    def _tell(self, before: UserRow, after: UserRow) -> None:
        self._runtime.log.info("a user was changed", user=after.user_id, role=after.role, disabled=after.disabled)
        if after.epoch != before.epoch:
            self._notify.publish(Revoked(user_id=after.user_id))

    async def all(self, page: int = 1000) -> list[UserRow]:
        """All users, the first that was added first."""
        found: list[UserRow] = []
        while part := await self._users.all(found[-1].user_id if found else "", page):
            found += part
        return found


def _changed(before: UserRow, asked: ChangeUser, hashed: str | None) -> UserRow:
    after = replace(
        before,
        role=before.role if asked.role is None else asked.role,
        disabled=before.disabled if asked.disabled is None else asked.disabled,
        password_hash=before.password_hash if hashed is None else hashed,
    )
    return after if after == before else replace(after, epoch=before.epoch + 1)


def _can_let_in(user: UserRow) -> bool:
    return user.role == _KEEPER and not user.disabled
