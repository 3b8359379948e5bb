"""`cmdexec attach`: a job that runs already, on this terminal as well."""

from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import Caller, calls_server
from cmdexec.cli.outcome import CODES
from cmdexec.settings.declare import Kind, Setting
from cmdexec.settings.parse import parse, wanted

if TYPE_CHECKING:
    from cmdexec.client import Client

_TAIL = Setting("--tail", Kind.SIZE, None, "", frozenset(), unit="bytes", minimum=0, maximum=1 << 50)


@click.command(epilog="Ends with: " + "; ".join(f"{code}: {when}" for code, when in CODES) + ".")
@click.option("--tail", metavar="SIZE", help="Of what is there already only so much of each stream: 4096, 64KiB.")
@click.option("--from-end", is_flag=True, help="Only what comes from now on.")
@calls_server
@click.argument("job", metavar="JOB")
def attach(job: str, tail: str | None, from_end: bool, caller: Caller) -> int:
    """Show a job's output from its first byte on, and end with its exit code.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours. It may have been
    started anywhere, and may have ended long ago. Of a job that was run several times it is the newest run.
    Ctrl-C leaves, and the job goes on; `cmdexec cancel` ends it.

    Example: `cmdexec attach last`
    """
    if from_end and tail is not None:
        raise click.UsageError("--from-end is --tail 0; leave out one of them.")
    size = 0 if from_end else None if tail is None else _size(tail)

    async def attached(client: "Client") -> int:
        from cmdexec.cli.foreground import Attached
        from cmdexec.cli.naming import find_job

        return await Attached(client, await find_job(client, job), tail=size).run()

    return caller.call(attached, says_for_whom=False)


def _size(text: str) -> int:
    try:
        size = parse(_TAIL, text)
    except ValueError as wrong:
        raise click.BadParameter(f"{wrong} {wanted(_TAIL)}", param_hint="--tail") from None
    return size if isinstance(size, int) else 0
