"""How people name jobs and workers: by id or a part of one, by name, or as `last`."""

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
SHORT = 18
"""So much of an id is different for each that one server makes (`cmdexec.ids`)."""

_AMONG = 100
_SHOWN = 5
_PART = re.compile(r"[0-9a-f-]{6,36}")
_HOW = f"Write an id, as much of one as `cmdexec jobs` shows, its whole name, or `{LAST}` for the newest of yours."
_BEGINS = 200
_NAMED_AMONG = 1000
"""Jobs whose name, a tag or an id begins so may be newer than one that has that very name."""


async def find_job(client: "Client", name: str) -> str:
    """The id of the job that `name` means: an id, the beginning or the end of one that no other job has, `last`,
    or else the name, exactly as it was given, of which it is the newest job.

    Ends are known of the newest jobs alone, since the server looks for them there (`JobsQuery.q`). A whole id is not
    looked up. Raises Refused("not_found" | "bad_request").
    """
    wanted = name.strip().lower()
    if is_id(wanted):
        return wanted
    if wanted == LAST:
        return await _last(client)
    from cmdexec.protocol.listing import JobsQuery

    if _PART.fullmatch(wanted) is None:
        if (named := await _named(client, name)) is None:
            raise Refused("not_found", f"{_quoted(name)} names no job.", mend=_HOW)
        return named
    page = await client.jobs_page(JobsQuery(q=wanted, limit=_AMONG))
    ids = [row.job_id for row in page.jobs]
    begun, ends = [[one for one in ids if fits(one, wanted)] for fits in (str.startswith, str.endswith)]
    found = begun or ends
    if not found:
        if (named := await _named(client, name)) is not None:
            return named
        raise Refused(
            "not_found", f"No job's id begins with {wanted}, none of a new job ends so, and none is named so.",
            mend="`cmdexec jobs` lists those there are.",
        )  # fmt: skip
    if len(found) > 1:
        count = f"at least {len(found)}" if page.next is not None else str(len(found))
        raise Refused(
            "bad_request", f"The ids of {count} jobs {'begin' if begun else 'end'} with {wanted}: {_first(found)}.",
            mend="Write more of the one that is meant.",
        )  # fmt: skip
    return found[0]


async def _named(client: "Client", name: str) -> str | None:
    """The newest job of that very name, of whomever, that may be seen."""
    from msgspec import structs

    from cmdexec.protocol.listing import JobsQuery

    try:
        begins = name.encode()[:_BEGINS].decode(errors="ignore")
    except UnicodeEncodeError:
        return None  # bytes that are no text: no name holds any
    looked = 0
    query = JobsQuery(q=begins, limit=_AMONG)
    while begins and looked < _NAMED_AMONG:
        page = await client.jobs_page(query)
        for row in page.jobs:
            if row.name == name:
                return row.job_id
        if page.next is None:
            break
        looked += _AMONG
        query = structs.replace(query, cursor=page.next)
    return None


async def find_jobs(client: "Client", names: Sequence[str]) -> dict[str, Refused | None]:
    """The same for several; each job once, in the order named. What names none stands there too, with why."""
    found: dict[str, Refused | None] = {}
    for name in names:
        try:
            found[await find_job(client, name)] = None
        except Refused as wrong:
            if wrong.code != "not_found":
                raise
            found[name] = wrong
    return found


async def _last(client: "Client") -> str:
    """Never another user's: it may be cancelled by that name."""
    import msgspec

    from cmdexec.protocol.listing import JobsQuery

    query = JobsQuery(owner="me", limit=1)
    while True:
        page = await client.jobs_page(query)
        if page.jobs:
            return page.jobs[0].job_id
        if page.next is None:
            break
        query = msgspec.structs.replace(query, cursor=page.next)
    may_run = "run jobs" in (await client.me()).permissions
    raise Refused(
        "not_found", "There is no job of yours.",
        mend="Submit one with `cmdexec submit`." if may_run else "`cmdexec jobs` lists those of others.",
    )  # fmt: skip


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
