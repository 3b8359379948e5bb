"""`cmdexec bench`: how fast this is on this machine."""

import json
import shutil
from pathlib import Path

import click

from cmdexec.admin.bench.registry import BY_NAME, PARTS, WORKLOADS
from cmdexec.bundle import in_bundle
from cmdexec.cli.told import tell
from cmdexec.errors import Refused

MISSED = 3
"""What it ends with when all was measured and something is not as it must be."""

_NAMES = ", ".join(workload.name for workload in WORKLOADS)


@click.command(
    epilog=f"Ends with 0 when all is as it must be, {MISSED} when it was measured and something is not (never with "
    "--quick), 1 when something could not be measured or a job's output was wrong."
)
@click.option("--only", metavar="W1,W2", help=f"These workloads alone: {_NAMES}.")
@click.option("--pairs", type=click.IntRange(1, 99), default=7, help="Runs, each between two floors. [default: 7]")
@click.option(
    "--slots", type=click.IntRange(1, 16), metavar="N", default=16,
    help="How many short jobs run at once, in W1, W4 and W9; at most 16. [default: 16]",
)  # fmt: skip
@click.option(
    "--dir", "folder", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Where data lies meanwhile. [default: the disk of the server's data folder]",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Little of everything, to see that all works; the figures mean nothing.")
@click.option("--full", is_flag=True, help="Ten times the jobs of W4 and the workers of W5; takes long.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@click.option("--part", hidden=True, type=click.Choice(sorted(PARTS)))
def bench(
    only: str | None, pairs: int, slots: int, folder: Path | None, quick: bool, full: bool, as_json: bool,
    part: str | None,
) -> int:  # fmt: skip
    """Measure how fast cmdexec is on this machine, as ratios to what the bare machine does.

    Servers and workers are started as they are shipped, on fresh data folders that are deleted afterwards. Each run
    stands between two of a floor: the same done without cmdexec. The machine should be idle otherwise. All of it takes
    about a quarter of an hour.

    Example: `cmdexec bench --only W1,W2`
    """
    if part is not None:
        from cmdexec.admin.bench.parts import run_part

        run_part(part)
        return 0
    names = _chosen(only)
    told = _measured(names, pairs=1 if quick else pairs, slots=slots, folder=folder, quick=quick, full=full)
    from cmdexec.admin.bench.run import missed
    from cmdexec.admin.bench.shown import table

    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(table(told, shutil.get_terminal_size().columns))
    misses = missed(told)
    if quick or not misses:
        return 0
    tell(f"Not as it must be: {', '.join(misses)}.")
    return MISSED


def _chosen(only: str | None) -> list[str]:
    if only is None:
        return list(BY_NAME)
    by_folded = {name.lower(): name for name in BY_NAME}
    asked = [word.strip().lower() for word in only.split(",") if word.strip()]
    for word in asked:
        if word not in by_folded:
            raise click.BadParameter(f"There is no workload {word!r}; there are {_NAMES}.", param_hint="--only")
    if not asked:
        raise click.BadParameter(f"Name at least one of {_NAMES}.", param_hint="--only")
    return [by_folded[word] for word in asked]


def _measured(
    names: list[str], *, pairs: int, slots: int, folder: Path | None, quick: bool, full: bool
) -> dict[str, dict[str, object]]:
    import asyncio

    if in_bundle():
        raise Refused(
            "not_provided", "A bundle cannot measure: some of what is measured runs this program's Python.",
            mend="Measure with an installation: pip install cmdexec.",
        )  # fmt: skip
    from cmdexec.admin.bench.run import measure_all
    from cmdexec.admin.bench.setting import Bench, Plan
    from cmdexec.admin.bench.system import data_disk
    from cmdexec.cli.lifeline import Lifeline
    from cmdexec.cli.myself import myself
    from cmdexec.runtime import system_runtime
    from cmdexec.settings.load import make
    from cmdexec.settings.server import ServerSettings

    if folder is not None and not folder.is_dir():
        raise click.BadParameter(f"{folder} is not a folder.", param_hint="--dir")
    where = data_disk(make(ServerSettings).data_dir) if folder is None else folder.absolute()
    runtime = system_runtime("bench", threads=2)
    plan = Plan(where, pairs=pairs, slots=slots, quick=quick, full=full)
    measured = Bench(plan, runtime, myself, Lifeline, tell)
    return asyncio.run(measure_all(measured, names))
