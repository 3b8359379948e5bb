"""`cmdexec serve`: the server, with a worker of its own if wanted."""

import gc
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdexec.cli.effective import CONFIG_JSON, PRINT_CONFIG, print_settings
from cmdexec.cli.myself import myself
from cmdexec.cli.options import config_option, settings_options
from cmdexec.cli.told import tell, tell_warnings
from cmdexec.errors import CmdexecError
from cmdexec.settings.declare import Fault, Given
from cmdexec.settings.load import SETTINGS_FILE, Loaded, SettingsError, load
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.hiding import hide_memory

if TYPE_CHECKING:
    from cmdexec.server.run import Listening, WithWorker


@click.command()
@settings_options("server")
@click.option("--with-worker", is_flag=True, help="Keep a worker on this machine; it may run any command as this user.")
@config_option("The settings file.")
@PRINT_CONFIG
@CONFIG_JSON
@click.option("--lifeline", hidden=True, type=click.Path(path_type=Path))
def serve(
    with_worker: bool, config: Path | None, print_config: bool, as_json: bool, lifeline: Path | None,
    **flags: str | bool | None,
) -> int:  # fmt: skip
    """Start a server: it takes jobs, gives them to workers, and keeps what comes of them.

    It listens on this machine only, at http://127.0.0.1:3000, unless it is told otherwise. Ctrl-C or SIGTERM lets
    requests end first, as SIGHUP does, of a closed terminal; a second one stops it at once.

    Every option is a setting and may also stand in the environment or in the settings file, which the worker of
    --with-worker reads too; --print-config shows what counts, with --with-worker for both.

    Example: `cmdexec serve --with-worker`
    """
    hide_memory()
    if as_json and not print_config:
        raise click.UsageError("--json says how --print-config prints; add that, or leave it out.")
    loaded, of_worker = _settings(with_worker, config, flags)
    if print_config:
        print_settings(loaded, *of_worker, as_json=as_json)
        return 0
    worker = _worker(lifeline, _file_of_worker(config, loaded.settings.data_dir)) if with_worker else None
    return _serve(loaded, worker, lifeline)


def _settings(
    with_worker: bool, config: Path | None, flags: Mapping[str, object]
) -> tuple[Loaded[ServerSettings], list[Loaded[WorkerSettings]]]:
    """The server's settings, and those that its worker will find, if it has one: all faults are told at once."""
    of_worker: list[Loaded[WorkerSettings]] = []
    faults, warnings = list[Fault](), list[Fault]()
    loaded, data_dir = None, Path(os.devnull)  # a folder in there cannot be, so no file in it counts
    try:
        loaded = load(ServerSettings, flags=flags, config=config)
        data_dir = loaded.settings.data_dir
        warnings += loaded.warnings
    except SettingsError as wrong:
        faults += wrong.faults
    if with_worker:
        given = {"server_url": "http://localhost", "data_dir": data_dir / "worker"}
        file = _file_of_worker(config, data_dir)
        try:
            found = load(
                WorkerSettings, flags=given, config=file, also=(_may_run_jobs, _has_folders),
                config_of="--config" if config is not None else SETTINGS_FILE,
            )  # fmt: skip
            of_worker.append(replace(found, origins={**found.origins, **dict.fromkeys(given, "the server")}))
            warnings += found.warnings
        except SettingsError as wrong:
            faults += wrong.faults
    if loaded is None or faults:
        raise SettingsError(list(dict.fromkeys(faults)))
    tell_warnings(dict.fromkeys(warnings))
    return loaded, of_worker


def _file_of_worker(config: Path | None, data_dir: Path) -> Path | None:
    """The settings file of the server's own worker: the server's, unless there is one in the worker's own folder."""
    own, server = data_dir / "worker" / SETTINGS_FILE, data_dir / SETTINGS_FILE
    return config if config is not None or os.path.lexists(own) or not os.path.lexists(server) else server


def _may_run_jobs(values: Given) -> Iterator[Fault]:
    if "allow_host" in values.named and values.get("allow_host") is False:
        yield Fault(
            "ALLOW_HOST",
            "It says that jobs may not run as processes of this machine, and --with-worker is there for that.",
            "Remove it, or leave out --with-worker.",
        )


def _has_folders(values: Given) -> Iterator[Fault]:
    """What would keep the worker from being started again and again."""
    from cmdexec.worker.workdir import try_work_dir

    folder, work = values.get("data_dir"), values.get("work_dir")
    if not isinstance(folder, Path):
        return
    if os.path.lexists(folder) and not folder.is_dir():
        yield Fault("DATA_DIR", f"{folder} is not a folder; the server's own worker needs it.", "Move it away.")
    if isinstance(work, Path):
        try:
            try_work_dir(work, folder)
        except CmdexecError as wrong:
            yield Fault(wrong.field or "WORK_DIR", wrong.message, wrong.mend or "")


def _worker(lifeline: Path | None, config: Path | None) -> "WithWorker":
    from cmdexec.server.run import WithWorker

    more = [] if lifeline is None else ["--lifeline", str(lifeline)]
    more += [] if config is None else ["--config", str(config)]
    return WithWorker(command=[*myself("worker", "--headless", "--allow-host", "--warned"), *more])


def _serve(loaded: Loaded[ServerSettings], with_worker: "WithWorker | None", lifeline: Path | None) -> int:
    import asyncio

    from cmdexec import log
    from cmdexec.cli.lifeline import hanging_on
    from cmdexec.runtime import system_runtime
    from cmdexec.server.run import serve as server

    settings, runtime = loaded.settings, system_runtime("server")
    log.set_up(runtime.clock, settings.log_level, settings.log_format)
    loaded.log_to(runtime.log)

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
    from cmdexec.server.reach import BEHIND_PROXY

    made = listening.made_admin
    if made is not None and made.password is not None:
        tell(f"The first user is {made.email}, password {made.password}. This is shown once; write it down.")
    sockets = f", for sockets alone at {listening.sockets_url}," if listening.sockets_url is not None else ""
    tell(f"The server listens at {listening.url}{sockets} and keeps its data in {folder}. Ctrl-C stops it.")
    if listening.others_url is not None and listening.others_url != listening.url:
        named = ", NAME being that of the proxy before it" if listening.others_url == BEHIND_PROXY else ""
        tell(f"Other machines reach it at {listening.others_url}{named}.")
