"""`cmdexec jobs`: the list of jobs."""

import re
import sys
from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import LINES_JSON, Caller, calls_server, json_option
from cmdexec.cli.colour import in_colour
from cmdexec.cli.columns import Column, tabbed, table
from cmdexec.cli.numbers import Whole
from cmdexec.cli.printed import on_terminal, print_json, print_lines, width
from cmdexec.cli.told import tell

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.protocol.listing import JobRow, JobsQuery

STATUSES = ("scheduled", "queued", "assigned", "running", "unknown", "completed", "failed", "cancelled")
_COLUMNS = (
    Column("ID"), Column("STATUS", least=9), Column("JOB", least=8, good=20),
    Column("WORKER", least=8, drop=2), Column("TIME", drop=1), Column("SUBMITTED", drop=3),
)  # fmt: skip
_LIMIT = 20
_LIMIT_MOST = 100_000
_BEGIN_MOST = 200
_SPAN = re.compile(r"(\d+)([dhms])")


@click.command()
@click.option(
    "--status",
    "-s",
    metavar="STATUS",
    multiple=True,
    type=click.Choice(STATUSES),
    help="Only these: " + ", ".join(STATUSES) + ". May be given several times.",
)
@click.option("--tag", "-t", metavar="TEXT", multiple=True, help="Only those with any of these tags.")
@click.option("--worker", "-w", metavar="WORKER", help="Only those of this worker, by name or id.")
@click.option("--since", metavar="TIME", help="Only those submitted since then: 7d, 12h, 30m, 2027-01-31T18:00.")
@click.option("--match", "-m", metavar="TEXT", help="Only those whose name, id or tag begins so.")
@click.option("--oldest-first", is_flag=True, help="Begin with the oldest.")
@click.option(
    "--limit",
    "-n",
    metavar="N",
    type=Whole(1, _LIMIT_MOST),
    help="So many at most. [default: 20; all, for --ids into a file or pipe]",
)
@click.option("--ids", "-q", "ids_only", is_flag=True, help="Print the ids alone.")
@click.option("--count", is_flag=True, help="Print how many there are, and nothing else.")
@json_option(LINES_JSON)
@calls_server
def jobs(
    caller: Caller, status: tuple[str, ...], tag: tuple[str, ...], worker: str | None, since: str | None,
    match: str | None, oldest_first: bool, limit: int | None, ids_only: bool, count: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """List jobs, the newest first.

    Not on a terminal each job is a line with tabs between id, status, name (or command), worker's id, seconds that it
    ran or waits, and the time of its submission. Such lines stay as they are from version to version.

    Example: `cmdexec jobs --status failed --since 7d`
    """
    if count and (limit is not None or ids_only or as_json):
        raise click.UsageError("--count prints a number of all that fit; leave out --limit, --ids and --json.")
    if limit is None and not count and not (ids_only and not on_terminal()):
        limit = _LIMIT
    import msgspec

    from cmdexec.cli.naming import find_worker
    from cmdexec.protocol.listing import JobsQuery

    query = JobsQuery(
        status=status,  # type: ignore[arg-type]
        tag=tag, q=_begin(match), since=None if since is None else _moment(since),
        order="old" if oldest_first else "new",
    )  # fmt: skip
    names: dict[str, str] = {}

    async def listed(client: "Client") -> "tuple[list[JobRow], bool]":
        asked = query
        if worker is not None:
            asked = msgspec.structs.replace(query, worker=(await find_worker(client, worker)).worker_id)
        rows, more = await _pages(client, asked, limit)
        if on_terminal() and not (as_json or count) and any(row.worker_id for row in rows):
            names.update({one.worker_id: one.name for one in await client.workers()})
        return rows, more

    rows, more = caller.call(listed)
    if count:
        print_lines([str(len(rows))])
        return
    if as_json:
        print_json(*rows)
    elif ids_only:
        print_lines(row.job_id for row in rows)
    else:
        _print(caller, rows, names)
    if on_terminal() and not rows:
        tell("There are no such jobs." if query != JobsQuery() or worker else "There are no jobs yet.")
    elif more and limit is not None:
        tell(f"There are more; `--limit {min(limit * 10, _LIMIT_MOST)}` shows them.")


async def _pages(client: "Client", query: "JobsQuery", limit: int | None) -> "tuple[list[JobRow], bool]":
    """Up to `limit` rows, None: all of them, and whether there are more."""
    import msgspec

    from cmdexec.protocol.listing import PAGE_MAX

    rows: list[JobRow] = []
    while True:
        wanted = PAGE_MAX if limit is None else min(limit - len(rows), PAGE_MAX)
        page = await client.jobs_page(msgspec.structs.replace(query, limit=wanted))
        rows += page.jobs
        if page.next is None or (limit is not None and len(rows) >= limit):
            return rows[:limit], page.next is not None
        query = msgspec.structs.replace(query, cursor=page.next)


def _print(caller: Caller, rows: "list[JobRow]", names: dict[str, str]) -> None:
    from cmdexec.cli.described import job_cells

    now, ids = caller.runtime.clock.now(), [row.job_id for row in rows]
    cells = [job_cells(row, now, ids, names) for row in rows]
    if not on_terminal():
        print_lines(tabbed(cells))
    elif cells:
        print_lines(table(_COLUMNS, cells, width(), colour=in_colour(sys.stdout)))


def _begin(text: str | None) -> str | None:
    if not text:
        return None
    if len(text) > _BEGIN_MOST or not text.isprintable():
        raise click.BadParameter(f"Write up to {_BEGIN_MOST} characters of UTF-8 text.", param_hint="--match")
    return text


def _moment(text: str) -> str:
    """As the server takes it: `-7d`, or RFC 3339; a time without a zone is of this machine."""
    from datetime import UTC, datetime

    from cmdexec.clock import rfc3339

    said = text.strip().removeprefix("-")
    if _SPAN.fullmatch(said):
        return f"-{said}" if said[-1] != "s" else f"-{max(1, -(-int(said[:-1]) // 60))}m"
    try:
        moment = datetime.fromisoformat(said)
        return rfc3339(int(moment.astimezone(UTC).timestamp() * 1000)) or ""
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is no time. Write 7d, 12h, 30m, or 2027-01-31T18:00.", param_hint="--since"
        ) from None
