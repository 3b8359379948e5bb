"""Options made from the declarations of the settings, so that none is missing and every fault reads the same."""

from collections.abc import Callable
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
