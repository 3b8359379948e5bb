"""Jobs as programs write them down: a command and what it needs, or one command for many items."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike, fspath
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from cmdexec.clock import rfc3339
from cmdexec.protocol.requests import BackoffSec, NewJob

Command = str | Sequence[str]
"""A line for the shell, or a program and its arguments without one."""

Item = str | int | float | PathLike[str] | Mapping[str, object]
"""What stands in a place of a template: as text, or by name."""

BATCH_JOBS = 1000
BATCH_BYTES = 6 << 20
"""The most that one call submits: a server takes 1,000 jobs of 8 MiB."""

_PLACE = re.compile(r"\{(\w*)\}")


class Fields(TypedDict, total=False):
    """What a job may ask for beside its command: the fields of `NewJob`, with friendlier types where there are any."""

    env: Mapping[str, str]
    name: str | None
    timeout_sec: float | None
    kill_grace_sec: float | None
    cpu: float | None
    ram_mb: int | None
    stdin: bytes | str | None
    requires: Mapping[str, str]
    priority: int
    max_retries: int
    retry_on: Sequence[str]
    backoff: BackoffSec
    on_lost: Literal["hold", "requeue"]
    max_lost: int
    run_at: datetime | str | None
    ttl_sec: float | None
    tags: Sequence[str]


def new_job(command: Command, **fields: Unpack[Fields]) -> NewJob:
    """The job of that command.

    `stdin` as text goes in UTF-8; `run_at` as RFC 3339, or as a datetime, which without a zone is of this machine.
    """
    given: dict[str, Any] = dict(fields)
    for name, kind in (("env", dict), ("requires", dict), ("retry_on", tuple), ("tags", tuple)):
        if name in given:
            given[name] = kind(given[name])
    if isinstance(given.get("stdin"), str):
        given["stdin"] = given["stdin"].encode()
    if isinstance(given.get("run_at"), datetime):
        given["run_at"] = rfc3339(int(given["run_at"].astimezone(UTC).timestamp() * 1000))
    return NewJob(command=command if isinstance(command, str) else tuple(command), **given)


def filled(template: Command, item: Item) -> Command:
    """`template` with `item` in its places: `{}`, or `{name}` of a mapping.

    In a line for the shell the item is quoted, so that it is one word there whatever it holds; other braces stay as
    they are. Raises ValueError if there is no place for it.
    """
    values = {"": item} if not isinstance(item, Mapping) else dict(item)
    used = False

    def value(place: re.Match[str]) -> str:
        nonlocal used
        if place[1] not in values:
            return place[0]
        used = True
        found = values[place[1]]
        text = fspath(found) if isinstance(found, PathLike) else str(found)
        return shlex.quote(text) if isinstance(template, str) else text

    made: Command = (
        _PLACE.sub(value, template) if isinstance(template, str) else [_PLACE.sub(value, word) for word in template]
    )
    if not used:
        places = " or ".join(f"{{{name}}}" for name in values) or "{}"
        raise ValueError(f"The template {template!r} has no place for the item: write {places} into it.")
    return made


def batches(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """The same jobs in lists that a server takes in one call."""
    batch: list[NewJob] = []
    size = 0
    for job in jobs:
        length = len(msgspec.json.encode(job))
        if batch and (len(batch) >= BATCH_JOBS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += length + 1
    if batch:
        yield batch
