"""The repository's files as the house rules see them: path, text, syntax tree, and what a name in it stands for."""

import ast
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]

Finding = tuple[int, str]
"""A line, and what is wrong there."""


@dataclass(frozen=True)
class Rule:
    """One rule: `check` finds what breaks it in a file, `instead` says what to do about it."""

    check: Callable[["File"], Iterable[Finding]]
    instead: str

    @property
    def name(self) -> str:
        return self.check.__name__


@dataclass(frozen=True)
class File:
    """A file by its path from the root of the repository. Everything that is worked out is kept."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_product(self) -> bool:
        """Python that is shipped."""
        return self.is_python and self.path.startswith("cmdexec/")

    @property
    def is_test(self) -> bool:
        """Python that pytest runs, and what it shares; not the programs that tests run as jobs."""
        shared = self.path.startswith("tests/support/") or self.name in ("conftest.py", "__init__.py")
        return self.is_python and self.path.startswith("tests/") and (shared or self.name.startswith("test_"))

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def _imported(self) -> dict[str, str]:
        """Each imported name → what it stands for: `t` → `time`, `now` → `time.time`."""
        stands_for = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    stands_for[alias.asname or whole] = whole
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    stands_for[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return stands_for

    def dotted(self, node: ast.AST) -> str | None:
        """`t.monotonic` → `time.monotonic` where `t` was imported as that; None for what no import stands behind."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return None if base is None else f"{base}.{node.attr}"
        return None

    def references(self) -> Iterator[tuple[ast.expr, str]]:
        """Every use of something imported, with its whole name."""
        for node in self.nodes:
            if isinstance(node, ast.Name | ast.Attribute) and (name := self.dotted(node)) is not None:
                yield node, name

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call, with the whole name of what is called; `` for what no import stands behind."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, self.dotted(node.func) or ""


def last_name(node: ast.AST) -> str:
    """`self._rows.token_hash` → `token_hash`; empty for what is neither a name nor an attribute."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def repository() -> tuple[File, ...]:
    """Every text file that is tracked, or would be by the next commit of everything."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    files = []
    for path in sorted({one.decode() for one in listed.split(b"\0") if one}):
        try:
            files.append(File(path, (ROOT / path).read_text("utf-8")))
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue  # deleted and not yet committed; a submodule; a picture
    return tuple(files)
