"""The tests are tested: each bug planted by a patch in `planted/` must be caught by the test that its header names.

A patch begins with lines of text: what the bug is, and `Caught by: <pytest node>`. It is applied to a copy of the tree.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = sorted((Path(__file__).parent / "planted").glob("*.patch"))
FAILED = 1
"""What pytest ends with when tests ran and one failed; anything else says nothing about the bug."""


def caught_by(patch: Path) -> str:
    lines = [line for line in patch.read_text().splitlines() if line.startswith("Caught by: ")]
    assert len(lines) == 1, f"{patch.name} needs one line 'Caught by: tests/…::test_…'"
    return lines[0].removeprefix("Caught by: ").strip()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, compiled: else each copy of it would be compiled anew, which takes longer than most tests."""
    original = tmp_path_factory.mktemp("original")
    for name in ("cmdexec", "tests"):
        shutil.copytree(ROOT / name, original / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", original)
    subprocess.run([sys.executable, "-m", "compileall", "-q", "cmdexec"], cwd=original, check=True, timeout=60)
    return original


def run_in(tree: Path, *nodes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes],
        cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_there_are_planted_bugs_and_each_is_caught_by_what_runs_for_real() -> None:
    """What tests one module alone is changed with it, and says little of what people have."""
    assert len(PATCHES) >= 12
    assert [patch.name for patch in PATCHES if caught_by(patch).startswith("tests/unit/")] == []


@pytest.mark.timeout(180)
def test_without_a_bug_a_copy_of_the_tree_passes(original: Path) -> None:
    """Else a copy that lacks something would look like a bug that was caught. Tests of this folder would take long, and
    need no more of the copy than the others."""
    nodes = {caught_by(patch) for patch in PATCHES}
    run = run_in(original, *sorted(node for node in nodes if not node.startswith("tests/faults/")))
    assert run.returncode == 0, f"{run.stdout[-3000:]}\n{run.stderr[-1000:]}"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_is_caught(patch: Path, original: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(original, tmp_path / "tree")
    # Inside some repository git would look for the files there, and silently apply nothing here.
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    applied = subprocess.run(
        ["git", "apply", str(patch)], cwd=tree, env=alone, capture_output=True, text=True, timeout=30
    )
    assert applied.returncode == 0, f"{patch.name} applies no more: plant the bug anew.\n{applied.stderr}"
    for line in patch.read_text().splitlines():
        if line.startswith("+++ b/") and line.endswith(".py"):
            file = tree / line.removeprefix("+++ b/")
            compile(file.read_text(), file, "exec")  # what cannot be read would fail any test
    run = run_in(tree, caught_by(patch))
    assert run.returncode == FAILED, f"not caught by {caught_by(patch)}:\n{run.stdout[-3000:]}\n{run.stderr[-1000:]}"
