"""`cmdexec attach`: a job that runs already, on this terminal as well."""

from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import Caller, calls_server
from cmdexec.cli.numbers import TAIL
from cmdexec.cli.outcome import CODES

if TYPE_CHECKING:
    from cmdexec.client import Client


@click.command(epilog="Ends with: " + "; ".join(f"{code}: {when}" for code, when in CODES) + ".")
@click.option(
    "--tail", metavar="SIZE", type=TAIL, help="Of what is there already only so much of each stream: 4096, 64KiB."
)
@click.option("--from-end", is_flag=True, help="Only what comes from now on.")
@calls_server
@click.argument("job", metavar="JOB")
def attach(job: str, tail: int | None, from_end: bool, caller: Caller) -> int:
    """Show a job's output from its first byte on, and end with its exit code.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours. It may have been
    started anywhere, and may have ended long ago. Of a job that was run several times it is the newest run.
    Ctrl-C leaves, and the job goes on; `cmdexec cancel` ends it.

    Example: `cmdexec attach last`
    """
    if from_end and tail is not None:
        raise click.UsageError("--from-end is --tail 0; leave out one of them.")
    size = 0 if from_end else tail

    async def attached(client: "Client") -> int:
        from cmdexec.cli.foreground import Attached
        from cmdexec.cli.naming import find_job

        return await Attached(client, await find_job(client, job), tail=size).run()

    return caller.call(attached, says_for_whom=False)
