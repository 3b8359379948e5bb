"""`cmdexec cancel`, `rerun` and `requeue`: end a job, do it once more, run one again whose fate is not known."""

from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import LINES_JSON, ONE_JSON, Caller, calls_server, json_option
from cmdexec.cli.exits import FAILED, OK
from cmdexec.cli.printed import on_terminal, or_told, print_json, print_lines
from cmdexec.cli.told import tell, tell_error
from cmdexec.cli.worded import counted

if TYPE_CHECKING:
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
@click.argument("name", metavar="JOB")
@json_option(ONE_JSON)
@calls_server
def rerun(caller: Caller, name: str, as_json: bool) -> None:
    """Submit anew what a job was asked to do, and print the id of the new job.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours.

    Example: `cmdexec rerun last`
    """

    async def anew(client: "Client") -> "JobView":
        from cmdexec.cli.naming import find_job

        return await client.rerun(await find_job(client, name))

    _print(caller.call(anew), as_json, "is submitted")


@click.command()
@click.argument("name", metavar="JOB")
@click.option("--accept-duplicate", is_flag=True, help="I know that it may run twice.")
@json_option(ONE_JSON)
@calls_server
def requeue(caller: Caller, name: str, accept_duplicate: bool, as_json: bool) -> None:
    """Run a job again whose worker is not heard of any more (`unknown`), though it may then run twice.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours.

    Example: `cmdexec requeue last --accept-duplicate`
    """

    async def again(client: "Client") -> "JobView":
        from cmdexec.cli.naming import find_job

        return await client.requeue(await find_job(client, name), accept_duplicate=accept_duplicate)

    _print(caller.call(again), as_json, "runs again")


def _print(job: "JobView", as_json: bool, done: str) -> None:
    with or_told(f"The job {job.job_id} {done}."):
        if as_json:
            print_json(job)
        else:
            print_lines([job.job_id])
