"""A worker as it registers, and as the store keeps that."""

from cmdexec.protocol.messages import Register
from cmdexec.server.jobs import Holder
from cmdexec.store.contract.workers import WorkerRow


def instance_of(holder: Holder, message: Register) -> str:
    """Its process."""
    return message.instance_id or holder.session


def worker_row(holder: Holder, message: Register, now: int) -> WorkerRow:
    """To be kept; `now` in milliseconds of the wall clock."""
    return WorkerRow(
        worker_id=holder.worker_id, name=message.name or holder.worker_id, session=holder.session,
        instance_id=instance_of(holder, message), version=message.version, protocol=message.protocol,
        platform=message.platform, slots=message.slots, executors=message.executors, labels=message.labels,
        registered_at=now, seen_at=now, cpu=message.cpu, ram_mb=message.ram_mb, limits=message.limits,
    )  # fmt: skip


def registered(row: WorkerRow) -> Register:
    """What the worker said when it registered last."""
    return Register(
        worker_id=row.worker_id, session=row.session, instance_id=row.instance_id, name=row.name,
        version=row.version, protocol=row.protocol, platform=row.platform, slots=row.slots, labels=row.labels,
        executors=row.executors, cpu=row.cpu, ram_mb=row.ram_mb, limits=row.limits,
    )  # fmt: skip
