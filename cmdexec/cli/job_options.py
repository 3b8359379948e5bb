"""The options that say what a job is and what it needs, the same for every command that submits one."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What was written, as it was written: `cli.asked` makes a job of it. None and () are: not given."""

    timeout: str | None = None
    kill_grace: str | None = None
    cpu: str | None = None
    ram: str | None = None
    env: tuple[str, ...] = ()
    name: str | None = None
    requires: tuple[str, ...] = ()
    priority: str | None = None
    retries: str | None = None
    retry_on: tuple[str, ...] = ()
    on_lost: str | None = None
    run_at: str | None = None
    ttl: str | None = None
    tag: tuple[str, ...] = ()
    image: str | None = None
    network: str | None = None
    pull: str | None = None
    user: str | None = None


_OPTIONS = (
    click.option("--timeout", metavar="DURATION", help="End the command after so long: 10, 90s, 5m. [default: never]"),
    click.option("--kill-grace", metavar="DURATION", help="How long it has to end when it is told to. [default: 10s]"),
    click.option("--cpu", metavar="CORES", help="The part of the worker that it gets: 2, 0.5. [default: what is free]"),
    click.option("--ram", metavar="SIZE", help="The memory that it gets: 512MB, 2GB. [default: what is free]"),
    click.option("--env", "-e", metavar="NAME[=VALUE]", multiple=True,
                 help="A variable of it; without VALUE, as here. May be given several times."),
    click.option("--name", metavar="TEXT", help="A name that people see."),
    click.option("--requires", "-r", metavar="KEY=VALUE", multiple=True,
                 help="Only a worker with this label runs it. May be given several times: all have to hold."),
    click.option("--priority", metavar="INTEGER", help="From -100 to 100; higher ones start first. [default: 0]"),
    click.option("--retries", metavar="N", help="How often it is run again when it fails. [default: 0]"),
    click.option("--retry-on", metavar="REASONS", multiple=True,
                 help="Run it again only for these: signal, timeout, oom, image, worker, exit, or exit:75 for that "
                      "code; several with commas between them. [default: each of them]"),
    click.option("--on-lost", metavar="hold|requeue",
                 help="When its worker is not heard of any more: wait for it (hold), or run the job elsewhere, though "
                      "it may run twice (requeue). [default: hold]"),
    click.option("--run-at", metavar="TIME",
                 help="Start it then and not before: +90m, 18:00, 2027-01-31T18:00, with Z for UTC. [default: now]"),
    click.option("--ttl", metavar="DURATION",
                 help="Give it up if it has not started within so long: 10m, 2h. [default: never]"),
    click.option("--tag", metavar="TEXT", multiple=True, help="A word to find it by. May be given several times."),
    click.option("--image", metavar="IMAGE", help="Run it in a container of this image: alpine:3.20. [default: none]"),
    click.option("--network", metavar="none|bridge",
                 help="With --image: the container's network; bridge is the engine's default one, where the worker "
                      "allows that. [default: none]"),
    click.option("--pull", metavar="missing|always|never",
                 help="With --image: when the worker fetches it from its registry. [default: missing]"),
    click.option("--user", metavar="UID[:GID]",
                 help="With --image: who it is in the container. [default: as the worker is set, never root]"),
)  # fmt: skip

_NAMES = tuple(field.name for field in fields(JobOptions))


def job_options(command: F) -> F:
    """Add all of them; the command gets them as one parameter, `options`."""

    @wraps(command)
    def with_options(*args: Any, **given: Any) -> Any:
        options = JobOptions(**{name: given.pop(name) for name in _NAMES})
        return command(*args, options=options, **given)

    added: Any = with_options
    for option in reversed(_OPTIONS):
        added = option(added)
    return added  # type: ignore[no-any-return]
