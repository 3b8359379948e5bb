"""The calls about users, one's own login, and the server itself."""

from cmdexec.client.caller import Caller
from cmdexec.protocol import accounts, requests
from cmdexec.protocol.accounts import ChangeUser, MeView, NewUser, UserRowView
from cmdexec.protocol.requests import HealthView, LoggedIn


class PeopleCalls(Caller):
    """Who may do what, and whether the server does its work."""

    async def login(self, email: str, password: str) -> LoggedIn:
        """Exchange a password for a token of 24 hours. Raises Refused("bad_credentials").

        This client goes on with the token that it has; make one with the new token.
        """
        request = requests.Login(email=email, password=password)
        return await self._call("auth.login", request, LoggedIn, anonymous=True)

    async def logout(self) -> None:
        """End the login of this client's token: it is good no more."""
        await self._call("auth.logout", requests.Nothing(), accounts.Empty, patient=False)

    async def me(self, *, patient: bool = True) -> MeView:
        """Whose login this is, what it allows, and the server's version; not `patient`: if it can be had now."""
        return await self._call("auth.me", requests.Nothing(), MeView, patient=patient)

    async def change_password(self, old: str, new: str) -> None:
        """Give oneself another password of at least 12 characters; this login goes on, all others of the user end.

        Raises Refused("forbidden") if `old` is wrong. Not made again when its answer is lost: `old` is wrong then.
        """
        request = accounts.OwnPassword(old_password=old, password=new)
        await self._call("auth.password", request, accounts.Empty, patient=False)

    async def health(self) -> HealthView:
        """How the server is."""
        return await self._call("health", requests.Nothing(), HealthView)

    async def users(self) -> tuple[UserRowView, ...]:
        """All users."""
        answer = await self._call("users.list", requests.Nothing(), accounts.UsersView)
        return answer.users

    async def create_user(self, new: NewUser) -> UserRowView:
        """Add one. Without a password one is made, and told here once. Raises Conflict if the address is taken."""
        return await self._call("users.create", new, UserRowView)

    async def change_user(self, change: ChangeUser) -> UserRowView:
        """Change a user's role or password, or shut the user out; each ends that user's logins."""
        return await self._call("users.change", change, UserRowView)
