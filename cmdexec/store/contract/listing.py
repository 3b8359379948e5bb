"""Lists of jobs, page by page."""

from typing import Protocol

import msgspec

from cmdexec.model.job import Job, Reason, Status


class Filter(msgspec.Struct, frozen=True):
    """Which jobs; all that is set has to hold.

    statuses, reasons, tags   any of them; empty: whatever it is
    worker       the id of the worker that holds the job, or held it last
    begins       a name, an id or a tag begins so, without regard to case; of the newest jobs (`newest` of the page
                 that is wanted) it is enough that one contains it
    since, until submitted in [since, until), in milliseconds
    """

    statuses: frozenset[Status] = frozenset()
    reasons: frozenset[Reason] = frozenset()
    tags: frozenset[str] = frozenset()
    worker: str | None = None
    begins: str | None = None
    since: int | None = None
    until: int | None = None


class PageWanted(msgspec.Struct, frozen=True):
    """A page of the jobs that `which` says, in the order in which they were stored, or the newest first.

    after    `next` of the page before
    limit    jobs of the page
    scan     jobs that may be looked at for it: then the page is given as it is, with `next`
    newest   how many of the newest jobs `Filter.begins` looks into
    """

    which: Filter
    limit: int
    scan: int
    newest: int
    newest_first: bool = True
    after: str | None = None


class Page(msgspec.Struct, frozen=True):
    """`next` None: there are no more. A page may be short, or empty, and still have a next one."""

    jobs: tuple[Job, ...]
    next: str | None


class BadCursor(ValueError):
    """`PageWanted.after` is nothing that this store gave."""


class JobLists(Protocol):
    """Listing jobs. A job that comes or changes meanwhile moves no other to another page."""

    async def page(self, wanted: PageWanted) -> Page:
        """One page, read at one moment. Raises BadCursor."""
        ...
