"""Lists of jobs, page by page."""

from typing import Protocol

import msgspec
from msgspec.structs import replace

from cmdexec.model.job import Attempt, Job, Reason, Status, StreamEnd


class Filter(msgspec.Struct, frozen=True):
    """Which jobs; all that is set has to hold.

    statuses, reasons, tags   any of them, tags without regard to case; empty: whatever it is
    worker       the id of the worker that holds the job, or held it last
    owner        the id of the user who submitted the job
    begins       a name, an id or a tag begins so, without regard to case; of the newest jobs (`newest` of the page
                 that is wanted) it is enough that one contains it
    since, until submitted in [since, until), in milliseconds
    """

    statuses: frozenset[Status] = frozenset()
    reasons: frozenset[Reason] = frozenset()
    tags: frozenset[str] = frozenset()
    worker: str | None = None
    owner: str | None = None
    begins: str | None = None
    since: int | None = None
    until: int | None = None


class PageWanted(msgspec.Struct, frozen=True):
    """A page of the jobs that `which` says, in the order in which they were stored, or the newest first. Of some time
    they may come in the order of their moments instead, which is the same but where the clock was set back.

    after    `next` of the page before
    limit    jobs of the page
    scan     jobs that may be looked at for it: then the page is given as it is, with `next`
    scan_bytes   how much of what is stored of jobs may be read for it: then likewise, but one job is always read
    newest   how many of the newest jobs `Filter.begins` looks into
    """

    which: Filter
    limit: int
    scan: int
    newest: int
    newest_first: bool = True
    scan_bytes: int = 32 * 1024 * 1024
    after: str | None = None


class Page(msgspec.Struct, frozen=True):
    """`next` None: there are no more. A page may be short, or empty, and still have a next one. All
    jobs are as `brief` makes them."""

    jobs: tuple[Job, ...]
    next: str | None


COMMAND_KEPT = 300
"""Characters of a command in a list."""


def brief(job: Job) -> Job:
    """The job without what lists do not show, which may be large: its input, its environment, the rest of a long
    command, its history, and of its attempts all but their number and how the newest ended, for which it may wait to
    run again."""
    spec = replace(job.spec, command=shortened(job.spec.command), stdin=None, env={})
    newest = tuple(_briefly(attempt) for attempt in job.attempts[-1:])
    return replace(job, spec=spec, attempts=newest, dropped=job.runs - len(newest), history=())


def _briefly(attempt: Attempt) -> Attempt:
    """Without what is said of its output."""
    if attempt.result is None:
        return attempt
    return replace(attempt, result=replace(attempt.result, stdout=StreamEnd(), stderr=StreamEnd()))


def shortened(command: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """The beginning of a command; what is short enough, or has been shortened, stays as it is."""
    if isinstance(command, str):
        return _cut(command, COMMAND_KEPT)
    room = COMMAND_KEPT
    kept: list[str] = []
    for argument in command:
        if room <= 0:
            return (*kept, "…")
        kept.append(_cut(argument, room))
        room -= len(argument) + 1
    return tuple(kept)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


class BadCursor(ValueError):
    """`PageWanted.after` is nothing that this store gave."""


class JobLists(Protocol):
    """Listing jobs. A job that comes or changes meanwhile moves no other to another page."""

    async def page(self, wanted: PageWanted) -> Page:
        """One page, read at one moment. Raises BadCursor."""
        ...
