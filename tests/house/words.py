"""Rules on words: nothing in the repository speaks of where and how it was written, or of one machine.

The words are put together from pieces, so that this file does not hold what it forbids.
"""

import re
from collections.abc import Iterator

from tests.house.source import File, Finding, Rule


def _any_of(*pieces: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])(" + "|".join("".join(parts) for parts in pieces) + ")", re.IGNORECASE)


_AUTHORS = _any_of(
    ("cla", "ude"), ("anth", "ropic"), ("chat", "gpt"), ("open", "ai"), ("co", "pilot"), ("language ", "model"),
    ("ll", "ms?(?![a-z])"), ("coding[ -]?", "agent"), ("sub", "agent"), ("ai[ -]", "assistant"),
    ("ai[ -]", "generated"), ("generated ", "by ai"), ("co-authored", "-by"), ("context ", "window"),
)  # fmt: skip
_PLACES = _any_of(
    ("working ", "session"), ("session of the ", "project"), ("work", "place"), ("brief", r"\.md"), ("your ", "brief"),
    ("another ", "engineer"), ("other ", "engineers"),
)  # fmt: skip
_FOLDERS = ("wo" + "rk", "ro" + "ot", "ho" + r"me/\w+", "Us" + r"ers/\w+", "tmp/" + "brief")
_PATHS = re.compile(r"(?<![\w.{}~-])/(" + "|".join(_FOLDERS) + r")(?![\w-])")
_HOSTS = _any_of(
    ("py", r"pi\.org"), ("python", "hosted"), ("registry", r"\.npmjs"), ("proxy", r"\.golang"), 
    ("--index", "-url"), ("extra-index", "-url"), ("pip_", "index"), ("arti", "factory"), ("trusted", "-host"),
)  # fmt: skip


def _lines_with(pattern: re.Pattern[str], file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if found := pattern.search(line):
            yield number, found[0]


def no_word_of_who_wrote_it(file: File) -> Iterator[Finding]:
    yield from _lines_with(_AUTHORS, file)


def no_word_of_where_it_was_written(file: File) -> Iterator[Finding]:
    yield from _lines_with(_PLACES, file)


def no_path_of_a_machine(file: File) -> Iterator[Finding]:
    yield from _lines_with(_PATHS, file)


def no_registry(file: File) -> Iterator[Finding]:
    yield from _lines_with(_HOSTS, file)


RULES = (
    Rule(no_word_of_who_wrote_it, "Say what the code does; tools that helped to write it are no part of it."),
    Rule(no_word_of_where_it_was_written, "Say what the code does; how the work was shared out is no part of it."),
    Rule(no_path_of_a_machine, "Make the path from a setting, a temporary folder or the file's own place."),
    Rule(no_registry, "Leave where packages come from to the user's own configuration."),
)
