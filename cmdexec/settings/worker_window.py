"""The settings of a worker's window, and of starting with the session."""

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.shared import GIB, KIB, MIB

_HERE: frozenset[Side] = frozenset({"worker"})

WINDOW: tuple[Setting, ...] = (
    Setting(
        "AUTO_START", Kind.BOOLEAN, False,
        "The worker starts when this user logs in to the desktop; the first start that says so sees to it.", _HERE,
    ),
    Setting(
        "WINDOW_START_SEC", Kind.DURATION, 20.0,
        "How long the worker's window may take to open before the worker goes on without.", _HERE,
        unit="s", minimum=0.1, maximum=600,
    ),
    Setting(
        "WINDOW_LOOK_MS", Kind.DURATION, 200.0, "How often an open window is told what is new.", _HERE,
        unit="ms", minimum=10, maximum=60_000,
    ),
    Setting(
        "WINDOW_STATS_SEC", Kind.DURATION, 1.0, "How often an open window is told how busy the machine is.", _HERE,
        unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "WINDOW_OUTPUT_BYTES", Kind.SIZE, 8 * MIB,
        "The output that is kept in memory for the window, of all jobs together; a job has a sixteenth at most.", _HERE,
        unit="bytes", minimum=64 * KIB, maximum=GIB,
    ),
    Setting(
        "WINDOW_ACTIVITY_ITEMS", Kind.INTEGER, 500, "How much the window's list of what happened holds.", _HERE,
        minimum=10, maximum=100_000,
    ),
)  # fmt: skip
