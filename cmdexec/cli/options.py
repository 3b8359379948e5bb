"""Options made from the declarations of the settings, so that none is missing and every fault reads the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cmdexec.settings.declare import Side
from cmdexec.settings.flags import flags

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(side: Side, **means: str) -> Callable[[F], F]:
    """An option for each setting of `side` that has a flag; what was not given is None.

    means   by parameter: what to say of a setting that means something else to this command
    """

    def add(command: F) -> F:
        for flag in reversed(flags(side)):
            said = means.get(flag.parameter, flag.help)
            if flag.switch:
                option = click.option(flag.option, flag.parameter, default=None, help=said)
            else:
                option = click.option(flag.option, flag.parameter, metavar=flag.metavar, help=said)
            command = option(command)
        return command

    return add


def config_option(means: str) -> Callable[[F], F]:
    """`--config`, which gives the parameter `config` an absolute path, or None; an empty text counts as not given."""
    return click.option("--config", metavar="FILE", callback=lambda _ctx, _option, text: _path(text), help=means)


def _path(text: str | None) -> Path | None:
    if not text:
        return None
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        return Path(text).absolute()
