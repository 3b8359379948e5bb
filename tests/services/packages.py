"""What engines need of the system: installed by root on Debian, one at a time; elsewhere it is said what is missing."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Missing(Exception):
    """The program cannot be had here; the message says why."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """While nobody else holds the lock file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str) -> str | None:
    """None after a success; else the last of what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as wrong:
        return str(wrong)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()[-400:]


def install(*packages: str, lacking: str) -> None:
    """Install packages of Debian. Raises Missing, with the sentence `lacking` where that cannot be tried at all."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(lacking)
    command = ("apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages)
    with locked(Path("/tmp/cmdexec-tests-packages.lock")):
        if run(*command) is not None:
            told = run("apt-get", "update", "-qq") or run(*command)
            if told is not None:
                raise Missing(f"apt-get could not install {', '.join(packages)}: {told}")
