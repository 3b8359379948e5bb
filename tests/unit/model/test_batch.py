"""A batch is the jobs that it stands for."""

from msgspec.structs import replace

from cmdexec.model.batch import Batch
from cmdexec.model.birth import queued
from cmdexec.model.job import Job, Spec


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
