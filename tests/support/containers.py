"""Containers for tests: the real engine, what of it is left, and workers that use it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.system import FAST, Server, Worker

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


def volumes(host: str = DOCKER) -> set[str]:
    """All volumes that the engine has."""
    return set(docker("volume", "ls", "--quiet", host=host).split())


def worker_of(server: Server, name: str = "w", **settings: str) -> Worker:
    """A worker that may run containers, quick to see what an engine does."""
    return Worker(server, name, **QUICK | {"DOCKER_HOST": DOCKER} | settings)


def contained(command: str | list[str], **more: Any) -> dict[str, Any]:
    """A job in a container of the test's image."""
    return {"command": command, "containerImage": IMAGE, "pull": "never"} | more


def tools() -> Path:
    """The script that starts engines."""
    return Path(__file__).resolve().parent.parent / "docker" / "tools"
