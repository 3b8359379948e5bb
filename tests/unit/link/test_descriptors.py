"""The limit of open files is raised as far as the system lets it, and connections are held below it; in a process of
its own."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
from cmdexec.errors import CmdexecError
from cmdexec.link.descriptors_posix import allow, room
from cmdexec.log import Log
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]) // 2, int(sys.argv[2])))
try:
    fit = {"allow": allow, "room": lambda most: room(most, Log("cmdexec.test"))}[sys.argv[1]](int(sys.argv[3]))
except CmdexecError as wrong:
    fit = f"{wrong.code}: {wrong}"
print(fit, resource.getrlimit(resource.RLIMIT_NOFILE)[0], sep="|")
"""


def told(what: str, limit: int, wanted: int) -> list[str]:
    command = [sys.executable, "-c", CODE, what, str(limit), str(wanted)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip().split("|")


@pytest.mark.parametrize(("wanted", "fit", "limit"), [(50, 100, 100), (150, 150, 150), (1000, 200, 200)])
def test_the_limit_is_raised_up_to_the_systems(wanted: int, fit: int, limit: int) -> None:
    assert told("allow", 200, wanted) == [str(fit), str(limit)]


@pytest.mark.parametrize(("limit", "wanted", "room"), [(200, 100, 100), (200, 152, 152), (200, 1000, 152), (64, 9, 9)])
def test_connections_leave_descriptors_for_the_rest(limit: int, wanted: int, room: int) -> None:
    assert told("room", limit, wanted)[0] == str(room)


def test_too_few_files_for_a_server_are_told_before_it_starts() -> None:
    assert told("room", 57, 1000)[0] == (
        "bad_settings: This process may have 57 files open at once; a server needs 58."
        " Allow more: `ulimit -n 1024` before it starts, or LimitNOFILE= in its unit."
    )
