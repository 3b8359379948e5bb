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
    assert {name for name in printed if name.startswith("cmdexec.")} == {"cmdexec.__main__", "cmdexec.version"}
