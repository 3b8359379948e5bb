"""What is left of a warden where the worker makes its processes itself: who ends them when the worker is gone.

Standard input is the lifeline: lines `+PID` and `-PID` name the main processes that live; its end is the worker's. Then
each tree is killed until none of it is left, or for `SECONDS`, the only argument.
"""

import os
import signal
import sys
import time

from cmdexec.worker.warden.command import IN_BUNDLE
from cmdexec.worker.warden.trees_macos import Tree

_STEP_SEC = 0.05
_START = (
    "import sys; sys.path.append(sys.argv[1]); from cmdexec.worker.warden.keeper_macos import main;"
    " sys.exit(main(sys.argv[2:]))"
)


def main(arguments: list[str]) -> int:
    """Be the keeper until the worker is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    trees: dict[int, Tree] = {}
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            trees[pid] = Tree(pid)
        else:
            trees.pop(pid, None)
    until = time.monotonic() + float(arguments[0])
    while trees and time.monotonic() < until:
        for pid, tree in list(trees.items()):
            tree.kill()
            if not tree.members():
                del trees[pid]
        time.sleep(_STEP_SEC)
    return 0


def command(seconds: float) -> list[str]:
    """The arguments that start a keeper."""
    if getattr(sys, "frozen", False):
        return [sys.executable, IN_BUNDLE, str(seconds)]
    package = os.path.abspath(__file__).rpartition("/cmdexec/")[0]
    return [sys.executable, "-I", "-S", "-E", "-c", _START, package, str(seconds)]
