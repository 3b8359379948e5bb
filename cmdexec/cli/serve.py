"""`cmdexec serve`: the server, with a worker of its own if wanted."""

import gc
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdexec.cli.myself import myself
from cmdexec.cli.options import settings_options
from cmdexec.cli.told import tell, tell_warnings
from cmdexec.settings.declare import Fault
from cmdexec.settings.load import SettingsError, load
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.warden.kernel import hide_memory

if TYPE_CHECKING:
    from cmdexec.server.run import Listening, WithWorker


@click.command()
@settings_options("server")
@click.option("--with-worker", is_flag=True, help="Keep a worker on this machine; it may run any command as this user.")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="The settings file.")
@click.option("--lifeline", hidden=True, type=click.Path(path_type=Path))
def serve(with_worker: bool, config: Path | None, lifeline: Path | None, **flags: str | bool | None) -> int:
    """Start a server: it takes jobs, gives them to workers, and keeps what comes of them.

    It listens on this machine only, at http://127.0.0.1:3000, unless it is told otherwise. Ctrl-C or SIGTERM lets
    requests end first; a second one stops it at once. Every option is a setting and may also stand in the environment
    or in the settings file; docs/settings.md lists all of them.
    """
    hide_memory()
    settings = _settings(with_worker, config, flags)
    return _serve(settings, _worker(lifeline) if with_worker else None, lifeline)


def _settings(with_worker: bool, config: Path | None, flags: Mapping[str, object]) -> ServerSettings:
    """The server's settings. Those that its worker will find are looked at too, so that all faults are told at once."""
    faults, warnings = list[Fault](), list[Fault]()
    settings, data_dir = None, Path(os.devnull)  # a folder in there cannot be, so no file in it counts
    try:
        loaded = load(ServerSettings, flags=flags, config=config)
        settings, data_dir = loaded.settings, loaded.settings.data_dir
        warnings += loaded.warnings
    except SettingsError as wrong:
        faults += wrong.faults
    if with_worker:
        given = {"server_url": "http://localhost", "allow_host": True, "data_dir": data_dir / "worker"}
        try:
            warnings += load(WorkerSettings, flags=given).warnings
        except SettingsError as wrong:
            faults += wrong.faults
    if settings is None or faults:
        raise SettingsError(list(dict.fromkeys(faults)))
    tell_warnings(dict.fromkeys(warnings))
    return settings


def _worker(lifeline: Path | None) -> "WithWorker":
    from cmdexec.server.run import WithWorker

    private = [] if lifeline is None else ["--lifeline", str(lifeline)]
    return WithWorker(command=[*myself("worker", "--headless", "--allow-host", "--warned"), *private])


def _serve(settings: ServerSettings, with_worker: "WithWorker | None", lifeline: Path | None) -> int:
    import asyncio

    from cmdexec import log
    from cmdexec.cli.lifeline import hanging_on
    from cmdexec.runtime import system_runtime
    from cmdexec.server.run import serve as server

    runtime = system_runtime("server")
    log.set_up(runtime.clock, settings.log_level, settings.log_format)

    def ready(listening: "Listening") -> None:
        gc.freeze()  # what was made until now stays: to go through all of it now and then stops everything for 30 ms
        if lifeline is None:
            _tell_people(listening, settings.data_dir)

    async def until_stopped() -> tuple[int, bool]:
        stop = asyncio.Event()
        with hanging_on(lifeline, stop.set) as lost:
            return await server(settings, runtime, ready=ready, stop=stop, with_worker=with_worker), lost()

    code, abandoned = asyncio.run(until_stopped())
    if abandoned:
        shutil.rmtree(settings.data_dir, ignore_errors=True)
    return code


def _tell_people(listening: "Listening", folder: Path) -> None:
    """Where it is; and the first admin's password, which is kept nowhere."""
    made = listening.made_admin
    if made is not None and made.password is not None:
        tell(f"The first user is {made.email}, password {made.password}. This is shown once; write it down.")
    sockets = f", for sockets alone at {listening.sockets_url}," if listening.sockets_url is not None else ""
    tell(f"The server listens at {listening.url}{sockets} and keeps its data in {folder}. Ctrl-C stops it.")
