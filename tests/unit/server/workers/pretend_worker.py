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
from types import FrameType


def main(terms: int, folder: Path, url: str) -> None:
    lock = os.open(folder / "worker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    left = terms

    def say(what: str) -> None:
        with (folder / "said").open("a") as file:
            file.write(f"{what}\n")

    def told(which: int, _frame: FrameType | None) -> None:
        nonlocal left
        left -= 1
        say(signal.Signals(which).name.removeprefix("SIG").lower())
        if not left:
            sys.exit(0)

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(4))
    say(f"started {os.getpid()} {url} {(folder / 'credential').exists()}")
    while True:
        signal.pause()


if __name__ == "__main__":
    _, count, _, data_dir, _, server, _, _ = sys.argv
    main(int(count), Path(data_dir), server)
