"""Each shell line of the README is run, in its order, as a person at two machines would; its Python as well.

The first two blocks stand apart: whoever checks a change runs them whole.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.system import clean_environment
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LINES = [
    line.partition("  #")[0].strip()
    for kind, block in [found for found in BLOCKS if found[0] == "sh"][2:]
    for line in block.splitlines()
]
PROGRAMS = [block for kind, block in BLOCKS if kind == "python"]


class Reader:
    """Somebody who types what stands in the README, at two machines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.homes = {"here": folder / "here", "there": folder / "there"}
        for home in self.homes.values():
            home.mkdir()
        self.server: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self.port, self.password, self.token = "0", "", ""

    def environment(self, home: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return clean_environment(HOME=str(self.homes[home])) | {"PATH": path, "PYTHONPATH": str(ROOT)}

    def typed(self, line: str, *, home: str = "here", given: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", self.meant(line)], env=self.environment(home), cwd=self.homes[home], input=given,
            capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.returncode, done.stdout, done.stderr)
        return done

    def meant(self, line: str) -> str:
        """With what a reader puts in the place of capitals."""
        line = line.replace("SERVER:3000", f"127.0.0.1:{self.port}").replace("TOKEN", self.token)
        return re.sub(r"^cmdexec serve\b", f"exec cmdexec serve --port {self.port}", line)

    def starts(self, line: str, home: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            return subprocess.Popen(
                ["bash", "-c", self.meant(line).replace("cmdexec worker", "exec cmdexec worker")],
                env=self.environment(home), cwd=self.homes[home], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def serve(self, line: str) -> None:
        """A server before it is stopped as by Ctrl-C."""
        ended(self.server)
        log = self.folder / "server.log"
        self.server = self.starts(line, "here", log)
        until(lambda: "The server listens at" in log.read_text(), log.name, 30)
        told = log.read_text()
        self.port = re.findall(r"listens at http://\S+:(\d+)", told)[0]
        if found := re.search(r"password (\S+)\. This", told):
            self.password = found[1]

    def joins(self, line: str) -> None:
        log = self.folder / "worker.log"
        self.worker = self.starts(line, "there", log)
        until(lambda: len(self.typed("cmdexec workers").stdout.splitlines()) == 2, "the other machine has joined", 30)

    def makes_token(self, line: str) -> None:
        self.token = re.findall(r"cj_[\w-]{43}", self.typed(line).stdout)[0]

    def logs_in(self, line: str) -> None:
        self.typed(f"{line} --email admin@localhost --password-stdin", home="there", given=f"{self.password}\n")
        assert "admin@localhost" in self.typed("cmdexec whoami", home="there").stdout

    def types(self, line: str, *shown: str) -> None:
        done = self.typed(line)
        assert all(text in done.stdout for text in shown), (line, done.stdout, done.stderr)


Step = Callable[[Reader, str], None]


def shows(*texts: str) -> Step:
    return lambda reader, line: reader.types(line, *texts)


STEPS: dict[str, Step] = {
    'export PATH="$PWD/.venv/bin:$PATH"': shows(),
    "cmdexec serve --with-worker": Reader.serve,
    "cmdexec run -- make --version": shows("GNU Make"),
    "cmdexec run -- 'ls /etc | sort -r | head -n 3'": shows("\n"),
    "cmdexec jobs": shows("completed"),
    "cmdexec logs last": shows("\n"),
    "cmdexec serve --with-worker --host 0.0.0.0 --insecure-http": Reader.serve,
    "cmdexec join-token create": Reader.makes_token,
    "cmdexec worker --headless --allow-host --server http://SERVER:3000 --join TOKEN": Reader.joins,
    "cmdexec submit --name nightly --ram 64MB --retries 2 --on-lost requeue -- 'date; sleep 1; date'": shows("-"),
    "cmdexec show nightly": shows("nightly"),
    "cmdexec attach last": shows(":"),
    "cmdexec run --standalone --timeout 5m -- make --version": shows("GNU Make"),
    "cmdexec workers": shows("online"),
    "cmdexec login --server http://SERVER:3000": Reader.logs_in,
}
"""What stands in the README → what typing it does, and shows."""


def ended(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    reader = Reader(folder)
    try:
        yield reader
    finally:
        ended(reader.worker)
        ended(reader.server)


def test_every_line_is_known_here() -> None:
    assert list(dict.fromkeys(LINES)) == list(STEPS)


@pytest.mark.timeout(120)
def test_every_line_does_what_it_says(tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        for line in LINES:
            STEPS[line](reader, line)
        for program in PROGRAMS:
            (reader.homes["here"] / "program.py").write_text(program)
            reader.types(f"{sys.executable} program.py", "Linux", "['0\\n', '1\\n', '2\\n']")


def test_what_it_points_at_is_there() -> None:
    missing = [name for name in re.findall(r"\]\(([\w./-]+)\)", README) if not (ROOT / name).exists()]
    assert not missing
