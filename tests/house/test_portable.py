"""Every file that chooses by the system finds the same names on each, and nothing but such files knows the others. That
their types are right on Windows and macOS is seen to by `tests/run`."""

import ast
import re

import pytest

from tests.house.given import only_chooses
from tests.house.source import File, repository

OF_A_SYSTEM = re.compile(r"_(posix|linux|macos|windows|none)$")
OF_LINUX = re.compile(
    r"cmdexec/(admin/bench/.*|worker/warden/.*|worker/executors/process_(aftermath|files|jobs|lifeline|pipes)\.py)"
)
"""What is never loaded elsewhere."""

PRODUCT = {file.path: file for file in repository() if file.is_product}
CHOOSING = sorted(path for path, file in PRODUCT.items() if "sys.platform" in file.text and only_chooses(file))


def imported(file: File) -> dict[str, list[str]]:
    """Module → what is taken from it."""
    found: dict[str, list[str]] = {}
    for node in file.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            found.setdefault(node.module, []).extend(alias.name for alias in node.names)
    return found


def defined(file: File) -> set[str]:
    found = {node.name for node in file.tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in file.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {one.id for one in targets if isinstance(one, ast.Name)}
    return found


def test_there_are_such_files() -> None:
    some = ("system/files", "system/signals", "worker/executors/process", "cli/lifeline", "worker/warden/begin")
    assert {f"cmdexec/{one}.py" for one in some} <= set(CHOOSING)


@pytest.mark.parametrize("path", CHOOSING)
def test_a_file_that_chooses_finds_the_same_names_on_each_system(path: str) -> None:
    taken = {module: names for module, names in imported(PRODUCT[path]).items() if module.startswith("cmdexec.")}
    assert len(taken) >= 2
    assert len({tuple(sorted(names)) for names in taken.values()}) == 1
    for module, names in taken.items():
        assert set(names) <= defined(PRODUCT[module.replace(".", "/") + ".py"]), module


def test_nothing_but_such_files_knows_a_file_of_one_system() -> None:
    known = [
        f"{path} {module}"
        for path, file in PRODUCT.items()
        if path not in CHOOSING and not OF_LINUX.fullmatch(path) and not OF_A_SYSTEM.search(path.removesuffix(".py"))
        for module in imported(file)
        if module.startswith("cmdexec.") and OF_A_SYSTEM.search(module)
    ]
    assert not known
