"""`cmdexec worker`: a worker of some server."""

import gc
import os
from pathlib import Path

import click

from cmdexec.cli.options import config_option, not_provided, settings_options
from cmdexec.cli.told import tell_warnings
from cmdexec.errors import Refused
from cmdexec.settings.load import Loaded, load
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.warden.kernel import hide_memory


@click.command()
@click.option("--headless", is_flag=True, help="Without a window.")
@settings_options("worker")
@config_option("The settings file.")
@not_provided(
    "--join", "Joining with a token is not provided yet.",
    "Set WORKER_TOKEN_SECRET for server and worker, or put a credential into the worker's data folder.",
)  # fmt: skip
@click.option("--lifeline", hidden=True, type=click.Path(path_type=Path))
@click.option("--own-server", hidden=True, type=click.Path(path_type=Path))
@click.option("--warned", hidden=True, is_flag=True, help="Whoever starts it has told what to warn of.")
def worker(
    headless: bool, config: Path | None, lifeline: Path | None, own_server: Path | None, warned: bool,
    **flags: str | bool | None,
) -> int:  # fmt: skip
    """Start a worker: it connects to a server, runs its jobs, and brings back output and results.

    Ctrl-C or SIGTERM lets running jobs end first; a second one gives them up. A server that is away is waited for.
    SIGHUP, of a closed terminal, lets them end as well.

    Every option is a setting and may also stand in the environment or in the settings file;
    `python -m cmdexec.settings.document` prints all of them.
    """
    if not headless:
        raise Refused(
            "not_provided", "A worker has no window yet.", field="--headless",
            mend="Start it with `cmdexec worker --headless`.",
        )  # fmt: skip
    hide_memory()
    from cmdexec.worker.needs import needs

    loaded = load(WorkerSettings, flags=flags, config=config, also=(needs,))
    if not warned:
        tell_warnings(loaded.warnings)
    return _work(loaded, lifeline, own_server)


def _work(loaded: Loaded[WorkerSettings], lifeline: Path | None, own_server: Path | None) -> int:
    import asyncio

    from cmdexec import log
    from cmdexec.cli.lifeline import hanging_on
    from cmdexec.runtime import system_runtime
    from cmdexec.worker.run import run_worker

    settings, runtime = loaded.settings, system_runtime("worker")
    log.set_up(runtime.clock, settings.log_level, settings.log_format)
    loaded.log_to(runtime.log)

    gc.freeze()  # what was loaded until now stays: to go through it again and again would only take time

    async def until_stopped() -> int:
        with hanging_on(lifeline, _vanish):
            return await run_worker(settings, runtime, own_server=own_server)

    return asyncio.run(until_stopped())


def _vanish() -> None:
    """End as by kill -9: the warden ends all jobs at once, and nobody wants anything of them any more."""
    os._exit(1)
