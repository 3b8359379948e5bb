"""`cmdexec doctor`: what is wrong with a server, and whether what it has stored is as it promises."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from cmdexec.cli.colour import GREEN, RED, in_colour, painted
from cmdexec.cli.options import config_option
from cmdexec.cli.printed import print_json, print_lines, width
from cmdexec.cli.told import printable, tell_warnings
from cmdexec.settings.load import load
from cmdexec.settings.server import ServerSettings

if TYPE_CHECKING:
    from cmdexec.admin.doctor.checks import Check
    from cmdexec.admin.doctor.recorded.verify import Judged
    from cmdexec.admin.doctor.verify import Found, Verified

WRONG = 3
"""What it ends with when all was looked at and something is not as it ought to be."""

_MARK = 6


@click.command(
    epilog=f"Ends with 0 when all is well, {WRONG} when something is not, and 1 when it could not be looked at."
)
@click.option("--verify", "verifies", is_flag=True, help="Go through all that is stored of jobs, their output too.")
@click.option(
    "--history",
    "histories",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="With --verify: go through what was recorded in this file instead, which gzip or xz may have packed. "
    "May be given several times.",
)
@click.option("--data-dir", metavar="TEXT", help="The server's data folder.")
@config_option("The server's settings file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(
    verifies: bool, histories: tuple[Path, ...], data_dir: str | None, config: Path | None, as_json: bool
) -> int:
    """See what is wrong with a server: its settings, folder, disk, store, and whether it answers.

    With --verify: whether what is stored can have come about as cmdexec promises: each job ended once and as its
    attempt did, its attempts rise, and all of its output is there, with the digest that its worker named.

    With --history: whether what the fault tests recorded can have: what was submitted, what was answered, what the
    jobs themselves wrote down, and what was stored in the end. No server and no store is needed for it.

    Otherwise it reads alone, on the server's machine and as its user, while the server runs or not. Settings are those
    that `serve` would find.

    Example: `cmdexec doctor --verify`
    """
    if histories:
        if not verifies:
            raise click.UsageError("--history says what --verify goes through; add --verify.")
        return _judged(histories, as_json)
    loaded = load(ServerSettings, flags={"data_dir": data_dir}, config=config)
    tell_warnings(loaded.warnings)
    return asyncio.run(_verified(loaded.settings, as_json) if verifies else _checked(loaded.settings, as_json))


async def _checked(settings: ServerSettings, as_json: bool) -> int:
    from cmdexec.admin.doctor.checks import checks
    from cmdexec.runtime import system_runtime

    runtime, well = system_runtime("doctor"), True
    try:
        async for check in checks(settings, runtime):
            well &= check.well
            if as_json:
                print_json({"name": check.name, "ok": check.well, "says": check.says, "mend": check.mend})
            else:
                print_lines(_shown(check))
    finally:
        runtime.threads.close()
    return 0 if well else WRONG


def _shown(check: "Check") -> Iterator[str]:
    mended = f" {check.mend}" if check.mend and not check.well else ""
    yield from _marked(check.well, f"{check.says}{mended}")


def _marked(well: bool, text: str) -> Iterator[str]:
    mark, style = ("ok", GREEN) if well else ("wrong", RED)
    first, *others = _indented(text)
    shown = painted(mark, style) if in_colour(sys.stdout) else mark
    yield f"{shown}{first[len(mark) :]}"
    yield from others


def _indented(text: str) -> list[str]:
    """In lines below the text of marked ones; no word of it is broken: it may be a path, or an id."""
    lines = wrap(printable(text), max(width() - _MARK, 20), break_long_words=False, break_on_hyphens=False)
    return [f"{' ' * _MARK}{line}" for line in lines]


async def _verified(settings: ServerSettings, as_json: bool) -> int:
    from cmdexec.admin.doctor.opened import open_inspection
    from cmdexec.admin.doctor.verify import verify
    from cmdexec.runtime import system_runtime

    runtime = system_runtime("doctor")
    try:
        store = await open_inspection(settings, runtime, whole=True)
        try:
            found = await verify(store, _progress if sys.stderr.isatty() else lambda _done, _of: None)
        finally:
            await store.close()
    finally:
        runtime.threads.close()
    if as_json:
        print_json(_as_json(found))
    else:
        print_lines(_told(found))
    return 0 if found.well else WRONG


def _progress(done: int, of: int) -> None:
    """On the line that the next one writes over."""
    sys.stderr.write(f"\r{done:,} of {max(done, of):,} jobs\x1b[K\r")
    sys.stderr.flush()


def _judged(histories: tuple[Path, ...], as_json: bool) -> int:
    from cmdexec.admin.doctor.recorded.verify import judge

    found = judge(histories)
    if as_json:
        counted = {"cases": found.cases, "jobs": found.jobs, "calls": found.calls}
        print_json({"ok": found.well, **counted, "rules": _rules_as_json(found.found)})
    else:
        print_lines(_told_of_histories(found))
    return 0 if found.well else WRONG


def _told_of_histories(found: "Judged") -> Iterator[str]:
    yield from _told_rules(found.found)
    said = f"{found.cases:,} cases with {found.jobs:,} jobs and {found.calls:,} calls were looked at."
    yield from wrap(said, width())


def _told(found: "Verified") -> Iterator[str]:
    yield from _told_rules(found.found)
    over = f", {found.passed_over:,} changed too fast to be seen" if found.passed_over else ""
    yield from wrap(f"{found.jobs:,} jobs and {found.bytes:,} bytes of output were looked at{over}.", width())


def _told_rules(found: "tuple[Found, ...]") -> Iterator[str]:
    for one in found:
        yield from _marked(not one.wrong, f"{one.says} ({one.name})")
        for job_id, sentence in one.told:
            yield from _indented(f"{job_id or 'all jobs'}: {sentence}")
        if one.wrong > len(one.told):
            yield from _indented(f"and {one.wrong - len(one.told):,} more")


def _as_json(found: "Verified") -> dict[str, Any]:
    return {
        "ok": found.well, "jobs": found.jobs, "passedOver": found.passed_over, "outputBytes": found.bytes,
        "rules": _rules_as_json(found.found),
    }  # fmt: skip


def _rules_as_json(found: "tuple[Found, ...]") -> list[dict[str, Any]]:
    return [
        {
            "name": one.name, "says": one.says, "ok": not one.wrong, "wrong": one.wrong,
            "found": [{"jobId": job_id, "message": sentence} for job_id, sentence in one.told],
        }
        for one in found
    ]  # fmt: skip
