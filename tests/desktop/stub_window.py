"""Stands for the window's process where a browser of the tests shows the page: says that it is open, notes what it is
told, and says that its close button was pressed when it gets SIGUSR1. Its first argument is the file of its notes."""

import json
import os
import signal
import sys
from pathlib import Path


def say(event: str) -> None:
    os.write(1, json.dumps({"event": event}).encode() + b"\n")


def main(notes: Path) -> None:
    signal.signal(signal.SIGUSR1, lambda _number, _frame: say("closeAsked"))
    sys.stdin.readline()
    notes.with_suffix(".pid").write_text(str(os.getpid()))
    say("open")
    for line in sys.stdin:
        with notes.open("a") as file:
            file.write(line)
        if '"close"' in line:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
