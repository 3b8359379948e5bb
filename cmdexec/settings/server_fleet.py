"""The server's settings of workers: how many heartbeats it bears; copies of others, and those that begin nothing."""

from cmdexec.settings.declare import Kind, Relation, Setting, Side
from cmdexec.settings.shared import DAY

_HERE: frozenset[Side] = frozenset({"server"})

FLEET: tuple[Setting, ...] = (
    Setting(
        "HEARTBEAT_RATE_MAX", Kind.NUMBER, 500.0,
        "How many heartbeats this server wants in a second, of all its workers; where HEARTBEAT_SEC would bring more,"
        " they are asked to come less often, each at least three times in LEASE_SEC.",
        _HERE, minimum=1, maximum=1_000_000,
    ),
    Setting(
        "CLONE_REPLACEMENTS", Kind.INTEGER, 5,
        "After how many processes of one worker that gave way to one another, within CLONE_WINDOW_SEC, two machines are"
        " taken to have its identity. It counts where they do not say where they work; others are told apart at once.",
        _HERE, minimum=1, maximum=1000,
    ),
    Setting(
        "CLONE_WINDOW_SEC", Kind.DURATION, 600.0, "Within which time these are counted.",
        _HERE, unit="s", minimum=0.1, maximum=DAY,
    ),
    Setting(
        "CLONE_TOLD_SEC", Kind.DURATION, 900.0,
        "How long a worker is shown to have a copy after that was refused last.",
        _HERE, unit="s", minimum=0.1, maximum=30 * DAY,
    ),
    Setting(
        "SUSPECT_AFTER_SEC", Kind.DURATION, 30.0,
        "How long a worker may leave all jobs unstarted that it was given, with free slots, before it is suspect: it"
        " gets no more, and those go back to the queue.",
        _HERE, unit="s", minimum=0.1, maximum=DAY,
    ),
    Setting(
        "SUSPECT_TRIAL_SEC", Kind.DURATION, 60.0,
        "How long after that it is tried with one job; each trial that fails doubles it, up to SUSPECT_TRIAL_MAX_SEC.",
        _HERE, unit="s", minimum=0.1, maximum=DAY, relation=Relation("SUSPECT_TRIAL_MAX_SEC"),
    ),
    Setting(
        "SUSPECT_TRIAL_MAX_SEC", Kind.DURATION, 1800.0, "How long the pause between two such trials is at most.",
        _HERE, unit="s", minimum=0.1, maximum=30 * DAY,
    ),
)  # fmt: skip
