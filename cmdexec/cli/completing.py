"""What Tab completes of values that are plain text to the program: files, the words of a choice, programs.

A shell asks seldom, so the options themselves know nothing of this: what completes them is put in when one does.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

_PATHS: Final[Mapping[str | None, str]] = {"FILE": "file", "PATH": "file", "FOLDER": "dir"}
"""How a value is called in help → what the shell completes it to."""

_WORDS: Final[Mapping[str | None, tuple[str, ...]]] = {
    "REASONS": ("signal", "timeout", "oom", "image", "worker", "exit"),
}
"""Values of which several stand with commas between them."""

_COMMAND = "words"
"""The parameter that is a command and its arguments."""


def completing(command: click.Command) -> None:
    """Have all parameters of `command`, and of those below it, complete what they can."""
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        completing(below)
    for parameter in command.params:
        kind = _kind(parameter)
        if kind is not None:
            parameter.type = kind


def _kind(parameter: click.Parameter) -> "_Text | None":
    if parameter.name == _COMMAND:
        return _Command()
    if isinstance(parameter.type, click.Choice):
        return None
    if parameter.metavar in _PATHS:
        return _Path(_PATHS[parameter.metavar])
    if parameter.metavar in _WORDS:
        return _Words(_WORDS[parameter.metavar])
    if isinstance(parameter, click.Option) and parameter.metavar and "|" in parameter.metavar:
        return _Words(tuple(parameter.metavar.split("|")))
    return None


class _Text(click.types.StringParamType):
    """Takes whatever is written."""


class _Path(_Text):
    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self._kind)]


class _Words(_Text):
    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{one}") for one in self._words if one.startswith(begun)]


class _Command(_Text):
    """First a program, then files; a path is a file from the beginning."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if ctx.params.get(param.name or "") or not incomplete or os.sep in incomplete:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in sorted(set(_programs(incomplete)))]


def _programs(begun: str) -> Iterator[str]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        with suppress(OSError):
            for file in Path(folder).iterdir() if folder else ():
                if file.name.startswith(begun) and os.access(file, os.X_OK):
                    yield file.name
