"""`cmdexec worker`: a worker of some server."""

import gc
import os
from pathlib import Path

import click

from cmdexec.cli.effective import CONFIG_JSON, PRINT_CONFIG, print_settings
from cmdexec.cli.options import config_option, settings_options
from cmdexec.cli.told import tell, tell_error, tell_warnings
from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.settings.load import Loaded, load
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.hiding import hide_memory

CODES: tuple[tuple[str, str], ...] = (
    ("0", "it was told to end, or MAX_JOBS or IDLE_TIMEOUT_SEC was reached"),
    ("1", "it cannot start, or could not go on, or its server was away for IDLE_TIMEOUT_SEC: standard error says why"),
    ("2", "the command was written wrongly"),
    ("3", "the server refused to be joined with this token"),
    ("4", "the server wants this worker no more: it was revoked, or is not the one that WORKER_ID says"),
    ("5", "another process of the same worker has taken its place"),
    ("6", "another machine or data folder has the identity of this worker: one of the two is a copy"),
)
"""Code → when, for service managers: after 3, 4, 5 and 6 starting it again changes nothing."""

_ENDS = {"bad_join_token": 3, "forbidden": 4, "replaced": 5, "cloned": 6}


@click.command(epilog="Ends with: " + "; ".join(f"{code}: {when}" for code, when in CODES) + ".")
@click.option("--headless", is_flag=True, help="Without a window, whatever there is to show one on.")
@settings_options("worker")
@click.option(
    "--join",
    "join_token",
    metavar="TOKEN",
    help="The token with which this worker joins a server, at its first start alone. Other users of this machine can "
    "see it here; JOIN_TOKEN_FILE names a file instead. [JOIN_TOKEN]",
)
@click.option("--rejoin", is_flag=True, help="Join with --join although this worker has joined a server before.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="What jobs may require of this worker, such as gpu=a100; may be given several times. Beside it stand its own "
    "`os`, `arch` and `hostname`. [LABELS]",
)
@config_option("The settings file.")
@PRINT_CONFIG
@CONFIG_JSON
@click.option("--lifeline", hidden=True, type=click.Path(path_type=Path))
@click.option("--own-server", hidden=True, type=click.Path(path_type=Path))
@click.option("--show-window", hidden=True, is_flag=True, help="Be the window of the worker that starts it.")
@click.option("--warned", hidden=True, is_flag=True, help="Whoever starts it has told what to warn of.")
def worker(
    headless: bool, config: Path | None, lifeline: Path | None, own_server: Path | None, show_window: bool,
    warned: bool, rejoin: bool, labels: tuple[str, ...], print_config: bool, as_json: bool, **flags: str | bool | None,
) -> int:  # fmt: skip
    """Start a worker: it connects to a server, runs its jobs, and brings back output and results.

    A new machine joins with a token that `cmdexec join-token create` printed, and keeps a credential of its own:

        cmdexec worker --headless --allow-host --server https://cmdexec.example.com --join TOKEN

    From then on neither --server nor --join is needed, and the --name and --label that were given are kept.

    Where there is a display, it has a window, in which all of that can be done as well: without --headless nothing has
    to be given. Closing the window leaves the worker running, if wanted; the same command shows it again.

    Ctrl-C or SIGTERM lets running jobs end first, and begins no more; a second one gives them up. A server that is away
    is waited for. SIGHUP, of a closed terminal, lets them end as well.

    Every option is a setting and may also stand in the environment or in the settings file; --print-config shows what
    counts.
    """
    if show_window:
        from cmdexec.desktop.window import main

        return main()
    if as_json and not print_config:
        raise click.UsageError("--json says how --print-config prints; add that, or leave it out.")
    given: dict[str, object] = {**flags, "labels": labels or None}
    if print_config:
        found = load(WorkerSettings, flags=given, config=config)
        tell_warnings(found.warnings)
        print_settings(found, as_json=as_json)
        return 0
    hide_memory()
    from functools import partial

    from cmdexec.worker.needs import needs

    try:
        if not headless and (code := _with_window(given, config, own_server, rejoin=rejoin)) is not None:
            return code
        loaded = load(WorkerSettings, flags=given, config=config, also=(partial(needs, rejoin=rejoin),))
        if not warned:
            tell_warnings(loaded.warnings)
        return _work(loaded, config, lifeline, own_server, rejoin=rejoin, keeps=_kept(loaded))
    except CmdexecError as wrong:
        if wrong.code not in _ENDS:
            raise
        tell_error(wrong)
        return _ENDS[wrong.code]


def _with_window(given: dict[str, object], config: Path | None, own_server: Path | None, *, rejoin: bool) -> int | None:
    """Work with a window; the code to end with, or None where there can be no window, which is told."""
    import asyncio

    from cmdexec import log
    from cmdexec.cli.myself import myself
    from cmdexec.desktop.start import cannot_show, run_windowed
    from cmdexec.runtime import system_runtime
    from cmdexec.worker.page.configuration import Configuration
    from cmdexec.worker.page.host import Ways

    why = cannot_show()
    if why is None:
        configuration, runtime = Configuration(given, config), system_runtime("worker")
        base = configuration.base()
        log.set_up(runtime.clock, base.log_level, base.log_format)
        ways = Ways(own_server, rejoin, _kept)
        try:
            said = asyncio.run(run_windowed(configuration, base, ways, myself=myself(), runtime=runtime))
        except CmdexecError as wrong:
            if wrong.code != "no_window":
                raise
            why = wrong.message
        else:
            if said is not None:
                tell(said)
            return 0
    tell(f"No window: {why}. This worker runs without; --headless says nothing of it.")
    return None


def _kept(loaded: Loaded[WorkerSettings]) -> dict[str, object]:
    """What was typed for this start, and is to hold at later ones as well."""
    from cmdexec.worker.kept_settings import KEPT

    typed = ("the command line", "the environment")
    return {field: getattr(loaded.settings, field) for field in KEPT if loaded.origins[field].endswith(typed)}


def _work(
    loaded: Loaded[WorkerSettings], config: Path | None, lifeline: Path | None, own_server: Path | None, *,
    rejoin: bool, keeps: dict[str, object],
) -> int:  # fmt: skip
    import asyncio

    from cmdexec import log
    from cmdexec.cli.lifeline import hanging_on
    from cmdexec.runtime import system_runtime
    from cmdexec.worker.run import run_worker

    settings, runtime = loaded.settings, system_runtime("worker")
    log.set_up(runtime.clock, settings.log_level, settings.log_format)
    loaded.log_to(runtime.log)
    if own_server is None and loaded.is_given("auto_start"):  # a server starts its own worker
        _start_with_the_session(settings, config, runtime.log)

    gc.freeze()  # what was loaded until now stays: to go through it again and again would only take time

    async def until_stopped() -> int:
        with hanging_on(lifeline, _vanish):
            return await run_worker(
                settings, runtime, own_server=own_server, rejoin=rejoin, keeps=keeps, ends_process=True
            )

    return asyncio.run(until_stopped())


def _start_with_the_session(settings: WorkerSettings, config: Path | None, log: Log) -> None:
    """From the next one on, or no more."""
    from cmdexec.cli.myself import myself
    from cmdexec.desktop.autostart import Entry

    try:
        Entry(myself(), config).set(settings.auto_start, settings.data_dir)
    except OSError as wrong:
        log.warning("AUTO_START cannot be heeded", error=wrong.strerror)


def _vanish() -> None:
    """End as by kill -9: the warden ends all jobs at once, and nobody wants anything of them any more."""
    os._exit(1)
