"""The commands that look and change, as real processes against a real server: what people and scripts rely on."""

import json
import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from tests.support.cli import Result, command
from tests.support.cli import run as run_command
from tests.support.system import EMAIL, FAST, Server, Worker, clean_environment, ends, workers
from tests.support.waiting import until

COUNT = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; exit 7"


class Place:
    """A server, a worker, and a home for whoever calls."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        folder.mkdir()
        self.server = server
        self.api = server.api()

    def __call__(self, *arguments: str, code: int = 0, **environment: str) -> Result:
        """The command, as the user whom the server belongs to."""
        found = run_command(self.folder, arguments, {"DATA_DIR": str(self.server.data)} | environment)
        assert found.code == code, found.stderr
        assert "Traceback" not in found.stderr
        return found

    def words(self, *arguments: str, **environment: str) -> list[str]:
        return self(*arguments, **environment).stdout.decode().split()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("commands")
    server = Server(folder / "s", **FAST).start()
    worker = Worker(server, "w1", **FAST)
    with ends(server, worker):
        worker.start(server.api())
        yield Place(folder / "home", server)


def test_a_job_from_its_submission_to_its_second_run(place: Place) -> None:
    first = place.words("submit", "--name", "greet", "--tag", "t1", "--", "echo out; echo err >&2; exit 3")[0]
    assert place("logs", "-f", first).stdout == b"out\n"
    assert place("logs", "--stderr", first[:20]).stdout == b"err\n"
    assert place("logs", "--tail", "2", "last").stdout == b"t\n"
    row = place("jobs", "--tag", "t1").stdout.decode().rstrip("\n").split("\t")
    assert [row[0], row[1], row[2]] == [first, "failed", "greet"]
    shown = place("show", "last").stdout.decode()
    assert "failed: exit 3" in shown
    assert ", on w1" in shown
    second = place.words("rerun", first)[0]
    place.api.wait_status(second, "failed")
    assert json.loads(place("show", second, "--json").stdout)["rerunOf"] == first
    assert place("cancel", "--wait", second).stdout.decode() == f"{second}\ttoo_late\n"


def test_a_job_that_waits_says_for_what_and_a_label_mends_it(place: Place) -> None:
    waits = place.words("submit", "--requires", "site=attic", "--", "true")[0]
    until(lambda: "site=attic" in str(place.api.job(waits)["waitingFor"]), "it is known what it waits for")
    assert "Waiting    no worker has site=attic" in place("show", waits).stdout.decode()
    place("workers", "label", "w1", "site=attic")
    place.api.wait_status(waits, "completed")
    given = place("workers", "label", "w1", "rack=7").stderr
    assert "rack=7" in given
    assert "site=attic" in given, "a label that is given takes none away"
    assert "site" not in json.loads(place("workers", "label", "w1", "site=", "--json").stdout)["labels"]


def test_a_job_is_ended_and_waited_for(place: Place) -> None:
    job = place.words("submit", "sleep 600")[0]
    place.api.wait_status(job, "running")
    assert place("cancel", "--wait", job).stdout.decode() == f"{job}\tasked\n"
    assert place.api.job(job)["status"] == "cancelled"


def test_a_worker_is_drained_renamed_and_let_in_again(place: Place) -> None:
    place("workers", "drain", "w1")
    until(lambda: workers(place.api)[0]["state"] == "draining", "it drains")
    place("workers", "resume", "w1")
    place("workers", "rename", "w1", "big box")
    assert place("workers").stdout.decode().startswith("big box\tonline\t0\t4\t")
    place("workers", "rename", "big box", "w1")


def test_thousands_are_submitted_in_their_order_and_repeating_it_submits_none_twice(place: Place) -> None:
    file = place.folder / "jobs.jsonl"
    lines = [{"command": "true", "name": f"n{number}", "tags": ["many"], "requires": {"never": "1"}}
             for number in range(1500)]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, lines)))
    ids = place.words("submit", "--file", str(file), "--key", "k")
    assert len(set(ids)) == 1500
    assert place.words("submit", "--file", str(file), "--key", "k") == ids
    assert place.words("jobs", "-q", "--tag", "many", "--limit", "5000", "--oldest-first") == ids
    assert place.words("cancel", *ids)[1::2] == ["cancelled"] * 1500


def login_typed(password: str, environment: dict[str, str]) -> None:
    """Log in on a terminal, as a person does; what is typed as password is not shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "cmdexec", "login"], environment)
    shown = b""
    for asked, typed in ((b"E-mail: ", "viewer@example.com"), (b"Password: ", password), (b"Logged in to ", "")):
        while asked not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, f"{typed}\n".encode())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert password.encode() not in shown


