"""Lists of jobs, page by page: what no index knows is looked up job by job, up to a bound."""

import re
from contextlib import aclosing

from cmdexec.model.job import Job
from cmdexec.store.contract.listing import BadCursor, Filter, Page, PageWanted, brief
from cmdexec.store.mongo.candidates import Candidates, Position
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import job_of
from cmdexec.store.mongo.naming import Naming

_MAX = 2**63 - 1
_CURSOR = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


class MongoJobLists:
    """`cmdexec.store.contract.listing.JobLists`. Each job is read once, and all within moments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def page(self, wanted: PageWanted) -> Page:
        after = _position(wanted.after)
        naming = await Naming.of(self._connection, wanted)
        found: list[Job] = []
        looked = read = 0
        last: str | None = None
        async with aclosing(Candidates(self._connection, wanted, after).rows(naming)) as rows:
            async for row in rows:
                full = len(found) == wanted.limit
                if looked == wanted.scan or read > wanted.scan_bytes:
                    return Page(tuple(found), last)
                looked += 1
                read += row["size"]
                if _fits(wanted.which, row) and (naming is None or naming.fits(row)):
                    if full:
                        return Page(tuple(found), last)
                    found.append(brief(job_of(row)))
                if not full:
                    last = f"{row['createdAt']}-{row['seq']}"
        return Page(tuple(found), None)


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None or max(int(found[1]), int(found[2])) > _MAX:
        raise BadCursor("no moment and number of a job")
    return Position(int(found[1]), int(found[2]))


def _fits(which: Filter, row: Document) -> bool:
    """Whether it is one of those that are wanted, whatever it is called."""
    if which.statuses and row["status"] not in which.statuses:
        return False
    if which.since is not None and row["createdAt"] < which.since:
        return False
    if which.until is not None and row["createdAt"] >= which.until:
        return False
    if which.reasons and row.get("reason") not in which.reasons:
        return False
    if which.owner is not None and row["owner"] != which.owner:
        return False
    if which.worker is not None and row.get("workerId") != which.worker:
        return False
    return not which.tags or not {tag.casefold() for tag in which.tags}.isdisjoint(row.get("tags", ()))
