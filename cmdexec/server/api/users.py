"""Users."""

from cmdexec.clock import rfc3339
from cmdexec.protocol.accounts import UserRowView, UsersView
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.identity.accounts import Accounts
from cmdexec.store.contract.identity import UserRow


class UsersApi:
    """`users.*`. A password that was made is told in the answer to who had it made, and nowhere else."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def handlers(self) -> Handlers:
        return {"users.create": self.create, "users.list": self.list, "users.change": self.change}

    async def create(self, call: Call) -> Reply:
        user, made = await self._accounts.add(call.request)
        return Reply(_view(user, made))

    async def list(self, _call: Call) -> Reply:
        return Reply(UsersView(users=tuple(_view(user, None) for user in await self._accounts.all())))

    async def change(self, call: Call) -> Reply:
        user, made = await self._accounts.change(call.request)
        return Reply(_view(user, made))


def _view(user: UserRow, password: str | None) -> UserRowView:
    return UserRowView(
        user_id=user.user_id,
        email=user.email,
        role=user.role,
        disabled=user.disabled,
        created_at=rfc3339(user.created_at) or "",
        password=password,
    )
