"""`cmdexec run`: one command in the foreground, here or through a server."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdexec.cli.options import config_option, not_provided, settings_options
from cmdexec.cli.outcome import CODES
from cmdexec.cli.told import tell, tell_warnings
from cmdexec.errors import CmdexecError
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load, make

if TYPE_CHECKING:
    from cmdexec.cli.standalone import Standalone
    from cmdexec.protocol.requests import NewJob

_PATIENCE_SEC = 5.0
"""A private server that is away stays away."""

_TELL_AFTER_SEC = 30.0
"""Its worker takes a moment to start; that is nobody's concern."""


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Ends with: " + "; ".join(f"{code}: {when}" for code, when in CODES) + ".",
)
@click.option("--standalone", is_flag=True, help="Use a server and a worker of its own, gone afterwards.")
@click.option("--timeout", metavar="DURATION", help="End the command after so long: 10, 90s, 5m. [default: never]")
@click.option("--kill-grace", metavar="DURATION", help="How long it has to end when it is told to. [default: 10s]")
@click.option("--cpu", metavar="CORES", help="The part of the worker that it gets: 2, 0.5. [default: what is free]")
@click.option("--ram", metavar="SIZE", help="The memory that it gets: 512MiB, 2GiB. [default: what is free]")
@click.option("--env", "-e", metavar="NAME[=VALUE]", multiple=True, help="A variable of it; without VALUE, as here.")
@click.option("--name", metavar="TEXT", help="A name that people see.")
@settings_options("client", data_dir="The data folder of a server of yours, which tells where it is. [DATA_DIR]")
@config_option("A file with settings of the client.")
@not_provided(
    "--image", "Jobs in containers are not provided yet.",
    "Leave it out: the command runs as a process of the worker's machine.",
)  # fmt: skip
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] COMMAND...")
def run(
    words: tuple[str, ...], standalone: bool, timeout: str | None, kill_grace: str | None, cpu: str | None,
    ram: str | None, env: tuple[str, ...], name: str | None, config: Path | None, **flags: str | None,
) -> int:  # fmt: skip
    """Run a command, with its output and exit code.

    Several words are a program and its arguments, exactly as typed, without a shell: `run -- grep -c model
    /proc/cpuinfo`. A single word that is more than a plain word is a line for the shell: `run -- 'du -s * | sort -n'`.

    Ctrl-C asks the command to end, a second one leaves at once. Standard input is not passed on.
    """
    if standalone and (flags.get("server_url") or flags.get("data_dir") or config):
        raise click.UsageError("--standalone has a server of its own; leave out --server, --data-dir and --config.")
    private = None
    try:
        if standalone:
            from cmdexec.cli.standalone import Standalone

            private = Standalone(os.environ)
            settings = make(
                ClientSettings, data_dir=str(private.folder), log_level=flags["log_level"],
                patience_sec=_PATIENCE_SEC, tell_after_sec=_TELL_AFTER_SEC,
            )  # fmt: skip
        else:
            loaded = load(ClientSettings, flags=flags, config=config)
            tell_warnings(loaded.warnings)
            settings = loaded.settings
        from cmdexec.cli.asked import asked_job

        job = asked_job(
            words, environment=os.environ, env=env, timeout=timeout, kill_grace=kill_grace, cpu=cpu, ram=ram, name=name
        )
        return _run(settings, job, private)
    except BaseException:
        if private is not None:
            private.abandon()
        raise


def _run(settings: ClientSettings, job: "NewJob", private: "Standalone | None") -> int:
    import asyncio

    from cmdexec import log
    from cmdexec.cli.foreground import Foreground
    from cmdexec.client import Client, find_access
    from cmdexec.runtime import system_runtime

    runtime = system_runtime("cli", threads=1)
    log.set_up(runtime.clock, settings.log_level, "text")

    def waiting(wrong: CmdexecError) -> None:
        tell(f"{wrong.message} Trying again.")

    async def foreground() -> int:
        find = partial(find_access, settings)
        async with Client(find, settings=settings, runtime=runtime, notice=waiting) as client:
            return await Foreground(client, job, outlives=private is None).run()

    async def all_of_it() -> int:
        if private is None:
            return await foreground()
        async with private.running(runtime.clock, settings.request_timeout_sec):
            return await foreground()

    return asyncio.run(all_of_it())
