"""One command for many items: a template, and what stands in its places.

A line for the shell is read as POSIX has it (Shell Command Language, 2.2 Quoting, 2.3 Token Recognition), so that text
is put only where quoting it makes one word of it, and nothing that it holds is run. Where that is not certain it is
refused.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from os import PathLike, fspath

Command = str | Sequence[str]
"""A line for the shell, or a program and its arguments without one."""

Item = str | int | float | PathLike[str] | Mapping[str, object]
"""What stands in a place of a template: as text, or by name."""

_PLACE = re.compile(r"\{(\w*)\}")
_NUMBER = re.compile(r"[\w.+-]+", re.ASCII)
"""Nothing that means anything to a shell, within quotes or without."""

_PARTS = re.compile(
    r"""
      (?P<escaped>  (?<=[\ \t])\\\n | \\[^\n] (?!(?<=[\s;&|()<>])\#) )
    | (?P<quoted>   '[^']*' | "(?: [^"\\`$] | \\[^\n] | \$\{[^{}'"`\\$]*\} | \$(?![({\[\\]) )*" )
    | (?P<variable> \$\{[^{}'"`\\$]*\} | \$[\w@*#?$!-] | \$\((?!\() )
    | (?P<comment>  (?:^|(?<=[\s;&|()<>])) \#[^\n]* )
    | (?P<unsure>   [\\'"`] | \$[({\['"\\] | <<  | \(\( )
    | (?P<other>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Behind `unsure` no more is said of what is quoted: it depends on the shell, or takes more than this to tell."""

_AS_ARGUMENT = """hand it to a script as an argument: ["sh", "-c", 'echo "$1"', "sh", "{}"]."""
_WHERE = {
    "quoted": "within quotes. Take them away there: it is quoted as a whole.",
    "comment": "in a comment. Take it out of there.",
    "escaped": "behind a backslash. Take that away: it is quoted anyway.",
    "variable": "behind a `$`. Take that away.",
    "unsure": f"behind something after which nobody can quote it for certain. Write it before, or {_AS_ARGUMENT}",
}


def filled(template: Command, item: Item) -> Command:
    """`template` with `item` in its places: `{}`, or `{name}` of a mapping.

    In a line for the shell text is quoted, so that it is one word there whatever it holds; numbers stand anywhere.
    Other braces stay as they are. Raises ValueError if there is no place for it, if there is one that it has nothing
    for, or where it cannot be quoted, as within quotes; TypeError for what is neither text nor number.
    """
    values = _values(item)
    if isinstance(template, str):
        line = _Line(template, values)
        made: Command = line.made()
        used = line.used
    else:
        found = [_word(word, values, template) for word in template]
        made, used = [word for word, _ in found], any(used for _, used in found)
    if not used:
        places = " or ".join(f"{{{name}}}" for name in values) or "{}"
        raise ValueError(f"The template {template!r} has no place for the item: write {places} into it.")
    return made


def _values(item: Item) -> Mapping[str, object]:
    values = dict(item) if isinstance(item, Mapping) else {"": item}
    for name, value in values.items():
        if value is None or isinstance(value, bytes | bytearray | memoryview):
            kind = "None" if value is None else f"of type {type(value).__name__}"
            named = f"The item's `{name}`" if name else "An item"
            raise TypeError(f"{named} is {kind}. Give text or a number.")
    return values


def _word(word: str, values: Mapping[str, object], template: Command) -> tuple[str, bool]:
    """A word with its places filled, and whether it had any."""
    used = False

    def value(place: re.Match[str]) -> str:
        nonlocal used
        if place[1] in values:
            used = True
            return _text(values[place[1]])
        if place.start() == 0 or word[place.start() - 1] != "$":
            _has_a_value(place[1], values, template)
        return place[0]

    return _PLACE.sub(value, word), used


class _Line:
    """A line for the shell. `used`: whether anything of the item stands in it."""

    def __init__(self, template: str, values: Mapping[str, object]) -> None:
        self._template = template
        self._values = values
        self.used = False

    def made(self) -> str:
        made: list[str] = []
        at, line = 0, self._template
        while at < len(line):
            place = _PLACE.match(line, at)
            if place is not None:
                made.append(self._placed(place, "unquoted"))
                at = place.end()
                continue
            part = _PARTS.match(line, at)
            if part is None:
                raise AssertionError("any character is a part")
            kind = str(part.lastgroup)
            end = len(line) if kind == "unsure" else part.end()
            if kind == "escaped" and (place := _PLACE.match(line, at + 1)):
                end = place.end()
            made.append(line[at:end] if kind == "other" else self._within(line[at:end], kind))
            at = end
        return "".join(made)

    def _within(self, part: str, kind: str) -> str:
        return _PLACE.sub(lambda place: self._placed(place, kind), part)

    def _placed(self, place: re.Match[str], kind: str) -> str:
        name = place[1]
        if name not in self._values:
            if kind == "unquoted":
                _has_a_value(name, self._values, self._template)
            return place[0]
        self.used = True
        value = self._values[name]
        text = _text(value)
        if kind == "unquoted":
            return shlex.quote(text)
        number = isinstance(value, int | float) and _NUMBER.fullmatch(text) is not None
        if number and kind not in ("escaped", "variable"):
            return text
        raise ValueError(f"In the template {self._template!r} the place {place[0]} stands {_WHERE[kind]}")


def _has_a_value(name: str, values: Mapping[str, object], template: Command) -> None:
    """`{}` may be meant for a program, as xargs, where the item is a mapping; so may names where it is none."""
    if name and "" not in values:
        raise ValueError(
            f"The template {template!r} has a place {{{name}}}, and the item only {', '.join(values) or 'nothing'}. "
            f"Give it a value; where the braces themselves are meant, {{{name}}}."
        )


def _text(value: object) -> str:
    return fspath(value) if isinstance(value, PathLike) else str(value)
