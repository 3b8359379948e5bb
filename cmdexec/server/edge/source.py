"""Where a request comes from, for what is counted by place: the other end of the connection, or what the proxies in
front of this server say of it."""

from ipaddress import ip_address

from aiohttp import hdrs, web

from cmdexec.log import Log


class Sources:
    """`proxies`: how many there are, one behind the other, each of which adds whom it was asked by at the right end of
    `X-Forwarded-For`; what stands further left may have been made up by whoever asked. 0: there is none."""

    def __init__(self, proxies: int, log: Log) -> None:
        self._proxies = proxies
        self._log = log
        self._told = False

    def of(self, request: web.BaseRequest) -> str:
        """The address; empty where nobody can tell: then all would seem to come from one place, the proxy."""
        if not self._proxies:
            return request.remote or ""
        said = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")
        found = _address(said[-self._proxies].strip()) if len(said) >= self._proxies else ""
        if not found and not self._told:
            self._told = True
            self._log.warning(
                "a request came without a readable X-Forwarded-For: such logins are counted by no place, and such new"
                " workers all together; let each of TRUSTED_PROXIES add whom it was asked by",
                peer=request.remote, proxies=self._proxies,
            )  # fmt: skip
        return found


def _address(said: str) -> str:
    """`192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1` or `[2001:db8::1]:5000` without brackets and port."""
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        return str(ip_address(said))
    except ValueError:
        return ""
