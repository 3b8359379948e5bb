"""A process that behaves like a worker towards who starts it: it locks its folder, and ends on TERM.

    python pretend_worker.py TERMS --data-dir FOLDER --server URL --own-server FILE

TERMS: how many TERMs it takes to end it; USR1 ends it as one that was revoked. What happened to it is written to
FOLDER/said, a line each.
"""

import fcntl
import os
import signal
import sys
from pathlib import Path


def main(terms: int, folder: Path, url: str) -> None:
    lock = os.open(folder / "worker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def say(what: str) -> None:
        with (folder / "said").open("a") as file:
            file.write(f"{what}\n")

    told = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    # Taken one by one: a handler's signal that comes right before a `pause` would be seen after the next one only.
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    say(f"started {os.getpid()} {url} {(folder / 'credential').exists()}")
    while terms:
        which = signal.Signals(signal.sigwait(told))
        if which == signal.SIGUSR1:
            sys.exit(4)
        say(which.name.removeprefix("SIG").lower())
        terms -= 1


if __name__ == "__main__":
    _, count, _, data_dir, _, server, _, _ = sys.argv
    main(int(count), Path(data_dir), server)
