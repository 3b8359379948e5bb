"""A job as a row, and back."""

from collections.abc import Callable

import msgspec

from cmdexec.model.job import HELD, WAITING, Job
from cmdexec.store.sqlite.connection import Value

encode: Callable[[Job], bytes] = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Job] = msgspec.msgpack.Decoder(Job).decode


def state(job: Job, doc: bytes) -> tuple[Value, ...]:
    """The columns that most changes change, in the order of the statements that write them. `doc`: the encoded job."""
    return (job.rev, job.status, job.due_at, expires_at(job), job.unknown_at, doc)


def place(job: Job) -> tuple[Value, ...]:
    """The columns that say where it stands in the queue, and who has it, in the order of the statements."""
    avoid = msgspec.json.encode(job.avoid).decode() if job.avoid else None
    holder = job.worker_id if job.status in HELD else None
    return (job.klass, job.rank, avoid, holder, job.claim_id, job.assigned_at)


def expires_at(job: Job) -> int | None:
    """When a job that waits and has never begun is too old to begin; None if never."""
    return job.begin_by if job.spec.ttl_sec is not None and job.status in WAITING else None


def avoids(avoid: str | None, known_as: str) -> bool:
    """Whether the column `avoid` names the worker, as it has registered."""
    return avoid is not None and known_as in msgspec.json.decode(avoid, type=tuple[str, ...])
