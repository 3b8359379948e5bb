"""Containers for tests: the real engine, what of it is left, and workers that use it."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.proc import alive
from tests.support.system import FAST, Server, Worker
from tests.support.waiting import until

IMAGE = "cmdexec-test:1"
DOCKER = "unix:///var/run/docker.sock"
QUICK = FAST | {"ENGINE_LOOK_SEC": "300ms", "ENGINE_AGAIN_SEC": "50ms", "CONTAINER_RAM_BYTES": "64MiB"}
"""As FAST, for what has to do with engines."""


def docker(*arguments: str, host: str = DOCKER, within: float = 60.0) -> str:
    """What Docker's own command prints, which must not fail."""
    command = ["docker", "--host", host, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def containers_of(worker: Worker, host: str = DOCKER) -> list[str]:
    """The names of all containers that this worker has, whether they run or not."""
    found = docker("ps", "--all", "--no-trunc", "--format", "{{json .}}", "--filter", "label=cmdexec.owner", host=host)
    every = [json.loads(line) for line in found.splitlines()]
    return sorted(one["Names"] for one in every if f"cmdexec.server={server_of(worker)}" in one["Labels"])


def server_of(worker: Worker) -> str:
    """The server that it was told."""
    return worker.arguments[worker.arguments.index("--server") + 1]


def left_volumes(host: str = DOCKER) -> set[str]:
    """The volumes that no container has."""
    return set(docker("volume", "ls", "--quiet", "--filter", "dangling=true", host=host).split())


_servers: set[str] = set()


def remove_left() -> None:
    """What workers of this session's tests left, where a test failed and they were killed."""
    for url in _servers:
        if left := docker("ps", "--all", "--quiet", "--filter", f"label=cmdexec.server={url}").split():
            docker("rm", "--force", "--volumes", *left)


def worker_of(server: Server, name: str = "w", **settings: str) -> Worker:
    """A worker that may run containers, quick to see what an engine does."""
    _servers.add(server.url)
    return Worker(server, name, **QUICK | {"DOCKER_HOST": DOCKER} | settings)


def contained(command: str | list[str], **more: Any) -> dict[str, Any]:
    """A job in a container of the test's image."""
    return {"command": command, "containerImage": IMAGE, "pull": "never"} | more


def tools() -> Path:
    """The script that starts engines."""
    return Path(__file__).resolve().parent.parent / "docker" / "tools"


class Engine:
    """An engine of a test's own, which it may kill. Needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._state = {"DOCKER_HOST": self.host, "DOCKER_STATE": f"{folder}/state", "DOCKER_RUN": f"{folder}/run"}

    def start(self) -> "Engine":
        """Start it, again after a kill."""
        subprocess.run([str(tools())], env=dict(os.environ) | self._state, check=True, timeout=90)
        return self

    def kill9(self) -> None:
        """Only the engine: containers are other processes, and go on until it is back."""
        run = self.folder / "run"
        pids = [int(file.read_text()) for file in (run / "dockerd.pid", run / "exec" / "containerd" / "containerd.pid")]
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: not any(map(alive, pids)), "the engine is gone, and its containerd with it")

    def answers(self) -> bool:
        """Whether it does."""
        command = ["docker", "--host", self.host, "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0

    def stop(self) -> None:
        """With all that it runs."""
        if self.answers():
            every = docker("ps", "--quiet", "--all", host=self.host).split()
            if every:
                docker("rm", "--force", "--volumes", *every, host=self.host)
        subprocess.run([str(tools()), "--stop"], env=dict(os.environ) | self._state, check=True, timeout=60)


@contextmanager
def own_engine() -> Iterator[Engine]:
    """One that runs, in a folder with a short name; all of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cmdexec-", dir="/run", ignore_cleanup_errors=True) as folder:
        engine = Engine(Path(folder))
        try:
            yield engine.start()
        finally:
            engine.stop()
