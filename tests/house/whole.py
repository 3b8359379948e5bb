"""Rules on the whole: what is declared is used, and what is used is declared."""

import ast
import re
from collections.abc import Iterable, Iterator, Set

from cmdexec.errors import CODES
from cmdexec.settings.load import DECLARED
from tests.house.source import File, last_name

_TEST = re.compile(r"`(tests/[\w/]+\.py)`")
_ERRORS = {"CmdexecError", "Refused", "Conflict", "Unavailable"}


def fields_used(files: Iterable[File]) -> set[str]:
    """The settings that something reads: code outside `settings/`, as attributes of what is called `…settings`, there
    also by way of a property of the settings; and the checks, by `values.get(field)`."""
    used, behind = set(), dict[str, set[str]]()
    for file in files:
        if not file.is_product:
            continue
        if not file.path.startswith("cmdexec/settings/"):
            used |= {
                node.attr
                for node in file.nodes
                if isinstance(node, ast.Attribute) and last_name(node.value).endswith("settings")
            }
        elif file.path.endswith("_checks.py"):
            used |= {field for call, _ in file.calls() if last_name(call.func) == "get" for field in _texts(call.args)}
        else:
            behind |= _properties(file)
    return used.union(*(fields for name, fields in behind.items() if name in used))


def _texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _properties(file: File) -> dict[str, set[str]]:
    """Each property → the fields that it reads."""
    return {
        node.name: {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
        for node in file.nodes
        if isinstance(node, ast.FunctionDef) and any(last_name(mark) == "property" for mark in node.decorator_list)
    }


def settings_without_use(files: Iterable[File]) -> list[str]:
    """The names of declared settings that nothing reads."""
    used = fields_used(files)
    return sorted({one.name for declared in DECLARED.values() for one in declared if one.field not in used})


def codes_raised(file: File) -> Iterator[tuple[int, str]]:
    """The codes of errors that are made with a plain text as code."""
    for call, _ in file.calls():
        code = call.args[0] if call.args else None
        if last_name(call.func) in _ERRORS and isinstance(code, ast.Constant) and isinstance(code.value, str):
            yield call.lineno, code.value


def undeclared_codes(files: Iterable[File]) -> list[str]:
    """Each place where an error is made with a code that `errors.CODES` does not have."""
    return [
        f"{file.path}:{line} {code}"
        for file in files
        if file.is_product
        for line, code in codes_raised(file)
        if code not in CODES
    ]


def codes_without_use(files: Iterable[File]) -> list[str]:
    """The declared codes that stand as a text nowhere but in `errors.py`."""
    texts = {
        node.value
        for file in files
        if file.is_product and file.path != "cmdexec/errors.py"
        for node in file.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return sorted(CODES.keys() - texts)


def folders_of_tests(files: Iterable[File]) -> set[str]:
    """The folders of `tests/` that hold Python."""
    parts = [file.path.split("/") for file in files if file.is_python]
    return {path[1] for path in parts if path[0] == "tests" and len(path) > 2}


def folders_on_the_map(text: str) -> set[str]:
    """Those of `tests/` that the map of `docs/architecture.md` has."""
    found = re.search(r"^tests/ +([a-z0-9 ]+)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def folders_in_the_table(text: str) -> set[str]:
    """Those that have a row under the heading `Tests` of `docs/contributing.md`."""
    rows = re.findall(r"^\| (`[^|]+) \|", text.partition("## Tests\n")[2].partition("\n## ")[0], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z0-9]+)`", row)}


def promises_unproved(text: str, there: Set[str]) -> list[str]:
    """What is wrong with the list of `docs/promises.md`: promises that are not numbered in their order, those that name
    no test, and tests that are named anywhere and are not there."""
    listed = text.partition("## Promises, and what breaks them\n")[2].partition("\n## ")[0]
    items = re.split(r"^(\d+)\. ", listed, flags=re.MULTILINE)[1:]
    wrong = [f"no file {path}" for path in dict.fromkeys(_TEST.findall(text)) if path not in there]
    for place, (number, words) in enumerate(zip(items[::2], items[1::2], strict=True), 1):
        if int(number) != place:
            wrong.append(f"promise {number} stands in place {place}")
        if "*Broken by*" not in words or not _TEST.search(words.partition("*Broken by*")[2]):
            wrong.append(f"promise {number} names no test that breaks something")
    return wrong if items else [*wrong, "no promises"]
