"""Jobs as programs write them down: a command and what it needs."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike, fspath
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from cmdexec.client.template import Command
from cmdexec.clock import rfc3339
from cmdexec.errors import Refused
from cmdexec.protocol.requests import STDIN_MAX, BackoffSec, NewJob

_HERE = {
    field.encode_name: field.name
    for kind in (NewJob, BackoffSec) for field in msgspec.structs.fields(kind) if field.encode_name != field.name
}  # fmt: skip
_OF_THE_API = re.compile(rf"\b({'|'.join(_HERE)})\b")

BATCH_JOBS = 1000
BATCH_BYTES = 6 << 20
"""The most that one call submits: a server takes 1,000 jobs of 8 MiB."""


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
    container_image: str | None
    network: Literal["none", "bridge"] | None
    pull: Literal["missing", "always", "never"] | None
    user: str | None


def new_job(command: Command, **fields: Unpack[Fields]) -> NewJob:
    """The job of that command.

    `stdin` as text goes in UTF-8; `run_at` as RFC 3339, or as a datetime, which without a zone is of this machine.
    Raises TypeError for what is of another type and would be taken for something else, ValueError for numbers that are
    none, and Refused for more standard input than a job may be given.
    """
    given: dict[str, Any] = dict(fields)
    for name, value in given.items():
        _finite(name, value)
    for name in ("retry_on", "tags"):
        if isinstance(given.get(name), str | bytes):
            raise TypeError(f"{name} is one text. Write a list of texts: {name}=[{given[name]!r}].")
    for name, kind in (("env", dict), ("requires", dict), ("retry_on", tuple), ("tags", tuple)):
        if name in given:
            given[name] = kind(given[name])
    if isinstance(given.get("stdin"), str):
        given["stdin"] = given["stdin"].encode()
    if isinstance(given.get("stdin"), bytes) and len(given["stdin"]) > STDIN_MAX:
        raise Refused(
            "invalid_field",
            f"`stdin` is {len(given['stdin']):,} bytes long, and a job may be given {STDIN_MAX:,} at most.",
            field="stdin", mend="Have the job read it from a place of its own.",
        )  # fmt: skip
    if isinstance(given.get("run_at"), datetime):
        given["run_at"] = rfc3339(int(given["run_at"].astimezone(UTC).timestamp() * 1000))
    return NewJob(command=_command(command), **given)


def _finite(name: str, value: object) -> None:
    """JSON has no such numbers, and what it would have in their place means that there is no bound."""
    if isinstance(value, BackoffSec):
        _finite(f"{name}.first_sec", value.first_sec)
        _finite(f"{name}.max_sec", value.max_sec)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}. Give a number, or leave it out.")


def _command(command: object) -> str | tuple[str, ...]:
    if isinstance(command, str):
        return command
    if isinstance(command, Sequence) and not isinstance(command, bytes | bytearray | memoryview):
        words = tuple(fspath(word) if isinstance(word, PathLike) else word for word in command)
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"The command's word {word!r} is of type {type(word).__name__}. Write text.")
        return words
    raise TypeError(
        f"A command of type {type(command).__name__} is none. Write text, a line for the shell, or a list of texts."
    )


def said_of_fields(wrong: Refused) -> Refused:
    """The same with the fields of a job as they are called here: `ram_mb` for `ramMb`."""
    message, field = _OF_THE_API.sub(_called, wrong.message), wrong.field
    return Refused(wrong.code, message, field=field and _OF_THE_API.sub(_called, field), mend=wrong.mend)


def _called(found: re.Match[str]) -> str:
    return _HERE[found[0]]


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
