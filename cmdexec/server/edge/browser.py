"""The cookie of a browser's login among a request's credentials: whether it counts for what is asked."""

from dataclasses import replace

from aiohttp import web

from cmdexec.errors import Refused
from cmdexec.protocol.operations import Operation, Permission
from cmdexec.server.identity.cookies import must_be_from_us, sent
from cmdexec.server.perform import Presented


def with_cookie(request: web.BaseRequest, shown: Presented, operation: Operation) -> Presented:
    """`shown`, and the cookie where no header has a credential. Raises Refused(`bad_origin`) for one that does not
    count for this operation.

    Where anybody may ask, such a one is overlooked, since a browser sends it anyway: else nobody could log in again.
    """
    try:
        return with_proven_cookie(request, shown, effect=operation.effect, csrf=operation.effect)
    except Refused:
        if operation.permission is Permission.ANYONE:
            return shown
        raise


def with_proven_cookie(request: web.BaseRequest, shown: Presented, *, effect: bool, csrf: bool) -> Presented:
    """The same for what is no operation: a socket has an effect, and no header that a page could add (`csrf`).

    Raises Refused(`bad_origin`, or `unauthorized` for several cookies).
    """
    line = ";".join(request.headers.getall("Cookie", ()))
    if shown.is_something or not line:
        return shown
    found = sent(line, request.headers.get("Host", ""))
    if found is None:
        return shown
    cookie, value = found
    if len(request.headers.getall("Origin", ())) > 1:
        raise Refused("bad_origin", "This request names several pages as its `Origin`.")
    must_be_from_us(request.headers, cookie, effect=effect, csrf=csrf)
    return replace(shown, cookie=value)
