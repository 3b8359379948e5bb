"""`cmdexec cancel`, `rerun` and `requeue`: end a job, do it once more, run one again whose fate is not known."""

from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import LINES_JSON, Caller, calls_server, json_option
from cmdexec.cli.exits import FAILED, OK
from cmdexec.cli.printed import on_terminal, or_told, print_json, print_lines
from cmdexec.cli.told import tell, tell_error
from cmdexec.cli.worded import counted
from cmdexec.errors import CmdexecError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmdexec.client import Client
    from cmdexec.protocol.requests import CancelView, JobView

_AT_ONCE = 1000
"""The most that one call cancels."""

_SAID = {
    "cancelled": "cancelled; it had not begun",
    "asked": "asked to end",
    "too_late": "has ended already",
    "not_found": "is no job of this server",
}
"""What the server did → how it reads."""


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="JOB...")
@click.option("--wait", "-w", is_flag=True, help="Wait until they have ended.")
@json_option(LINES_JSON)
@calls_server
def cancel(caller: Caller, names: tuple[str, ...], wait: bool, as_json: bool) -> int:
    """End jobs, and say of each what happened.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours. A job that runs
    is asked to end and gets its time for that; --wait waits for it. It ends with 1 if one of them is not there.

    Not on a terminal each job is a line with a tab between its id and `cancelled`, `asked`, `too_late` or `not_found`.

    Example: `cmdexec cancel --wait last`
    """

    ended: dict[str, str] = {}

    async def cancelled(client: "Client") -> "list[CancelView]":
        from cmdexec.cli.naming import find_jobs
        from cmdexec.protocol.requests import CancelView

        found = await find_jobs(client, names)
        ids = [one for one, wrong in found.items() if wrong is None]
        missing = {one: wrong for one, wrong in found.items() if wrong is not None}
        for wrong in missing.values():
            if not ids:
                raise wrong
            tell_error(wrong)
        told: list[CancelView] = []
        for begin in range(0, len(ids), _AT_ONCE):
            told += await client.cancel(*ids[begin : begin + _AT_ONCE])
        if wait:
            ending = [one.job_id for one in told if one.outcome == "asked"]
            if ending and on_terminal():
                tell(f"Waiting for the end of {counted(len(ending), 'job')}. Ctrl-C leaves, and they end all the same.")
            ended.update({job.job_id: job.status for job in await client.wait_all(ending)})
        views = {one: CancelView(job_id=one, outcome="not_found", status=None) for one in missing}
        views |= {one.job_id: one for one in told}
        return [views[one] for one in found if one in views]

    told = caller.call(cancelled)
    if as_json:
        print_json(*told)
    else:
        if on_terminal():
            said = {one.job_id: f"has ended: {ended[one.job_id]}" for one in told if one.job_id in ended}
            print_lines(f"{one.job_id} {said.get(one.job_id, _SAID[one.outcome])}." for one in told)
        else:
            print_lines(f"{one.job_id}\t{one.outcome}" for one in told)
    return FAILED if any(one.outcome == "not_found" for one in told) else OK


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="JOB...")
@json_option(LINES_JSON)
@calls_server
def rerun(caller: Caller, names: tuple[str, ...], as_json: bool) -> int:
    """Submit anew what jobs were asked to do, and print the ids of the new ones, in the order named.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours. It ends with 1 if
    one of them cannot be run again.

    Example: `cmdexec rerun $(cmdexec jobs --tag nightly --status failed --ids)`
    """

    async def anew(client: "Client", job_id: str) -> "JobView":
        return await client.rerun(job_id)

    return _each(caller, names, anew, "is submitted", as_json=as_json)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="JOB...")
@click.option("--accept-duplicate", is_flag=True, help="I know that it may run twice.")
@json_option(LINES_JSON)
@calls_server
def requeue(caller: Caller, names: tuple[str, ...], accept_duplicate: bool, as_json: bool) -> int:
    """Run jobs again whose worker is not heard of any more (`unknown`), though they may then run twice.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours. It ends with 1 if
    one of them cannot be run again.

    Example: `cmdexec requeue last --accept-duplicate`
    """

    async def again(client: "Client", job_id: str) -> "JobView":
        return await client.requeue(job_id, accept_duplicate=accept_duplicate)

    return _each(caller, names, again, "runs again", as_json=as_json)


def _each(
    caller: Caller, names: tuple[str, ...], act: "Callable[[Client, str], Awaitable[JobView]]", done: str, *,
    as_json: bool,
) -> int:  # fmt: skip
    """Do it to one after the other, and print the jobs that came of it. What is refused is told, and the others go on;
    a server that is away ends it."""
    views: list[JobView] = []
    faults: list[CmdexecError] = []

    async def all_of_them(client: "Client") -> None:
        from cmdexec.cli.naming import find_jobs

        found = await find_jobs(client, names)
        for job_id, wrong in found.items():
            try:
                if wrong is not None:
                    raise wrong
                views.append(await act(client, job_id))
            except CmdexecError as failed:
                if len(found) == 1:
                    raise
                faults.append(failed)
                if isinstance(failed, Unavailable):
                    tell(f"This ends at {job_id}: nothing was done to those behind it.")
                    break

    caller.call(all_of_them)
    for fault in faults:
        tell_error(fault)
    with or_told(" ".join(f"The job {view.job_id} {done}." for view in views)):
        if as_json:
            print_json(*views)
        else:
            print_lines(view.job_id for view in views)
    return FAILED if faults else OK
