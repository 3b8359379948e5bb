"""The settings of a worker's black box: what it records of itself, to say after an absence why it was away."""

from cmdexec.settings.declare import Kind, Relation, Setting, Side
from cmdexec.settings.shared import DAY

_HERE: frozenset[Side] = frozenset({"worker"})

BLACK_BOX: tuple[Setting, ...] = (
    Setting(
        "BLACK_BOX_SEC", Kind.DURATION, 5.0,
        "How often the worker records how it and its machine are; at most half of ABSENCE_SEC.", _HERE,
        unit="s", minimum=0.05, maximum=3600, relation=Relation("ABSENCE_SEC", times=2),
    ),
    Setting(
        "BLACK_BOX_RECORDS", Kind.INTEGER, 2048,
        "How many such records are kept, of 140 bytes each; the newest takes the place of the oldest.", _HERE,
        minimum=16, maximum=1_000_000,
    ),
    Setting(
        "ABSENCE_SEC", Kind.DURATION, 30.0,
        "How long a worker must have been away before it tells its server why; a process that ended otherwise than by "
        "a stop is always told.",
        _HERE, unit="s", minimum=0.1, maximum=DAY,
    ),
)  # fmt: skip
