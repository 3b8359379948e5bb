"""From what stands on the command line to the job that is asked for."""

import shlex
from collections.abc import Mapping, Sequence

import click

from cmdexec.protocol.requests import NewJob
from cmdexec.settings.declare import Kind, Setting
from cmdexec.settings.parse import parse, wanted

_DAY = 86400.0
_MB = 1 << 20


def _duration(option: str, minimum: float, maximum: float) -> Setting:
    return Setting(option, Kind.DURATION, None, "", frozenset(), unit="s", minimum=minimum, maximum=maximum)


_TIMEOUT = _duration("--timeout", 0.001, 366 * _DAY)
_KILL_GRACE = _duration("--kill-grace", 0, _DAY)
_CPU = Setting("--cpu", Kind.NUMBER, None, "", frozenset(), unit="cores", minimum=0.01, maximum=10_000)
_RAM = Setting("--ram", Kind.SIZE, None, "", frozenset(), unit="bytes", minimum=_MB, maximum=(2**31 - 1) * _MB)


def asked_job(
    words: Sequence[str], *, environment: Mapping[str, str], env: Sequence[str] = (), timeout: str | None = None,
    kill_grace: str | None = None, cpu: str | None = None, ram: str | None = None, name: str | None = None,
) -> NewJob:  # fmt: skip
    """The job. Raises click.BadParameter, which names the option. `environment`: that of this process."""
    ram_bytes = _number(_RAM, ram)
    return NewJob(
        command=command(words),
        env=dict(_variable(one, environment) for one in env),
        name=name,
        timeout_sec=_number(_TIMEOUT, timeout),
        kill_grace_sec=_number(_KILL_GRACE, kill_grace),
        cpu=_number(_CPU, cpu),
        ram_mb=None if ram_bytes is None else -int(-ram_bytes // _MB),
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


def _number(setting: Setting, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = parse(setting, text)
    except ValueError as wrong:
        raise click.BadParameter(f"{wrong} {wanted(setting)}", param_hint=setting.name) from None
    return float(value) if isinstance(value, int | float) else None
