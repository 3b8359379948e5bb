"""Which workers can run which jobs: what a job needs, what a machine has, and what of it is missing.

Jobs that need the same are a class: the same workers match all of them, so matching is done once for each.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from cmdexec.model.job import Spec
from cmdexec.model.parts import Capacity, Part

PROCESS, CONTAINER = "process", "container"
"""How workers can run jobs."""

ANY_WAY = ""
"""As the executor that is needed: however the worker runs jobs."""

ANY = "*"
"""As the value of a required label: whatever value the worker's has."""


class Needs(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """All that decides which workers match. `requires`: labels in the order of their names; `cpu` in cores and
    `ram_mb`, 0: not named; `executor`: how the worker has to be able to run it."""

    requires: tuple[tuple[str, str], ...] = ()
    cpu: float = 0.0
    ram_mb: int = 0
    executor: str = PROCESS

    @property
    def part(self) -> Part | None:
        """What it asks of the machine; None: nothing."""
        return Part(self.cpu, self.ram_mb) if self.cpu or self.ram_mb else None


NOTHING = Needs()


def needs_of(spec: Spec) -> Needs:
    """What a job needs."""
    if not spec.requires and spec.cpu is None and spec.ram_mb is None and spec.container is None:
        return NOTHING
    executor = PROCESS if spec.container is None else CONTAINER
    return Needs(tuple(sorted(spec.requires.items())), spec.cpu or 0.0, spec.ram_mb or 0, executor)


def klass_of(needs: Needs) -> str:
    """The class of all jobs that need the same: 16 hex digits, "" for nothing. It is stored: version 0.1 knew processes
    only, and theirs have to stay what they were."""
    if needs == NOTHING:
        return ""
    named = needs if needs.executor != PROCESS else (needs.requires, needs.cpu, needs.ram_mb)
    return hashlib.sha256(msgspec.json.encode(named)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a worker has, as far as jobs may need it."""

    labels: Mapping[str, str]
    capacity: Capacity
    executors: tuple[str, ...] = (PROCESS,)


class Lacks(IntEnum):
    """What can be missing. The least is the nearest to a match: one can ask for less, or give a worker a label, but not
    make it larger."""

    RAM = 1
    CPU = 2
    OTHER_VALUE = 3
    NO_LABEL = 4
    HOLDS = 5
    EXECUTOR = 6


class Miss(msgspec.Struct, frozen=True):
    """One thing that a machine lacks. `wanted`, `has`: of labels the values (`has` None: no such label), of CPU cores,
    of RAM MB; of executors `wanted` alone."""

    what: Lacks
    key: str = ""
    wanted: str | float = ""
    has: str | float | None = None


def matches(needs: Needs, machine: Machine) -> bool:
    """Whether a job that needs this can ever run there."""
    labels, capacity = machine.labels, machine.capacity
    if needs.executor not in machine.executors and needs.executor != ANY_WAY:
        return False
    for key, value in needs.requires:
        has = labels.get(key)
        if has is None or (has != value and value != ANY):
            return False
    part = needs.part
    return part is None or (capacity.holds and part.within(capacity))


def misses(needs: Needs, machine: Machine) -> tuple[Miss, ...]:
    """All that is missing; nothing if it matches."""
    found: list[Miss] = []
    for key, value in needs.requires:
        has = machine.labels.get(key)
        if has is None:
            found.append(Miss(Lacks.NO_LABEL, key, value))
        elif value not in (has, ANY):
            found.append(Miss(Lacks.OTHER_VALUE, key, value, has))
    if needs.executor not in machine.executors:
        found.append(Miss(Lacks.EXECUTOR, "", needs.executor))
    part, capacity = needs.part, machine.capacity
    if part is not None and not capacity.holds:
        found.append(Miss(Lacks.HOLDS))
    elif part is not None:
        if not Part(part.cpu, 0).within(capacity):
            found.append(Miss(Lacks.CPU, "", part.cpu, capacity.cpu))
        if part.ram_mb > capacity.ram_mb:
            found.append(Miss(Lacks.RAM, "", part.ram_mb, capacity.ram_mb))
    return tuple(found)


def distance(found: tuple[Miss, ...]) -> tuple[bool, int, int, float]:
    """How far from a match: one that can hold jobs to their parts first, then fewest things, then the lightest kind,
    then the one that has the most of it."""
    most = sum(float(one.has) for one in found if isinstance(one.has, float | int))
    return any(one.what is Lacks.HOLDS for one in found), len(found), sum(one.what for one in found), -most
