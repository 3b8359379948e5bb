"""The tests are all run, and what is required is never skipped."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, repository

SKIPPING = """
import pytest

def test_that_skips():
    pytest.skip("there is no engine here")

@pytest.mark.xfail
def test_that_is_expected_to_fail():
    assert False
"""

SKIPPING_WHOLLY = "import pytest\npytest.skip('there is no engine here', allow_module_level=True)\n"

PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"}
"""What `tests/run` needs of pytest: all that is installed takes seconds to load, each time."""


def run(command: list[str], folder: Path, require_all: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CMDEXEC_REQUIRE_ALL": require_all} | PLUGINS
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50)


def test_a_skip_is_a_failure_where_all_is_required(tmp_path: Path) -> None:
    """The skip of a test, and that of a whole file. What is expected to fail is no skip."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_one.py").write_text(SKIPPING)
    (tmp_path / "test_other.py").write_text(SKIPPING_WHOLLY)
    command = [sys.executable, "-m", "pytest", "-q", "-rN", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    allowed = run(command, tmp_path, "")
    assert allowed.stdout.splitlines()[-1].startswith("2 skipped, 1 xfailed"), allowed.stdout
    assert allowed.returncode == 0
    refused = run(command, tmp_path, "1")
    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-1].startswith("1 failed, 1 xfailed, 1 error"), refused.stdout
    assert refused.stdout.count("allows no skips. Skipped: there is no engine here") == 2


def test_every_folder_with_tests_is_a_group_that_is_run() -> None:
    run_file = (ROOT / "tests" / "run").read_text()
    listed = re.search(r"^for name in (.+); do group", run_file, re.MULTILINE)
    assert listed
    paths = [file.path for file in repository() if re.match(r"tests/[^/]+/(.+/)?test_\w+\.py$", file.path)]
    holding = {path.split("/")[1] for path in paths}
    assert "house" in holding
    assert holding <= set(listed[1].split()), "name each folder of tests in tests/run"
    astray = [file.path for file in repository() if re.match(r"tests/test_\w+\.py$", file.path)]
    assert not astray, "put them into a group"


def checkout(folder: Path) -> Path:
    """A copy of `tests/run` among checks that all pass, and one group with one test."""
    (folder / "tests" / "unit").mkdir(parents=True)
    (folder / "bin").mkdir()
    shutil.copy(ROOT / "tests" / "run", folder / "tests" / "run")
    does = dict.fromkeys(("ruff", "mypy", "lint-imports"), "exit 0") | {"python": f'exec "{sys.executable}" "$@"'}
    for name, what in does.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{what}\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / ".venv").symlink_to(".")
    (folder / "tests" / "unit" / "test_one.py").write_text("def test_one(): assert True\n")
    return folder


def test_a_group_without_tests_is_a_failure_where_all_is_required(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    allowed = run(["tests/run", "-p", "no:cacheprovider"], folder, "")
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr
    assert "tests/faults holds no tests" in allowed.stdout
    assert re.search(r"^ +\d+ s  tests/unit$", allowed.stdout, re.MULTILINE), "the time of each group is printed"
    refused = run(["tests/run"], folder, "1")
    assert refused.returncode == 1
    assert "holds no tests" in refused.stderr


@pytest.mark.parametrize("broken", ["ruff", "mypy", "lint-imports", "unit"])
def test_whatever_fails_ends_the_run_with_a_failure(tmp_path: Path, broken: str) -> None:
    folder = checkout(tmp_path)
    if broken == "unit":
        (folder / "tests" / "unit" / "test_one.py").write_text("def test_one(): assert False\n")
    else:
        (folder / "bin" / broken).write_text("#!/bin/sh\nexit 3\n")
    ended = run(["tests/run", "-p", "no:cacheprovider"], folder, "")
    assert ended.returncode == 1
    assert "failed after" in ended.stderr
    assert "all passed" not in ended.stdout


def test_ci_runs_the_second_block_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    readme = tmp_path / "README.md"
    block = "echo second, and all is required: $CMDEXEC_REQUIRE_ALL; exit 7"
    readme.write_text(f"# x\n\n```sh\necho first\n```\n\ntext\n\n```sh\n{block}\n```\n")
    ended = run([".ci/run"], tmp_path, "")
    assert (ended.returncode, ended.stdout) == (7, "second, and all is required: 1\n")
    readme.write_text("# x\n\n```sh\necho first\n```\n")
    assert run([".ci/run"], tmp_path, "").returncode == 1
