"""`cmdexec submit`: one job, or a file of jobs, without waiting for any of them."""

import os
from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import LINES_JSON, Caller, calls_server, json_option
from cmdexec.cli.exits import FAILED, OK
from cmdexec.cli.job_options import JobOptions, job_options
from cmdexec.cli.outcome import NOBODY_READS
from cmdexec.cli.printed import or_told, print_json, print_lines, unwritten
from cmdexec.cli.told import tell, tell_error
from cmdexec.errors import CmdexecError, Refused, Unavailable

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.protocol.requests import JobView


def _checked_key(text: str | None) -> str | None:
    from cmdexec.client.keys import is_key, rule

    if text is not None and not is_key(text):
        raise click.BadParameter(rule())
    return text


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--file",
    "-f",
    metavar="FILE",
    help="A file of jobs, or - for standard input: one JSON object a line, or a list, with the fields of the API, "
    'as {"command": ["make", "-C", "/srv/project"], "name": "nightly"}.',
)
@click.option("--stdin", "-i", metavar="FILE", help="A file that it gets as its standard input, or - for that of here.")
@click.option(
    "--key",
    metavar="TEXT",
    callback=lambda _ctx, _option, text: _checked_key(text),
    help="Makes it safe to repeat for 72 hours: what was submitted with this key is not submitted again.",
)
@job_options
@json_option(LINES_JSON)
@calls_server
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] [COMMAND...]")
def submit(
    caller: Caller, words: tuple[str, ...], file: str | None, stdin: str | None, key: str | None, options: JobOptions,
    as_json: bool,
) -> int:  # fmt: skip
    """Submit a command, or a file of jobs, and print the id of each.

    The job is on the server's disk when its id is printed. Several words are a program and its arguments, exactly as
    typed, without a shell; a single word that is more than a plain word is a line for the shell.

    It starts in an empty folder of its own on the worker's machine, which is its HOME too and is deleted when it ends.
    What shall stay it writes to its output, or into a folder that is named in full, such as /srv/project. With --image
    it runs in a container of that image instead, which has nothing of the machine's and is removed when it ends.

    A file of jobs is looked through before any of it is submitted. Then up to 1,000 jobs at a time are taken, all or
    none, and the ids come in the order of the file.

    Example: `cmdexec submit --name nightly --retries 2 -- make -C /srv/project test`
    """
    if file is not None:
        if words or stdin is not None or options != JobOptions():
            raise click.UsageError("--file has jobs of its own; leave out the command and all options about a job.")
        return _submit_file(caller, file, key, as_json)
    if not words:
        raise click.UsageError("There is nothing to submit. Write a command, or name a file of jobs with --file.")
    from cmdexec.cli.asked import asked_job
    from cmdexec.cli.job_file import read_input

    job = asked_job(
        words, options, environment=os.environ, now=caller.runtime.clock.now(),
        stdin=None if stdin is None else read_input(stdin),
    )  # fmt: skip

    async def submitted(client: "Client") -> "JobView":
        return await client.submit(job, key=key)

    try:
        view = caller.call(submitted)
    except CmdexecError as wrong:
        raise _by_option(wrong) from wrong
    with or_told(f"The job {view.job_id} is submitted."):
        if as_json:
            print_json(view)
        else:
            print_lines([view.job_id])
    return OK


def _by_option(wrong: CmdexecError) -> CmdexecError:
    """The refusal of a key, by the name that it has here."""
    from cmdexec.cli.worded import said_here

    if wrong.field != "Idempotency-Key":
        return wrong
    return Refused(wrong.code, said_here(wrong.message), field="--key", mend=wrong.mend)


def _submit_file(caller: Caller, file: str, key: str | None, as_json: bool) -> int:
    from cmdexec.cli.batches import Batches
    from cmdexec.cli.job_file import read_jobs

    batches = Batches(read_jobs(file), key or caller.runtime.ids.new(), as_json=as_json)
    try:
        caller.call(batches.submit)
    except BrokenPipeError:
        batches.tell_how_far(sure=True)
        return NOBODY_READS
    except OSError as wrong:
        tell(unwritten(wrong).message)
        batches.tell_how_far(sure=True, unseen=True)
        return FAILED
    except CmdexecError as wrong:
        tell_error(_by_option(wrong))
        batches.tell_how_far(sure=not isinstance(wrong, Unavailable))
        return FAILED
    except KeyboardInterrupt:
        batches.tell_how_far(sure=False)
        raise
    return OK
