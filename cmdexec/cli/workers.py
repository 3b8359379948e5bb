"""`cmdexec workers`: the machines that run jobs, and change of them."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from cmdexec.cli.caller import LINES_JSON, ONE_JSON, Caller, calls_server, json_option
from cmdexec.cli.colour import DIM, RED, in_colour
from cmdexec.cli.columns import Cell, Column, tabbed, table
from cmdexec.cli.facts import Fact, fact_lines
from cmdexec.cli.groups import LIST, Listed
from cmdexec.cli.printed import on_terminal, print_json, print_lines, width
from cmdexec.cli.told import tell
from cmdexec.errors import Refused

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.clock import Millis
    from cmdexec.protocol.requests import WorkerView

_COLUMNS = (
    Column("NAME", least=8), Column("STATE"), Column("BUSY"), Column("SEEN", drop=2),
    Column("LABELS", least=8, good=24, drop=3), Column("PLATFORM", drop=4), Column("ID", drop=5),
)  # fmt: skip


@click.group(cls=Listed)
def workers() -> None:
    """List the workers, or change one.

    WORKER is a name, an id, or the beginning of one.

    Example: `cmdexec workers drain w1`
    """


@workers.command(LIST)
@click.option("--all", "-a", "all_of_them", is_flag=True, help="Also those that were revoked.")
@json_option(LINES_JSON)
@calls_server
def list_workers(caller: Caller, all_of_them: bool, as_json: bool) -> None:
    """List the workers, as `cmdexec workers` does.

    Not on a terminal each worker is a line with tabs between name, state, running jobs, slots, the time at which it was
    last heard of, labels, platform and id. Such lines stay as they are from version to version.

    Example: `cmdexec workers --all`
    """

    async def listed(client: "Client") -> "tuple[WorkerView, ...]":
        return await client.workers()

    found = [one for one in caller.call(listed) if all_of_them or one.state != "revoked"]
    if as_json:
        print_json(*found)
        return
    now = caller.runtime.clock.now()
    if not on_terminal():
        print_lines(tabbed([_cells(one, now, apart=True) for one in found]))
    elif found:
        print_lines(_table(found, now))
    else:
        tell("There are no workers. `cmdexec join-token create` says how another machine becomes one.")


def _table(found: "list[WorkerView]", now: "Millis") -> list[str]:
    """Workers with a name that another has too are told apart by their ids; what troubles one is shown."""
    from cmdexec.cli.naming import short

    columns: tuple[Column, ...] = _COLUMNS
    names = [one.name for one in found]
    rows = [_cells(one, now) for one in found]
    if len(set(names)) < len(names):
        ids = [one.worker_id for one in found]
        columns = (Column("ID"), *columns[:-1])
        rows = [[Cell(short(one.worker_id, ids), style=DIM), *row[:-1]] for one, row in zip(found, rows, strict=True)]
    troubles = [Cell(_trouble(one), style=RED) for one in found]
    if any(one.shown for one in troubles):
        columns = (*columns, Column("TROUBLE", least=8))
        rows = [[*row, one] for row, one in zip(rows, troubles, strict=True)]
    if any(one.executors != ("process",) for one in found):
        columns = (*columns, Column("RUNS", drop=1))
        rows = [[*row, Cell(_runs(one), style=DIM)] for row, one in zip(rows, found, strict=True)]
    return table(columns, rows, width(), colour=in_colour(sys.stdout))


def _runs(worker: "WorkerView") -> str:
    """`processes, containers`"""
    return ", ".join({"process": "processes", "container": "containers"}.get(one, one) for one in worker.executors)


def _trouble(worker: "WorkerView") -> str:
    """What is wrong with it, as the server sees it, or as it said last: a full disk for example."""
    return worker.warning.message if worker.warning else str((worker.load or {}).get("trouble") or "")


def _cells(worker: "WorkerView", now: "Millis", *, apart: bool = False) -> list[Cell]:
    """A row; `apart`: running jobs and slots as two values."""
    from cmdexec.cli.described import STYLES
    from cmdexec.cli.worded import ago, millis

    running, seen = sum(job.status == "running" for job in worker.jobs), millis(worker.last_seen_at)
    busy = [Cell(str(running)), Cell(str(worker.slots))] if apart else [Cell(f"{running}/{worker.slots}")]
    return [
        Cell(worker.name),
        Cell(worker.state, style=STYLES.get(worker.state)),
        *busy,
        Cell("never" if seen is None else ago(seen, now), worker.last_seen_at or "", DIM),
        Cell(",".join(f"{key}={value}" for key, value in worker.labels.items())),
        Cell(worker.platform, style=DIM),
        Cell(worker.worker_id, style=DIM),
    ]


@workers.command()
@click.argument("name", metavar="WORKER")
@json_option(ONE_JSON)
@calls_server
def show(caller: Caller, name: str, as_json: bool) -> None:
    """Show all about a worker. WORKER is a name, an id, or the beginning of one.

    Example: `cmdexec workers show w1`
    """

    async def found(client: "Client") -> "WorkerView":
        from cmdexec.cli.naming import find_worker

        return await find_worker(client, name)

    worker = caller.call(found)
    if as_json:
        print_json(worker)
    else:
        facts = list(_facts(worker, caller.runtime.clock.now()))
        print_lines(fact_lines(facts, width(), colour=in_colour(sys.stdout)))


def _facts(worker: "WorkerView", now: "Millis") -> Iterator[Fact]:
    from cmdexec.cli.described import STYLES
    from cmdexec.cli.worded import ago, counted, local, millis, size

    seen = millis(worker.last_seen_at)
    yield "Worker", worker.name, None
    yield "Id", worker.worker_id, None
    yield "State", worker.state, STYLES.get(worker.state)
    if worker.executors:
        yield "Runs", _runs(worker), None
    if trouble := _trouble(worker):
        yield "Trouble", trouble, RED
        if worker.warning:
            yield "", worker.warning.mend, None
    yield "Seen", "never" if seen is None else f"{local(worker.last_seen_at)}, {ago(seen, now)}", None
    yield "Registered", local(worker.registered_at), None
    yield "Platform", f"{worker.platform}, cmdexec {worker.version}", None
    if worker.transport:
        yield "Connected", {"socket": "over a socket", "polling": "by requests"}.get(worker.transport, ""), None
    free = "" if worker.free_slots is None else f", {worker.free_slots} free"
    yield "Slots", f"{worker.slots}{free}", None
    parts = [] if worker.cpu is None else [f"{worker.cpu:g} cores"]
    parts += [] if worker.ram_mb is None else [f"{size(worker.ram_mb << 20)} of memory"]
    parts += [f"held by {worker.limits}"] if worker.limits and parts else []
    if parts:
        yield "For jobs", ", ".join(parts), None
    for place, (key, value) in enumerate(worker.labels.items()):
        yield "" if place else "Labels", f"{key}={value}", None
    for place, away in enumerate(reversed(worker.absences)):
        yield "" if place else "Away", f"{local(away.since)} – {local(away.until)}: {away.why}", None
    running = [job.job_id for job in worker.jobs if job.status == "running"]
    yield "Jobs", f"{counted(len(running), 'job')} running, {len(worker.jobs) - len(running)} waiting there", None
    for job_id in running:
        yield "", job_id, DIM


def _changed(caller: Caller, which: str, as_json: bool, said: str, **change: Any) -> None:
    """Change the worker of that name, and say `said` of it; its labels if that is empty."""

    async def change_it(client: "Client") -> "WorkerView":
        from cmdexec.cli.naming import find_worker
        from cmdexec.protocol.fleet import ChangeWorker

        worker = await find_worker(client, which)
        return await client.change_worker(ChangeWorker(worker_id=worker.worker_id, **change))

    _print(caller.call(change_it), as_json, said)


def _print(worker: "WorkerView", as_json: bool, said: str) -> None:
    if as_json:
        print_json(worker)
    else:
        tell(f"Worker {worker.name} {said or _labelled(worker)}")


def _labelled(worker: "WorkerView") -> str:
    labels = ", ".join(f"{key}={value}" for key, value in worker.labels.items())
    return f"has these labels now: {labels}." if labels else "has no labels now."


@workers.command()
@click.argument("name", metavar="WORKER")
@json_option(ONE_JSON)
@calls_server
def drain(caller: Caller, name: str, as_json: bool) -> None:
    """Give a worker no more jobs. Those that it runs go on.

    Example: `cmdexec workers drain w1`
    """
    _changed(caller, name, as_json, "gets no more jobs; `cmdexec workers resume` ends that.", draining=True)


@workers.command()
@click.argument("name", metavar="WORKER")
@json_option(ONE_JSON)
@calls_server
def resume(caller: Caller, name: str, as_json: bool) -> None:
    """Let a worker take jobs again.

    Example: `cmdexec workers resume w1`
    """
    _changed(caller, name, as_json, "takes jobs again.", draining=False)


@workers.command()
@click.argument("name", metavar="WORKER")
@click.argument("new_name", metavar="NAME")
@json_option(ONE_JSON)
@calls_server
def rename(caller: Caller, name: str, new_name: str, as_json: bool) -> None:
    """Give a worker another name.

    Example: `cmdexec workers rename w1 big-box`
    """
    _changed(caller, name, as_json, "has that name from now on.", name=new_name)

    async def of_that_name(client: "Client") -> "list[str]":
        return [one.worker_id for one in await client.workers() if one.name == new_name and one.state != "revoked"]

    if on_terminal() and len(alike := caller.call(of_that_name)) > 1:
        tell(f"Warning: {len(alike)} workers have that name now: {', '.join(alike)}. Name them by their ids.")


@workers.command()
@click.argument("name", metavar="WORKER")
@click.argument("labels", metavar="[KEY=VALUE...]", nargs=-1)
@click.option(
    "--reset",
    metavar="KEY",
    multiple=True,
    help="Take back what `label` gave, so that the worker's own value counts. May be given several times.",
)
@json_option(ONE_JSON)
@calls_server
def label(caller: Caller, name: str, labels: tuple[str, ...], reset: tuple[str, ...], as_json: bool) -> None:
    """Give a worker labels, by which jobs can ask for it, beside those it has. `KEY=` takes one away.

    Example: `cmdexec workers label w1 gpu=yes site=`
    """
    from cmdexec.cli.asked_labels import pairs

    if not labels and not reset:
        raise click.UsageError("There is no label. Write KEY=VALUE, or --reset KEY.")
    change: dict[str, str | None] = {**pairs(labels, "KEY=VALUE", empty=True)}
    _changed(caller, name, as_json, "", labels=change | dict.fromkeys(reset))


@workers.command()
@click.argument("name", metavar="WORKER")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option(ONE_JSON)
@calls_server
def revoke(caller: Caller, name: str, yes: bool, as_json: bool) -> None:
    """Shut a worker out for good, at once. Its jobs count as lost.

    Example: `cmdexec workers revoke w1`
    """

    async def find(client: "Client") -> "tuple[str, str]":
        from cmdexec.cli.naming import find_worker
        from cmdexec.cli.worded import counted
        from cmdexec.ids import is_id

        try:
            worker = await find_worker(client, name)
        except Refused as wrong:
            if wrong.code != "not_found" or not is_id(name):
                raise
            return name, f"{name}, which never came,"  # but may have joined, which the server knows
        running = sum(job.status == "running" for job in worker.jobs)
        said = f"{worker.name} ({worker.worker_id}), which runs {counted(running, 'job')},"
        return worker.worker_id, said

    worker_id, said = caller.call(find)
    if not yes:
        from cmdexec.cli.confirmed import confirm

        confirm(f"Shut out worker {said} for good?")

    async def shut_out(client: "Client") -> "WorkerView":
        return await client.revoke_worker(worker_id)

    _print(caller.call(shut_out), as_json, "is shut out for good.")
