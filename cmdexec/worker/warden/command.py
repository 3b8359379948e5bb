"""How a warden is started. Apart from the rest, since the worker loads this and not what the warden is made of."""

import os
import sys

IN_BUNDLE = "_warden"
"""The first argument with which a bundle is the warden, as `cmdexec/__main__.py` knows."""

AUTO = "auto"
"""The mode that stands for the strongest containment that works here."""


class Durations:
    """The warden's, all in seconds.

    drain      how long children that outlive a job's main process may hold its output
    kill       how long killed processes may take to vanish before their job's end names them
    hold       how long STARTED may wait for the same job's end, so that both wake the worker once: it then reads the
               output of such a quick job in one go, and never watches its pipes; others wait so long, too, while
               processes are made
    sweep      how long what dead wardens left may take to vanish, before this one is ready without that
    look       how often the processes of jobs that run side by side are noted
    limits     how often it is looked how much memory jobs use that are watched
    """

    __slots__ = ("drain", "hold", "kill", "limits", "look", "sweep")

    def __init__(self, drain: float, kill: float, hold: float, sweep: float, look: float, limits: float) -> None:
        self.drain = drain
        self.kill = kill
        self.hold = hold
        self.sweep = sweep
        self.look = look
        self.limits = limits

    def arguments(self) -> list[str]:
        """As they follow each other in a command line, and in `__init__`."""
        return [str(float(value)) for value in (self.drain, self.kill, self.hold, self.sweep, self.look, self.limits)]


class Totals:
    """What holds all jobs together: `wanted` is "auto", "cgroup" or "watched"; `cpu` cores, `ram` bytes, 0: none."""

    __slots__ = ("cpu", "ram", "wanted")

    def __init__(self, wanted: str, cpu: float = 0.0, ram: int = 0) -> None:
        self.wanted = wanted
        self.cpu = cpu
        self.ram = ram

    def arguments(self) -> list[str]:
        """As they follow each other in a command line."""
        return [self.wanted, str(float(self.cpu)), str(self.ram)]


def command(
    lifeline: int, lock: int | None, mode: str, files_limit: int, totals: Totals, durations: Durations
) -> list[str]:
    """The arguments that start a warden; `lifeline` and `lock` are descriptors that it must inherit; `files_limit` is
    the soft limit on open files that jobs get.

    -I -S -E: neither environment, user folder nor site packages have a say in what it loads; a bundle is always so.
    """
    options = [str(lifeline), str(-1 if lock is None else lock), mode, str(files_limit), *totals.arguments()]
    if getattr(sys, "frozen", False):
        return [sys.executable, IN_BUNDLE, *options, *durations.arguments()]
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    return [sys.executable, "-I", "-S", "-E", script, *options, *durations.arguments()]
