"""The scripts of the pages pass the check of types that their comments ask for."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_scripts_keep_their_types() -> None:
    own = ROOT / ".tools/node_modules/.bin/tsc"
    checker = str(own) if own.exists() else shutil.which("tsc")
    if checker is None:
        pytest.skip("needs the checker of types: run tests/browser/tools")
    told = subprocess.run([checker, "-p", "webui"], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert told.returncode == 0, told.stdout
