"""`cmdexec logs`: the output of a job, byte for byte."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

import click

from cmdexec.cli.caller import Caller, calls_server, json_option
from cmdexec.cli.exits import OK
from cmdexec.cli.numbers import TAIL, Whole
from cmdexec.cli.outcome import NOBODY_READS
from cmdexec.cli.printed import unwritten
from cmdexec.cli.told import tell

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.protocol.requests import JobView

Stream = Literal["stdout", "stderr"]


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the job ends.")
@click.option("--stderr", is_flag=True, help="Its standard error in place of its standard output.")
@click.option("--both", is_flag=True, help="Both, each to the stream of the same name.")
@click.option(
    "--attempt",
    metavar="N",
    type=Whole(1, 2**31 - 1),
    help="Of this attempt, as `cmdexec show` counts them. [default: the last]",
)
@click.option("--tail", metavar="SIZE", type=TAIL, help="Of what is there already only so much: 4096, 64KiB.")
@click.argument("name", metavar="JOB")
@json_option("Print one JSON object a line: stream, offset, and data in base64.")
@calls_server
def logs(
    caller: Caller, name: str, follow: bool, stderr: bool, both: bool, attempt: int | None, tail: int | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Print what a job wrote, byte for byte.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours. It ends with 0
    however the job ended; `cmdexec attach` ends with the job's code.

    Example: `cmdexec logs -f last`
    """
    if stderr and both:
        raise click.UsageError("--both has standard error too; leave out --stderr.")
    if follow and attempt is not None:
        raise click.UsageError("--follow goes with the attempt that runs; leave out --attempt.")
    streams: tuple[Stream, ...] = ("stdout", "stderr") if both else ("stderr" if stderr else "stdout",)

    async def printed(client: "Client") -> None:
        from cmdexec.cli.naming import find_job

        printing, job_id = _Printing(apart=both, as_json=as_json), await find_job(client, name)
        if follow:
            await _followed(client, job_id, printing, streams, tail)
            return
        job = None if tail is None else await client.status(job_id)
        for stream in streams:
            offset = 0 if job is None or tail is None else _start(job, stream, attempt, tail)
            async for piece in client.output(job_id, stream, attempt=attempt, start=offset):
                await printing.piece(stream, offset, piece)
                offset += len(piece)

    try:
        caller.call(printed)
    except BrokenPipeError:
        return NOBODY_READS
    return OK


class _Printing:
    """Pieces on standard output, or each stream on the one of its name (`apart`), or as JSON."""

    def __init__(self, *, apart: bool, as_json: bool) -> None:
        from cmdexec.cli.printer import Printer

        self._printer = Printer()
        self._apart = apart and not as_json
        self._as_json = as_json

    async def piece(self, stream: str, offset: int, data: bytes) -> None:
        """Returns when it is written. Raises BrokenPipeError when nobody reads it, and click's ClickException."""
        if self._as_json:
            import msgspec

            data = msgspec.json.encode({"stream": stream, "offset": offset, "data": data}) + b"\n"
        try:
            await self._printer.write(stream if self._apart else "stdout", data)
        except BrokenPipeError:
            raise
        except OSError as wrong:
            raise unwritten(wrong) from wrong


async def _followed(
    client: "Client", job_id: str, printing: _Printing, streams: tuple[Stream, ...], tail: int | None
) -> None:
    """What is there, or the last of it, and what comes until the job ends."""
    from cmdexec.cli.outcome import as_sentence
    from cmdexec.client import NewAttempt, Piece

    start = None
    if tail is None:
        waits = (await client.status(job_id)).waiting_for
        if waits:
            tell(f"Waiting: {waits.rstrip('.')}.")
    else:
        start = await client.start_of_tail(job_id, tail)
    async with aclosing(client.follow(job_id, start)) as events:
        async for event in events:
            if isinstance(event, NewAttempt) and event.run > 1:
                why = f"{as_sentence(event.why)} " if event.why else ""
                tell(f"{why}The job runs again; this is run {event.run}.")
            elif isinstance(event, Piece) and event.stream in streams:
                await printing.piece(event.stream, event.offset, event.data)


def _start(job: "JobView", stream: Stream, attempt: int | None, tail: int) -> int:
    """The offset at which the last `tail` bytes begin, as far as that is known now."""
    outputs = [one.output for one in job.attempts if one.attempt == attempt] if attempt else [job.output]
    return max(0, getattr(outputs[0], stream).bytes - tail) if outputs and outputs[0] else 0
