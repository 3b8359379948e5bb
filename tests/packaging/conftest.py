"""One build of each kind for all tests, and a copy of it alone in an empty folder for each."""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.system import Process, ends
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
SECRET = secrets.token_urlsafe(40)
KINDS = {"folder": "cmdexec", "one-file": "cmdexec-one-file"}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds both."""
    out = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, ROOT / "packaging" / "build.py", "--out", out, "--no-report"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out


class Bundle:
    """A program that stands alone in `place`, which is empty beside it."""

    def __init__(self, kind: str, place: Path, built: Path) -> None:
        self.kind = kind
        self.place = place
        source = built / KINDS[kind]
        if source.is_dir():
            shutil.copytree(source, place / "cmdexec", symlinks=True)
            self.program = place / "cmdexec" / "cmdexec"
        else:
            self.program = place / "cmdexec"
            shutil.copy(source, self.program)

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, as under `env -i` but for `environment`."""
        return subprocess.run(
            [self.program, *words], env=environment, cwd=self.place, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=50, check=False,
        )  # fmt: skip

    @contextmanager
    def runs(self, *words: str, **environment: str) -> Iterator[Process]:
        """Run it until the block is left; it is the one file's loader that gets the signals then."""
        process = Process([], {"DISK_RESERVE_BYTES": "0", **environment}, self.place / f"{words[0]}.log")
        process.arguments = [str(self.program), *words]
        with ends(process):
            process.spawn()
            yield process
            process.stop()

    @contextmanager
    def serves(self, *words: str) -> Iterator[Api]:
        """A server of it that takes requests, with the rights of whoever started it."""
        data = self.place / "data"
        runtime = data / "runtime.json"
        with self.runs("serve", "--port", "0", "--data-dir", str(data), *words, WORKER_TOKEN_SECRET=SECRET) as server:

            def taken() -> Api | None:
                server.must_run()
                try:
                    told = json.loads(runtime.read_text())
                    api = Api(told["url"], told["token"])
                    return api if api.call("GET", "/api/ready")[0] == 200 else None
                except (OSError, ValueError):
                    return None

            yield until(taken, "the server takes requests", 30)

    def works(self, api: Api, *words: str) -> AbstractContextManager[Process]:
        """A worker of it for that server."""
        return self.runs(
            "worker", *words, "--allow-host", "--server", f"http://{api.host}:{api.port}", "--data-dir",
            str(self.place / "worker"), WORKER_TOKEN_SECRET=SECRET,
        )  # fmt: skip


@pytest.fixture(params=list(KINDS))
def bundle(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Bundle:
    return Bundle(request.param, tmp_path, built)
