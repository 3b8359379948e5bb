"""`cmdexec run`: one command in the foreground, here or through a server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import Caller
from cmdexec.cli.job_options import JobOptions, job_options
from cmdexec.cli.options import config_option, settings_options
from cmdexec.cli.outcome import CODES
from cmdexec.cli.printed import or_told, print_lines
from cmdexec.cli.told import tell_warnings
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load, make
from cmdexec.system.ctrl_c import interrupted_later

if TYPE_CHECKING:
    from cmdexec.cli.standalone import Standalone
    from cmdexec.client import Client
    from cmdexec.protocol.requests import NewJob

_PATIENCE_SEC = 5.0
"""A private server that is away stays away."""

_TELL_AFTER_SEC = 30.0
"""Its worker takes a moment to start; that is nobody's concern."""

_TELL_OF_IMAGE_SEC = 3.0
"""A container takes an engine, which may not be there, and an image, which may take long to come."""

_TELL_OF_INPUT_SEC = 2.0
"""What is waited for on standard input is."""


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Ends with: " + "; ".join(f"{code}: {when}" for code, when in CODES) + ".",
)
@click.option("--standalone", is_flag=True, help="Use a server and a worker of its own, gone afterwards.")
@click.option("--detach", "-d", is_flag=True, help="Only submit it, and print its id.")
@click.option("--no-stdin", "-n", is_flag=True, help="Do not give standard input to it.")
@job_options
@settings_options("client", data_dir="The data folder of a server of yours, which tells where it is. [DATA_DIR]")
@config_option("A file with settings of the client.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND...")
def run(
    words: tuple[str, ...], options: JobOptions, standalone: bool, detach: bool, no_stdin: bool, config: Path | None,
    **flags: str | None,
) -> int:  # fmt: skip
    """Run a command, with its output and exit code.

    Several words are a program and its arguments, exactly as typed, without a shell: `run -- grep -c model
    /proc/cpuinfo`. A single word that is more than a plain word is a line for the shell: `run -- 'du -s * | sort -n'`.

    It starts in an empty folder of its own on the worker's machine, which is its HOME too and is deleted when it ends.
    What shall stay it writes to its output, or into a folder that is named in full, such as /srv/project. With --image
    it runs in a container of that image instead, which has nothing of the machine's and is removed when it ends.

    Ctrl-C asks the command to end; a second one leaves it to itself, and `cmdexec attach` shows it again. Standard
    input that is no terminal is read to its end first, up to 256 KB, and given to the command; in a loop that reads
    lines, use -n.

    Example: `cmdexec run --timeout 10m -- make -C /srv/project test`
    """
    if not words:
        raise click.UsageError("There is no COMMAND. Write it behind two dashes: `cmdexec run -- echo hello`.")
    if standalone and (flags.get("server_url") or flags.get("data_dir") or config):
        raise click.UsageError("--standalone has a server of its own; leave out --server, --data-dir and --config.")
    if standalone and detach:
        raise click.UsageError("--standalone ends with its job, and --detach would not wait for it; leave out one.")
    private = None
    try:
        if standalone:
            from cmdexec.cli.standalone import Standalone

            with interrupted_later():
                private = Standalone(os.environ, containers=options.image is not None)
            settings = make(
                ClientSettings, data_dir=str(private.folder), log_level=flags["log_level"],
                patience_sec=_PATIENCE_SEC,
                tell_after_sec=_TELL_AFTER_SEC if options.image is None else _TELL_OF_IMAGE_SEC,
            )  # fmt: skip
        else:
            loaded = load(ClientSettings, flags=flags, config=config)
            tell_warnings(loaded.warnings)
            settings = loaded.settings
        return _run(settings, _job(words, options, settings, no_stdin), private, detach)
    except BaseException:
        if private is not None:
            private.abandon()
        raise


def _job(words: tuple[str, ...], options: JobOptions, settings: ClientSettings, no_stdin: bool) -> "NewJob":
    from cmdexec.cli.asked import asked_job
    from cmdexec.cli.given_input import given_input
    from cmdexec.clock import SystemClock

    job = asked_job(words, options, environment=os.environ, now=SystemClock().now())
    if no_stdin:
        return job
    import msgspec

    return msgspec.structs.replace(job, stdin=given_input(min(settings.tell_after_sec, _TELL_OF_INPUT_SEC)))


def _run(settings: ClientSettings, job: "NewJob", private: "Standalone | None", detach: bool) -> int:
    async def submitted(client: "Client") -> int:
        job_id = (await client.submit(job)).job_id
        with or_told(f"The job {job_id} is submitted."):
            print_lines([job_id])
        return 0

    async def foreground(client: "Client") -> int:
        from cmdexec.cli.foreground import Foreground

        if private is None:
            return await Foreground(client, job).run()
        async with private.running(client.runtime.clock, settings.request_timeout_sec):
            return await Foreground(client, job, outlives=False).run()

    return Caller(settings).call(submitted if detach else foreground, says_for_whom=detach)
