"""A worker as it registers, and as the store keeps that; and what it is told of what people want of it."""

from cmdexec.clock import rfc3339
from cmdexec.model.absence import Absence, remembered, said_of
from cmdexec.model.events import Back
from cmdexec.protocol.messages import Drain, Register
from cmdexec.server.jobs import Holder
from cmdexec.store.contract.identity import CredentialRow
from cmdexec.store.contract.workers import WorkerRow


def instance_of(holder: Holder, message: Register) -> str:
    """Its process."""
    return message.instance_id or holder.session


def worker_row(
    holder: Holder, message: Register, now: int, credential: CredentialRow | None, before: WorkerRow | None = None,
    elder: str | None = None, beside: tuple[str, str] | None = None,
) -> WorkerRow:  # fmt: skip
    """To be kept; `now` in milliseconds of the wall clock. `credential`: what it was given when it joined; `before`:
    its row until now."""
    joined = credential.name if credential is not None else None
    return WorkerRow(
        worker_id=holder.worker_id, name=message.name or joined or holder.worker_id, session=holder.session,
        instance_id=instance_of(holder, message), version=message.version, protocol=message.protocol,
        platform=message.platform, slots=message.slots, executors=message.executors, labels=message.labels,
        registered_at=now, seen_at=now, cpu=message.cpu, ram_mb=message.ram_mb, limits=message.limits,
        token_labels=credential.labels if credential is not None else {}, place=message.place, elder=elder,
        beside=beside, absences=remembered(before.absences if before is not None else (), _absences(message)),
    )  # fmt: skip


def _absences(message: Register) -> list[Absence]:
    return [Absence(one.since, max(one.since, one.until), one.cause) for one in message.absences]


def back(worker_id: str, message: Register, now: int) -> Back | None:
    """What is said of jobs that had trouble by that, if it says that it was away; `now` as in `worker_row`."""
    told = _absences(message)
    if not told:
        return None
    newest = max(told, key=lambda one: one.until)
    return Back(now, f"worker {worker_id} was away {_span(newest)} UTC: {said_of(newest.cause)}")


def _span(away: Absence) -> str:
    """`2025-11-25 14:02–14:45`; with both days where they differ."""
    since, until = (str(rfc3339(moment))[:16].replace("T", " ") for moment in (away.since, away.until))
    return f"{since}–{until[11:] if until[:10] == since[:10] else until}"


def never_registered(credential: CredentialRow) -> WorkerRow:
    """Of one that has joined and nothing more, so that there is something to revoke."""
    return WorkerRow(
        worker_id=credential.worker_id, name=credential.name or credential.worker_id, session=credential.worker_id,
        instance_id="", version="unknown", protocol="unknown", platform="unknown", slots=0,
        registered_at=credential.created_at, token_labels=credential.labels,
    )  # fmt: skip


def registered(row: WorkerRow) -> Register:
    """What the worker said when it registered last."""
    return Register(
        worker_id=row.worker_id, session=row.session, instance_id=row.instance_id, name=row.name,
        version=row.version, protocol=row.protocol, platform=row.platform, slots=row.slots, labels=row.labels,
        executors=row.executors, cpu=row.cpu, ram_mb=row.ram_mb, limits=row.limits, place=row.place,
        machine=row.beside and row.beside[0], boot=row.beside and row.beside[1],
    )  # fmt: skip


def revoked(row: WorkerRow) -> str:
    """What a worker that may do nothing any more is told."""
    return "This worker was revoked." if row.given.by is None else f"This worker was revoked by {row.given.by}."


def drain_order(row: WorkerRow) -> Drain:
    """What it is told of what people want of it."""
    wanted = row.given.draining
    message = "Somebody wants this worker to take no more jobs." if wanted else "This worker may take jobs again."
    return Drain(draining=wanted, message=message)
