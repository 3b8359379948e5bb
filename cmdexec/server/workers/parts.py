"""What a worker that registers has of what jobs may need; and as what a job remembers it that it declined."""

from math import inf

from cmdexec.model.matching import Machine
from cmdexec.model.parts import Capacity
from cmdexec.protocol.messages import Register
from cmdexec.store.contract.workers import WorkerRow


def capacity_of(said: Register | WorkerRow) -> Capacity:
    """As the worker registered."""
    return Capacity(
        inf if said.cpu is None else said.cpu, inf if said.ram_mb is None else said.ram_mb, said.limits is not None
    )


def machine_of(row: WorkerRow) -> Machine:
    """What it has of what jobs may need, with the labels that were given to it."""
    return Machine(row.all_labels, capacity_of(row), row.executors)


def known_as(worker_id: str, said: Register) -> str:
    """What a job remembers of a worker that declined it: which one, with what capacity. So one that comes again with
    another is asked again."""
    if said.cpu is None and said.ram_mb is None and said.limits is None:
        return worker_id
    return f"{worker_id} {said.cpu or 0:g} {said.ram_mb or 0} {said.limits or ''}"
