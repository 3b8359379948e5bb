"""The warden's command, as `command.command` makes it."""

import os
import signal
import socket
import time

from cmdexec.worker.warden import cgroup, kernel, spawn, wire
from cmdexec.worker.warden.command import AUTO, Durations
from cmdexec.worker.warden.containment import Containment
from cmdexec.worker.warden.descent import DescentContainment
from cmdexec.worker.warden.holds import Holds, choose
from cmdexec.worker.warden.limits import Part
from cmdexec.worker.warden.serve import Warden
from cmdexec.worker.warden.slots import CgroupContainment

MODES = ("cgroup1", "cgroup2", "session")
"""In the order they are tried. Where both hierarchies are mounted, version 1 is five times cheaper to enter."""

_FILES_BESIDE = 64 + wire.DESCRIPTORS_PER_MESSAGE


def main(arguments: list[str]) -> int:
    """Be the warden until the worker is gone."""
    lifeline, lock, mode, files_limit, wanted, cpu, ram, *seconds = arguments
    durations = Durations(*map(float, seconds))
    # Ctrl-C in a terminal, or a supervisor that signals the whole group, is for the worker to answer.
    spawn.ignore((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP))
    for descriptor in (int(lifeline), int(lock)):
        if descriptor >= 0:  # held by this process alone; the lock for as long as it runs
            os.set_inheritable(descriptor, False)
    kernel.set_subreaper(True)
    files = spawn.FilesLimit(int(files_limit))
    sweep_until = time.monotonic() + durations.sweep
    containment = contain(mode, durations.sweep, files.own)
    left = max(0.0, sweep_until - time.monotonic())
    limits, why = choose(wanted, Part(float(cpu), int(ram)), containment, left)
    warden = Warden(
        socket.socket(fileno=int(lifeline)),
        kernel.child_signal_descriptor(),
        containment,
        Holds(limits, durations.limits),
        files,
        durations,
        why,
    )
    limits.begin()
    kernel.hide_memory()  # last, as the OOM score could not be opened any more
    warden.serve()
    return 0


def contain(mode: str, sweep_sec: float, files_max: int) -> Containment:
    """The strongest containment that works here, or the one asked for if it works, else descent.

    What dead wardens left in its place is ended, which may take `sweep_sec`; of `files_max` open files enough are left
    free for everything else.
    """
    for wanted in MODES if mode == AUTO else (mode,):
        if wanted == "session":
            break
        version = int(wanted[-1])
        try:
            if parent := cgroup.parent_folder(version):
                home = cgroup.own_folder("") if version == 2 else None
                containment = CgroupContainment(version, parent, files_max - _FILES_BESIDE, home)
                cgroup.sweep(version, parent, sweep_sec)
                return containment
        except OSError:
            continue
    return DescentContainment()
