"""A job as a document, and back. `doc` is the whole job; the other fields repeat of it what queries ask for.

One that does not hold is not there at all: then a sparse index has nothing of it. Moments are milliseconds.

seq        numbers the jobs as they came
changeId   the newest change by `JobWrites.apply`
stamps     by `rev % 4`, which writing made the last few changes: after a conflict it tells whose they are
submitKey  of the first job of a run that came with that key: so each is there once; with it `keyedJobs`, how many those
           are (they have the numbers from `seq` on), and `keyedAt`, which is `createdAt`
status     as the job's; STAGED while its batch is not complete, and `born` is what it will be, `batch` which one
workerId   who holds it, or held it last
assignedAt, dueAt, unknownAt, expiresAt   only while that is what the clock is asked about
name, tags folded, for lists
size, weight   bytes of `doc`; `Spec.weight`
outputs    rows of output (`output`)
"""

from collections.abc import Callable
from typing import Any

import msgspec
from bson import ObjectId

from cmdexec.model.job import WAITING, Job, Status
from cmdexec.model.matching import NOTHING, Needs, needs_of
from cmdexec.store.mongo.connection import Document

encode: Callable[[Job], bytes] = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Job] = msgspec.msgpack.Decoder(Job).decode
_encode_needs = msgspec.msgpack.Encoder().encode
_decode_needs = msgspec.msgpack.Decoder(Needs).decode

STAGED = "staged"
"""Not a status of jobs: so no query for one finds it."""

IS_STORED: Document = {"$ne": STAGED}
"""The condition on `status` where any will do."""

_STAMPS = 4


def job_of(found: Document) -> Job:
    """The job of a document that was read with its `doc`."""
    return decode(found["doc"])


def needs_in(found: Document) -> Needs:
    """What the job of a document needs."""
    needs: bytes | None = found.get("needs")
    return NOTHING if needs is None else _decode_needs(needs)


def document(job: Job, doc: bytes, seq: int, *, keyed: int, batch: ObjectId | None) -> Document:
    """A new job. `keyed`: of so many it is the first that came with its key, 0: it is not the first, or has none.
    `batch`: it is stored with others, all or none, and hidden until all are there."""
    present, _ = _fields(job, doc)
    needs = needs_of(job.spec)
    spec = job.spec
    made = {
        "_id": job.job_id, "seq": seq, "owner": job.owner, "createdAt": job.created_at, "weight": spec.weight,
        **present,
    }  # fmt: skip
    if keyed:
        made |= {"submitKey": job.submit_key, "keyedJobs": keyed, "keyedAt": job.created_at}
    if needs != NOTHING:
        made["needs"] = _encode_needs(needs)
    if spec.name is not None:
        made["name"] = spec.name.casefold()
    if spec.tags:
        made["tags"] = list(dict.fromkeys(tag.casefold() for tag in spec.tags))
    if batch is not None:
        made |= {"status": STAGED, "born": job.status.value, "batch": batch}
    return made


def update(job: Job, more: Document) -> Document:
    """What writes a changed job; `more` is set as well."""
    present, absent = _fields(job, encode(job))
    return {"$set": {**present, **more}, "$unset": absent}


def stamp_field(rev: int) -> str:
    """Where a change to that revision leaves which writing made it."""
    return f"stamps.{rev % _STAMPS}"


def stamped(found: Document, rev: int) -> Any:
    """Which writing made the job's change to that revision, if that was one of the last few."""
    return found.get("stamps", {}).get(str(rev % _STAMPS))


def _fields(job: Job, doc: bytes) -> tuple[Document, Document]:
    """The fields that changes change: those that hold, and those that do not."""
    present: Document = {
        "rev": job.rev, "status": job.status.value, "klass": job.klass, "rank": job.rank, "doc": doc, "size": len(doc),
    }  # fmt: skip
    absent: Document = {}
    waits = job.spec.ttl_sec is not None and job.status in WAITING
    for field, value in (
        ("workerId", job.worker_id),
        ("claimId", job.claim_id),
        ("reason", None if job.reason is None else job.reason.value),
        ("avoid", list(job.avoid) or None),
        ("assignedAt", job.assigned_at if job.status is Status.ASSIGNED else None),
        ("dueAt", job.due_at if job.status is Status.SCHEDULED else None),
        ("unknownAt", job.unknown_at if job.status is Status.UNKNOWN else None),
        ("expiresAt", job.begin_by if waits else None),
    ):
        if value is None:
            absent[field] = ""
        else:
            present[field] = value
    return present, absent
