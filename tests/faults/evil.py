"""A job that does not want to die. `evil.py MARKER KIND LEDGER`; every process of it has MARKER on its command line.

stubborn   ignores every signal that can be ignored
leaves     the main process starts a session of its own below it and waits
escapes    double fork, new session, all descriptors closed, environment emptied; the main process stays too
"""

import os
import signal
import sys
import time


def ignore_all() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass  # the C library keeps some for itself


def stay() -> None:
    while True:
        time.sleep(60)


def say(ledger: str, word: str) -> None:
    line = f"{os.environ['CMDEXEC_JOB_ID']} {os.environ['CMDEXEC_ATTEMPT']} {word}\n"
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)


def escape(marker: str) -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 256)
            os.execve(sys.executable, [sys.executable, "-S", "-E", __file__, marker, "escaped", ""], {})
        os._exit(0)
    os.wait()


def leave(marker: str) -> None:
    if os.fork() == 0:
        os.setsid()
        os.execv(sys.executable, [sys.executable, "-S", "-E", __file__, marker, "left", ""])


def main() -> None:
    marker, kind, ledger = sys.argv[1:4]
    ignore_all()
    if kind == "escapes":
        escape(marker)
    if kind in ("leaves", "escapes"):
        leave(marker)
    if ledger:
        print("begun", flush=True)
        say(ledger, "begin")
    stay()


main()
