"""Logging in."""

from cmdexec.clock import rfc3339
from cmdexec.protocol.requests import LoggedIn, Login, UserView
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.identity.logins import Logins


class AuthApi:
    """`auth.login`."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def handlers(self) -> Handlers:
        return {"auth.login": self.login}

    async def login(self, call: Call) -> Reply:
        asked: Login = call.request
        login = await self._logins.log_in(asked.email, asked.password, call.source)
        user = UserView(user_id=login.user.user_id, email=login.user.email, role=login.user.role)
        return Reply(LoggedIn(token=login.token, expires_at=rfc3339(login.expires_at) or "", user=user))
