"""Logging in and out, and whose login it is."""

from cmdexec.clock import rfc3339
from cmdexec.protocol.accounts import Empty, MeView, OwnPassword
from cmdexec.protocol.requests import LoggedIn, Login, UserView
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.identity.cookies import Cookie, sent, wanted
from cmdexec.server.identity.logins import Logins
from cmdexec.version import __version__


class AuthApi:
    """`auth.*`. `only_tls`: a proxy in front ends TLS, so that no cookie goes over a network without."""

    def __init__(self, logins: Logins, *, only_tls: bool) -> None:
        self._logins = logins
        self._only_tls = only_tls

    def handlers(self) -> Handlers:
        return {
            "auth.login": self.login, "auth.logout": self.logout, "auth.me": self.me, "auth.password": self.password,
        }  # fmt: skip

    async def login(self, call: Call) -> Reply:
        asked: Login = call.request
        cookie = wanted(call.headers, only_tls=self._only_tls)
        login = await self._logins.log_in(asked.email, asked.password, call.source, cookie=cookie is not None)
        if cookie is not None:
            await self._logins.log_out_cookies(self._cookies(call)[1])
        user = UserView(user_id=login.user.user_id, email=login.user.email, role=login.user.role)
        view = LoggedIn(token=login.token, expires_at=rfc3339(login.expires_at) or "", user=user)
        if cookie is None or login.cookie is None:
            return Reply(view)
        return Reply(view, headers={"Set-Cookie": cookie.set(login.cookie, login.lasts_sec)})

    async def logout(self, call: Call) -> Reply:
        cookie, values = self._cookies(call)
        ends = cookie is not None and await self._logins.is_of(call.who, values)
        await self._logins.log_out(call.who)
        return Reply(Empty(), headers={"Set-Cookie": cookie.clear()} if cookie is not None and ends else {})

    async def password(self, call: Call) -> Reply:
        asked: OwnPassword = call.request
        await self._logins.change_password(call.who, asked.old_password, asked.password, call.source)
        return Reply(Empty())

    def _cookies(self, call: Call) -> tuple[Cookie | None, tuple[str, ...]]:
        """Ours that the request came with, whether or not they count."""
        return sent(call.headers.get("Cookie", ""), call.headers, over_tls=self._only_tls) or (None, ())

    async def me(self, call: Call) -> Reply:
        who = call.who
        return Reply(
            MeView(
                user=UserView(user_id=who.id or "", email=who.email or "", role=who.role or ""),
                permissions=tuple(sorted(one.value for one in who.permissions)),
                expires_at=rfc3339(who.expires_at) or "",
                server_version=__version__,
            )
        )
