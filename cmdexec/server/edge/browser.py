"""The cookie of a browser's login among a request's credentials: whether it counts for what is asked."""

from dataclasses import replace

from aiohttp import web

from cmdexec.errors import Refused
from cmdexec.protocol.operations import Operation, Permission
from cmdexec.server.identity.cookies import must_be_from_us, sent
from cmdexec.server.perform import Presented


class Cookies:
    """Adds them to the other credentials. `over_tls`: browsers reach this server over TLS, by a proxy."""

    def __init__(self, *, over_tls: bool) -> None:
        self._over_tls = over_tls

    def added(self, request: web.BaseRequest, shown: Presented, operation: Operation) -> Presented:
        """`shown`, and the cookie where no header has a credential. Raises Refused(`bad_origin`) for one that does not
        count for this operation.

        Where anybody may ask, such a one is overlooked, since a browser sends it anyway: else nobody could log in
        again.
        """
        try:
            return self.proven(request, shown, effect=operation.effect, csrf=operation.effect)
        except Refused:
            if operation.permission is Permission.ANYONE:
                return shown
            raise

    def proven(self, request: web.BaseRequest, shown: Presented, *, effect: bool, csrf: bool) -> Presented:
        """The same for what is no operation: a socket has an effect, and no header that a page could add (`csrf`).

        Raises Refused(`bad_origin`).
        """
        line = ";".join(request.headers.getall("Cookie", ()))
        if shown.is_something or not line:
            return shown
        found = sent(line, request.headers, over_tls=self._over_tls)
        if found is None:
            return shown
        cookie, values = found
        if len(request.headers.getall("Origin", ())) > 1:
            raise Refused("bad_origin", "This request names several pages as its `Origin`.")
        must_be_from_us(request.headers, cookie, effect=effect, csrf=csrf)
        return replace(shown, cookies=values)
