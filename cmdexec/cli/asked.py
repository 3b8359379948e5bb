"""From what stands on the command line to the job that is asked for."""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from cmdexec.cli.asked_container import asked_container
from cmdexec.cli.job_options import JobOptions
from cmdexec.clock import Millis, rfc3339
from cmdexec.protocol.requests import RETRY_ON, NewJob
from cmdexec.settings.declare import Kind, Setting, Value
from cmdexec.settings.parse import parse, wanted

_DAY = 86400.0


def _duration(option: str, minimum: float, maximum: float) -> Setting:
    return Setting(option, Kind.DURATION, None, "", frozenset(), unit="s", minimum=minimum, maximum=maximum)


def _integer(option: str, minimum: float, maximum: float) -> Setting:
    return Setting(option, Kind.INTEGER, None, "", frozenset(), minimum=minimum, maximum=maximum)


_TIMEOUT = _duration("--timeout", 0.001, 366 * _DAY)
_KILL_GRACE = _duration("--kill-grace", 0, _DAY)
_TTL = _duration("--ttl", 0.001, 366 * _DAY)
_DELAY = _duration("--run-at", 0, 3660 * _DAY)
_CPU = Setting("--cpu", Kind.NUMBER, None, "", frozenset(), unit="cores", minimum=0.01, maximum=10_000)
_RAM = Setting("--ram", Kind.INTEGER, None, "", frozenset(), unit="MB", minimum=1, maximum=2**31 - 1,
               mend="Write 1MB or more, such as 512MB or 2GB; 1 MB is 2^20 bytes.")  # fmt: skip
_PRIORITY = _integer("--priority", -100, 100)
_RETRIES = _integer("--retries", 0, 100)
_REASONS = Setting("--retry-on", Kind.LIST, None, "", frozenset(), minimum=1, maximum=20)

_TIMES = "Write +90m, 18:00, 2027-01-31T18:00, or the last with Z at its end for UTC."
_OF_THE_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def asked_job(
    words: Sequence[str], options: JobOptions, *, environment: Mapping[str, str], now: Millis,
    stdin: bytes | None = None,
) -> NewJob:  # fmt: skip
    """The job. Raises click.BadParameter, which names the option.

    environment   that of this process, for variables that are named without a value
    now           what `--run-at` is counted from
    """
    ram_mb = _number(_RAM, options.ram)
    return NewJob(
        command=command(words),
        env=dict(_variable(one, environment) for one in options.env),
        name=options.name or None,
        timeout_sec=_number(_TIMEOUT, options.timeout),
        kill_grace_sec=_number(_KILL_GRACE, options.kill_grace),
        cpu=_number(_CPU, options.cpu),
        ram_mb=None if ram_mb is None else int(ram_mb),
        stdin=stdin,
        requires=_labels(options.requires),
        priority=int(_number(_PRIORITY, options.priority) or 0),
        max_retries=_retries(options),
        retry_on=_reasons(options.retry_on),
        on_lost=_on_lost(options.on_lost),
        run_at=None if options.run_at is None else _moment(options.run_at, now),
        ttl_sec=_number(_TTL, options.ttl),
        tags=tuple(_tag(one) for one in options.tag),
        **asked_container(options),
    )


def command(words: Sequence[str]) -> str | tuple[str, ...]:
    """Several words are a program and its arguments, exactly as typed, without a shell.

    A single word that a shell would not take for a plain one (`'echo a | wc -c'`) is a line for the shell.
    """
    if len(words) == 1 and shlex.quote(words[0]) != words[0] and words[0].strip():
        return words[0]
    return tuple(words)


def _variable(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """`A=b` as it is; `A` alone with the value that it has here."""
    name, equals, value = text.partition("=")
    if not name:
        raise click.BadParameter(f"{text!r} names no variable. Write NAME=VALUE.", param_hint="--env")
    if equals:
        return name, value
    if name not in environment:
        raise click.BadParameter(f"{name} is not set here. Set it, or write {name}=VALUE.", param_hint="--env")
    return name, environment[name]


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise click.BadParameter(f"{text!r} is no label with a value. Write KEY=VALUE.", param_hint="--requires")
    return name, value


def _labels(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in map(_label, texts):
        if found.setdefault(name, value) != value:
            raise click.BadParameter(
                f"{name} cannot be both {found[name]} and {value}. Write one of them.", param_hint="--requires"
            )
    return found


def _tag(text: str) -> str:
    if not text.strip():
        raise click.BadParameter("An empty text is no tag. Write a word.", param_hint="--tag")
    return text


def _retries(options: JobOptions) -> int:
    if options.retries is None and options.retry_on:
        raise click.BadParameter(
            "This says when to run it again, but not how often. Write also --retries N.", param_hint="--retry-on"
        )
    return int(_number(_RETRIES, options.retries) or 0)


def _reasons(texts: Sequence[str]) -> tuple[str, ...]:
    """`exit:75,oom`, or each of them by itself."""
    if not texts:
        return ()
    reasons = _parsed(_REASONS, ",".join(texts))
    found = tuple(str(one) for one in reasons) if isinstance(reasons, tuple) else ()
    for reason in found:
        if not re.match(RETRY_ON, reason):
            raise click.BadParameter(
                f"{reason!r} is no reason to run a job again. "
                "Write signal, timeout, oom, image, worker, exit, or exit:75 for that code.",
                param_hint="--retry-on",
            )
    return found


def _on_lost(text: str | None) -> Literal["hold", "requeue"]:
    match text:
        case None | "hold":
            return "hold"
        case "requeue":
            return "requeue"
        case _:
            raise click.BadParameter(f"{text!r} is none of the choices. Write hold or requeue.", param_hint="--on-lost")


def _moment(text: str, now: Millis) -> str | None:
    """As RFC 3339. A time without a zone is that of this machine; `18:00` is the next one."""
    if text.startswith("+"):
        return rfc3339(now + int(1000 * (_number(_DELAY, text[1:]) or 0.0)))
    here = datetime.fromtimestamp(now / 1000, UTC).astimezone()
    try:
        if clock := _OF_THE_DAY.fullmatch(text):
            moment = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0, tzinfo=None)
            while moment.astimezone() <= here:
                moment += timedelta(days=1)
        else:
            moment = datetime.fromisoformat(text)
        return rfc3339(int(moment.astimezone(UTC).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{text!r} is no time. {_TIMES}", param_hint="--run-at") from None


def _number(setting: Setting, text: str | None) -> float | None:
    value = None if text is None else _parsed(setting, text)
    return float(value) if isinstance(value, int | float) else None


def _parsed(setting: Setting, text: str) -> Value:
    try:
        return parse(setting, text)
    except ValueError as wrong:
        raise click.BadParameter(f"{wrong} {wanted(setting)}", param_hint=setting.name) from None
