"""`--version` answers before anything heavy is loaded."""

import subprocess
import sys

import pytest

from cmdexec.version import __version__

LIST_MODULES = """
import sys
from cmdexec.__main__ import main
sys.argv = ["cmdexec", "--version"]
main()
print("\\n".join(sys.modules))
"""

OF_WORKER = {
    "aiohappyeyeballs", "aiohttp", "aiosignal", "attr", "cmdexec", "frozenlist", "idna", "msgspec", "multidict",
    "platformdirs", "propcache", "psutil", "typing_extensions", "yarl",
}  # fmt: skip
"""All that a worker loads beside the standard library."""
OF_INTERPRETER = {"cython_runtime", "distutils-precedence"}
"""What modules that were compiled bring along."""

MORE_MODULES = 20
"""click alone is 60, asyncio 100."""


@pytest.fixture(scope="module")
def printed() -> list[str]:
    run = subprocess.run([sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True, timeout=30)
    return run.stdout.splitlines()


def test_version_is_printed(printed: list[str]) -> None:
    assert printed[0] == f"cmdexec {__version__}"


def test_version_loads_nothing_heavy(printed: list[str]) -> None:
    loaded = {name.partition(".")[0] for name in printed[1:]}
    assert "cmdexec" in loaded
    assert not loaded & {"click", "aiohttp", "asyncio", "msgspec", "apsw", "jwt", "cryptography", "importlib_metadata"}
    assert {name for name in printed if name.startswith("cmdexec.")} == {
        "cmdexec.__main__", "cmdexec.bundle", "cmdexec.version",
    }  # fmt: skip


def test_a_worker_loads_at_its_start_what_it_needs_and_its_black_box_little() -> None:
    code = "import sys, cmdexec.worker.run; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(run.stdout.split())
    heads = {name.partition(".")[0] for name in loaded}
    others = {name for name in heads - set(sys.stdlib_module_names) if not name.startswith("_")}
    assert others - OF_INTERPRETER <= OF_WORKER
    boxed = {name.rpartition(".")[2] for name in loaded if name.startswith("cmdexec.worker.blackbox.")}
    assert boxed == {"box", "kills", "kills_linux" if sys.platform == "linux" else "kills_none", "records", "ring"}


def test_a_server_loads_no_driver_of_a_store_that_it_was_not_told_of() -> None:
    code = "import sys, cmdexec.server.run, cmdexec.server.stores; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "apsw" in loaded
    assert not loaded & {"bson", "motor", "pymongo", "redis"}


def test_version_loads_hardly_more_than_the_interpreter_itself() -> None:
    """So it takes hardly longer than `python -c pass`, on every machine: the number of modules is what its time is."""
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.split()
    version = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()[1:]
    assert len(set(version) - set(bare)) <= MORE_MODULES, sorted(set(version) - set(bare))
