"""`cmdexec logs`: the output of a job, byte for byte."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

import click

from cmdexec.cli.caller import Caller, calls_server
from cmdexec.cli.outcome import NOBODY_READS
from cmdexec.cli.told import tell
from cmdexec.settings.declare import Kind, Setting
from cmdexec.settings.parse import parse, wanted

if TYPE_CHECKING:
    from cmdexec.cli.printer import Printer
    from cmdexec.client import Client
    from cmdexec.protocol.requests import JobView

Stream = Literal["stdout", "stderr"]

_TAIL = Setting("--tail", Kind.SIZE, None, "", frozenset(), unit="bytes", minimum=0, maximum=1 << 50)
_ENDED = frozenset({"completed", "failed", "cancelled"})


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the job ends.")
@click.option("--stderr", is_flag=True, help="Its standard error in place of its standard output.")
@click.option("--both", is_flag=True, help="Both, each to the stream of the same name.")
@click.option("--attempt", metavar="N", type=click.IntRange(1, 2**31 - 1),
              help="Of this attempt, as `cmdexec show` counts them. [default: the last]")
@click.option("--tail", metavar="SIZE", help="Of what is there already only so much: 4096, 64KiB.")
@click.argument("name", metavar="JOB")
@calls_server
def logs(
    caller: Caller, name: str, follow: bool, stderr: bool, both: bool, attempt: int | None, tail: str | None
) -> int:
    """Print what a job wrote, byte for byte.

    JOB is an id, its first 6 characters or more, or `last` for the newest of yours. It ends with 0 however the job
    ended; `cmdexec attach` ends with the job's code.

    Example: `cmdexec logs -f last`
    """
    if stderr and both:
        raise click.UsageError("--both has standard error too; leave out --stderr.")
    if follow and attempt is not None:
        raise click.UsageError("--follow goes with the attempt that runs; leave out --attempt.")
    last = None if tail is None else _size(tail)
    streams: tuple[Stream, ...] = ("stdout", "stderr") if both else ("stderr" if stderr else "stdout",)

    async def printed(client: "Client") -> int:
        from cmdexec.cli.naming import find_job
        from cmdexec.cli.printer import Printer

        printer = Printer()
        job_id = await find_job(client, name)
        starts = dict.fromkeys(streams, 0)
        if last is not None or follow:
            job = await client.status(job_id)
            starts = {stream: _start(job, stream, attempt, last) for stream in streams}
            if follow and job.status not in _ENDED:
                return await _followed(client, job, printer, starts, together=both)
        for stream in streams:
            target = stream if both else "stdout"
            async for piece in client.output(job_id, stream, attempt=attempt, start=starts[stream]):
                await printer.write(target, piece)
        return 0

    try:
        return caller.call(printed)
    except BrokenPipeError:
        return NOBODY_READS


async def _followed(
    client: "Client", job: "JobView", printer: "Printer", starts: dict[Stream, int], *, together: bool
) -> int:
    """What is there from `starts` on, and what comes until the job ends."""
    from cmdexec.client import NewAttempt, Piece, follow

    if job.waiting_for:
        tell(f"Waiting: {job.waiting_for.rstrip('.')}.")
    attempt = job.attempt
    async with aclosing(follow(client, job.job_id)) as events:
        async for event in events:
            if isinstance(event, NewAttempt):
                if event.attempt > attempt:
                    starts = dict.fromkeys(starts, 0)
                if event.attempt > attempt > 0 and event.run > 1:
                    tell(f"The job runs again; this is run {event.run}.")
            elif isinstance(event, Piece):
                data = event.data[max(0, starts.get(event.stream, 1 << 62) - event.offset) :]  # type: ignore[call-overload]
                if data:
                    await printer.write(event.stream if together else "stdout", data)
    return 0


def _start(job: "JobView", stream: Stream, attempt: int | None, tail: int | None) -> int:
    """The offset at which the last `tail` bytes begin, as far as that is known now."""
    if tail is None:
        return 0
    outputs = [one.output for one in job.attempts if one.attempt == attempt] if attempt else [job.output]
    return max(0, getattr(outputs[0], stream).bytes - tail) if outputs and outputs[0] else 0


def _size(text: str) -> int:
    try:
        size = parse(_TAIL, text)
    except ValueError as wrong:
        raise click.BadParameter(f"{wrong} {wanted(_TAIL)}", param_hint="--tail") from None
    return size if isinstance(size, int) else 0
