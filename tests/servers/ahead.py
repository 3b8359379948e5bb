"""`python ahead.py SECONDS serve …`: cmdexec on a machine whose wall clock is that much ahead."""

import sys

from cmdexec.clock import SystemClock


def main(seconds: str, *arguments: str) -> None:
    own = SystemClock.now

    def now(self: SystemClock) -> int:
        return own(self) + int(seconds) * 1000

    SystemClock.now = now  # type: ignore[method-assign]  # what a machine's clock says, for all of the process
    from cmdexec.__main__ import main as cmdexec

    sys.argv[1:] = arguments
    cmdexec()


if __name__ == "__main__":
    main(*sys.argv[1:])
