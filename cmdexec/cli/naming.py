"""How people name jobs and workers: whole, by the beginning of an id, or as `last`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cmdexec.errors import Refused
from cmdexec.ids import is_id

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.protocol.accounts import JoinTokenView
    from cmdexec.protocol.requests import WorkerView

LAST = "last"
PREFIX_LEAST = 6
SHORT = 18
"""So much of an id is different for each that one server makes (`cmdexec.ids`)."""

_LAST_AMONG = 100
_SHOWN = 5
_PREFIX = re.compile(r"[0-9a-f-]{6,36}")
_HOW = f"Write an id, its first {PREFIX_LEAST} characters or more, or `{LAST}` for the newest of yours."


async def find_job(client: "Client", name: str) -> str:
    """The id of the job that `name` means: an id, the beginning of one that no other job has, or `last`.

    A whole id is not looked up. Raises Refused("not_found" | "bad_request").
    """
    wanted = name.strip().lower()
    if is_id(wanted):
        return wanted
    if wanted == LAST:
        return await _last(client)
    from cmdexec.protocol.listing import JobsQuery

    if _PREFIX.fullmatch(wanted) is None:
        raise Refused("bad_request", f"{_quoted(name)} names no job.", mend=_HOW)
    page = await client.jobs_page(JobsQuery(q=wanted, limit=_LAST_AMONG))
    found = [row.job_id for row in page.jobs if row.job_id.startswith(wanted)]
    if not found:
        raise Refused("not_found", f"No job's id begins with {wanted}.", mend="`cmdexec jobs` lists those there are.")
    if len(found) > 1:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Refused(
            "bad_request", f"The ids of {len(found)} jobs begin with {wanted}: {', '.join(found[:_SHOWN])}{more}.",
            mend="Write more of the one that is meant.",
        )  # fmt: skip
    return found[0]


async def find_jobs(client: "Client", names: Sequence[str]) -> list[str]:
    """The same for several; each job once, in the order named."""
    return list(dict.fromkeys([await find_job(client, name) for name in names]))


async def _last(client: "Client") -> str:
    """Never another user's: it may be cancelled by that name."""
    from cmdexec.protocol.listing import JobsQuery

    me = (await client.me()).user
    page = await client.jobs_page(JobsQuery(limit=_LAST_AMONG))
    ids = [row.job_id for row in page.jobs]
    for begin in range(0, len(ids), _SHOWN * 2):
        for job in await client.statuses(ids[begin : begin + _SHOWN * 2]):
            if job.owner in (me.email, me.user_id):
                return job.job_id
    among = f" among the newest {len(ids)}" if ids else ""
    raise Refused("not_found", f"There is no job of yours{among}.", mend="Submit one with `cmdexec submit`.")


async def find_worker(client: "Client", name: str) -> "WorkerView":
    """The worker of that id or name, or whose id or name alone begins so. Raises Refused("not_found" | "bad_request").

    Of several with that name the one that was not revoked.
    """
    workers = await client.workers()
    exact = [one for one in workers if name in (one.worker_id, one.name)]
    begun = [one for one in workers if name and (one.worker_id.startswith(name) or one.name.startswith(name))]
    for found in (exact, [one for one in exact if one.state != "revoked"], [] if exact else begun):
        if len(found) == 1:
            return found[0]
    several = exact or begun
    if several:
        names = _first([f"{one.name} ({one.worker_id})" for one in several])
        raise Refused(
            "bad_request", f"{_quoted(name)} may be any of {len(several)} workers: {names}.",
            mend="Write the id of the one that is meant.",
        )  # fmt: skip
    raise Refused("not_found", f"There is no worker{_called(name)}.", mend="`cmdexec workers` lists those there are.")


def short(job_id: str, among: Sequence[str]) -> str:
    """So much of an id that it is the only one of `among`."""
    begin = job_id[:SHORT]
    return begin if sum(other.startswith(begin) for other in among) <= 1 else job_id


def _quoted(name: str) -> str:
    return f"`{name}`" if name else "An empty text"


async def find_join_token(client: "Client", name: str) -> "JoinTokenView":
    """The join token of that id, name, or beginning of an id. Raises Refused."""
    tokens = {one.join_token_id: one for one in await client.join_tokens()}
    exact = [one.join_token_id for one in tokens.values() if name in (one.join_token_id, one.name)]
    begun = exact or [one for one in tokens if name and one.startswith(name)]
    return tokens[_only(name, begun, "join token", "`cmdexec join-token list --all` lists those there are.")]


async def find_user(client: "Client", name: str) -> str:
    """The id of the user of that e-mail address or id. Raises Refused."""
    found = [one.user_id for one in await client.users() if name.lower() in (one.email.lower(), one.user_id)]
    return _only(name, found, "user", "`cmdexec users` lists those there are.")


def _only(name: str, found: Sequence[str], what: str, mend: str) -> str:
    if not found:
        raise Refused("not_found", f"There is no {what}{_called(name)}.", mend=mend)
    if len(found) > 1:
        several = f"{_quoted(name)} may be any of {len(found)}: {_first(found)}."
        raise Refused("bad_request", several, mend=mend)
    return found[0]


def _called(name: str) -> str:
    """` `name``, behind what it is a name of."""
    return f" `{name}`" if name else " without a name"


def _first(found: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}"
