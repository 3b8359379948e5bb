"""The limit of open files is raised as far as the system lets it, in a process of its own."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
from cmdexec.link.descriptors_posix import allow
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
print(allow(int(sys.argv[1])), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("wanted", "fit", "limit"), [(50, 100, 100), (150, 150, 150), (1000, 200, 200)])
def test_the_limit_is_raised_up_to_the_systems(wanted: int, fit: int, limit: int) -> None:
    command = [sys.executable, "-c", CODE, str(wanted)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert told.split() == [str(fit), str(limit)]
