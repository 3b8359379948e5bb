"""Rules on the shape of the house: sizes, names, and what stands where."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.house.source import File, Finding, Rule

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
_BOUNDED = {".py", ".js", ".css", ".html", ".md", ".sql", ".sh", ".toml", ".cfg", ".yml", ".yaml"}
_NAMES_THAT_REFUSE_NOTHING = {"util", "utils", "manager", "managers", "helper", "helpers", "common", "misc"}
_TOP = {
    "cmdexec", "webui", "packaging", "tests", "docs",
    "setup.cfg", "pyproject.toml", "cmdexec.spec", "README.md", "LICENSE", "CHANGELOG.md",
}  # fmt: skip


def file_length(file: File) -> Iterator[Finding]:
    suffix = PurePosixPath(file.path).suffix
    grows = suffix == ".md" and (file.path.startswith("docs/") or file.path == "CHANGELOG.md")
    if suffix in _BOUNDED and not grows and len(file.lines) > MAX_FILE_LINES:
        yield len(file.lines), f"{len(file.lines)} lines"


def function_length(file: File) -> Iterator[Finding]:
    for node in file.nodes if file.is_python else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {length} lines"


def names_that_refuse_nothing(file: File) -> Iterator[Finding]:
    if not file.is_python:
        return
    for part in PurePosixPath(file.path).with_suffix("").parts:
        if bad := _NAMES_THAT_REFUSE_NOTHING & set(part.lower().split("_")):
            yield 1, f"{part} holds {sorted(bad)[0]}"


def module_docstrings(file: File) -> Iterator[Finding]:
    if file.is_python and ast.get_docstring(file.tree) is None:
        yield 1, "no docstring"


def top_level(file: File) -> Iterator[Finding]:
    first = file.path.partition("/")[0]
    if first not in _TOP and not first.startswith("."):
        yield 1, f"{first} stands at the top"


_UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")) + r")\b")


def unfinished(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if found := _UNFINISHED.search(line):
            yield number, found[1]


RULES = (
    Rule(file_length, f"Cut the file in two by subject; none is longer than {MAX_FILE_LINES} lines."),
    Rule(function_length, f"Cut the function; it fits a screen, at most {MAX_FUNCTION_LINES} lines."),
    Rule(names_that_refuse_nothing, "Name the module by what it holds; such a name refuses nothing, so it grows."),
    Rule(module_docstrings, "Say in the module's docstring, in a sentence or two, what it is for."),
    Rule(top_level, f"Put it under one of the top folders; at the top stand only {', '.join(sorted(_TOP))}."),
    Rule(unfinished, "Do it, or file an issue; the code holds no promises to itself."),
)