def test_a_viewer_looks_and_changes_nothing(place: Place) -> None:
    password = place.words("users", "add", "viewer@example.com", "--role", "viewer")[0]
    own = {"SERVER_URL": place.server.url, "LOGIN_FILE": str(place.folder / "viewer.json"), "DATA_DIR": ""}
    login_typed(password, clean_environment(HOME=str(place.folder), **own))
    assert "viewer@example.com (viewer)" in place("whoami", **own).stdout.decode()
    assert place("workers", **own).stdout.startswith(b"w1\tonline\t")
    for refused in (["submit", "--", "true"], ["workers", "drain", "w1"]):
        assert "which you do not have" in place(*refused, code=1, **own).stderr
    place("users", "disable", "viewer@example.com")
    told = place("whoami", code=1, **own).stderr
    assert f"log in again with `cmdexec login --server {place.server.url}`" in told


def test_a_join_token_is_made_listed_and_revoked(place: Place) -> None:
    told = place("join-token", "create", "--name", "attic", "--uses", "2")
    assert re.fullmatch(rb"\S{20,}\n", told.stdout)
    assert f"--join {told.stdout.decode().strip()}" in told.stderr
    assert "\tgood\t2\t0\t" in place("join-token").stdout.decode()
    place("join-token", "revoke", "attic")
    assert place("join-token").stdout == b""
    assert "\trevoked\t" in place("join-token", "list", "--all").stdout.decode()


def test_on_a_terminal_of_forty_columns_nothing_wraps(place: Place) -> None:
    place("submit", "--name", "a name that is long enough to be cut somewhere", "--", "true")
    for arguments in (["jobs"], ["workers"]):
        control, terminal = pty.openpty()
        ioctl(control, TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        given = {"DATA_DIR": str(place.server.data), "NO_COLOR": "1", "TERM": "xterm"}
        subprocess.run(
            [sys.executable, "-m", "cmdexec", *arguments], stdin=subprocess.DEVNULL, stdout=terminal, timeout=30,
            env=clean_environment(HOME=str(place.folder), **given), check=True,
        )  # fmt: skip
        lines = os.read(control, 65536).decode().splitlines()
        os.close(terminal)
        os.close(control)
        assert len(lines) >= 2
        assert max(map(len, lines)) <= 40, lines


def test_a_reader_that_leaves_ends_it_as_a_shell_expects(place: Place) -> None:
    large = place.words("submit", "head -c 3000000 /dev/zero")[0]
    place.api.wait_status(large, "completed")
    for arguments, first in ((["logs", large], 1), (["jobs", "--json"], 0), (["show", large], 0)):
        read_end, write_end = os.pipe()
        with command(place.folder, *arguments, stdout=write_end, DATA_DIR=str(place.server.data)) as reading:
            os.close(write_end)
            assert len(os.read(read_end, first)) == first
            os.close(read_end)
            ended = reading.ended()
        assert (ended.code, ended.stderr) == (141, "")


def test_what_is_followed_goes_on_after_the_server_was_killed(place: Place) -> None:
    """And without the server each command says so, and what to do."""
    job = place.words("submit", COUNT)[0]
    with command(place.folder / "f", "logs", "-f", job, DATA_DIR=str(place.server.data)) as following:
        following.shows(b"line 50\n")
        place.server.kill9()
        told = place("jobs", code=1, PATIENCE_SEC="100ms").stderr
        assert f"Your server, which was at {place.server.url}, does not answer. Start it again" in told
        alone = place().stdout.decode()
        assert f"cmdexec serve --with-worker --data-dir {place.server.data}" in alone
        given = {"DATA_DIR": str(place.server.data), "TELL_AFTER_SEC": "100ms"}
        with command(place.folder / "m", "submit", "true", **given) as meanwhile:
            meanwhile.says("Until then this waits for it.")
            place.server.start()
            submitted = meanwhile.ended()
        assert submitted.code == 0, "a script that submits while the server is started anew loses nothing"
        place.api.wait_status(submitted.stdout.decode().strip(), "completed")
        ended = following.ended(60)
    assert ended.stdout == b"".join(b"line %d\n" % number for number in range(200)), ended.stderr
    assert ended.code == 0
    assert place("whoami", SERVER_URL=place.server.url).stdout.decode().startswith(f"User       {EMAIL}")
