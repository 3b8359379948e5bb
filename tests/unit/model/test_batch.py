"""A batch is the jobs that it stands for."""

from typing import Any

from msgspec.structs import fields, replace

from cmdexec.model.batch import Batch
from cmdexec.model.birth import alike, queued
from cmdexec.model.job import Backoff, Container, Job, OnLost, Spec


def job(number: int, command: str = "true") -> Job:
    return queued(
        Spec(command=command), job_id=f"j{number}", owner="ann", submit_key="k", body_hash="h", now=0, age_ms=1000
    )


ALL = [job(0), job(1, "x"), job(2, "x"), job(3, "x"), job(4, "y"), job(5, "y")]


def batch() -> Batch:
    return Batch([(ALL[0], ("j0",)), (ALL[1], ("j1", "j2", "j3")), (replace(ALL[4], job_id="?"), ("j4", "j5"))])


def test_it_has_the_jobs_in_their_order() -> None:
    new = batch()
    assert new.job_ids == tuple(one.job_id for one in ALL)
    assert (len(new), list(new), list(reversed(new))) == (6, ALL, ALL[::-1])
    assert [new[place] for place in range(-6, 6)] == ALL * 2
    assert new[1:-1:2] == ALL[1:-1:2]
    assert ALL[3] in new


def test_it_is_equal_to_any_sequence_of_the_same_jobs() -> None:
    assert batch() == ALL
    assert tuple(ALL) == batch()
    assert batch() == batch()
    assert batch() != ALL[:-1]
    assert batch() != 6


def test_of_other_sequences_each_job_is_one_of_its_own() -> None:
    new = Batch.of(ALL)
    assert new == ALL
    assert [ids for _, ids in new.kinds] == [(one.job_id,) for one in ALL]
    assert Batch.of(new) is new


OTHER: dict[str, Any] = {
    "command": "x", "name": "n", "env": {"A": "b"}, "timeout_sec": 1.0, "kill_grace_sec": 1.0,
    "on_lost": OnLost.REQUEUE, "max_retries": 1, "max_lost": 1, "retry_on": ("oom",), "backoff": Backoff(2.0),
    "priority": 5, "requires": {"gpu": "yes"}, "run_at": 99, "ttl_sec": 1.0, "cpu": 1.0, "ram_mb": 1, "stdin": b"x",
    "tags": ("t",), "container": Container("alpine"),
}  # fmt: skip
STANDS_ELSEWHERE = {"priority", "requires", "run_at", "cpu", "ram_mb", "container"}


def test_a_job_made_after_another_is_as_if_made_on_its_own_whatever_differs() -> None:
    born: dict[str, Any] = {"owner": "ann", "submit_key": "k", "body_hash": "h", "now": 7, "age_ms": 1000}
    plain = Spec(command="true")
    first = queued(plain, job_id="a", **born)
    assert OTHER.keys() == {field.name for field in fields(Spec)}
    for name, value in OTHER.items():
        spec = replace(plain, **{name: value})
        made = alike(first, spec, "b")
        assert made == (None if name in STANDS_ELSEWHERE else queued(spec, job_id="b", **born)), name
