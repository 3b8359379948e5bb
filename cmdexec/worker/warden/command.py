"""How a warden is started. Apart from the rest, since the worker loads this and not what the warden is made of."""

import os
import sys

AUTO = "auto"
"""The mode that stands for the strongest containment that works here."""


def command(
    lifeline: int, lock: int | None, mode: str, drain_sec: float, kill_deadline_sec: float, files_limit: int
) -> list[str]:
    """The arguments that start a warden; `lifeline` and `lock` are descriptors that it must inherit; `files_limit` is
    the soft limit on open files that jobs get.

    -I -S -E: neither environment, user folder nor site packages have a say in what it loads.
    """
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    options = [lifeline, -1 if lock is None else lock, mode, drain_sec, kill_deadline_sec, files_limit]
    return [sys.executable, "-I", "-S", "-E", script, *map(str, options)]
