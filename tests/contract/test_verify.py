"""Going through all that a store holds, with the rules of `doctor --verify`."""

from hashlib import sha256

from cmdexec.admin.doctor.verify import verify
from cmdexec.model.job import Spec
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.contract.output import Append
from tests.contract.engines import Store
from tests.contract.making import inserted, job, jobs, started


def looked_at(store: Store) -> Inspection:
    return Inspection(store.reads.jobs, store.reads.lists, store.reads.output, store.close)


async def test_all_pages_are_looked_at_and_well(store: Store) -> None:
    told: list[tuple[int, int]] = []
    await inserted(store, *jobs(250))
    found = await verify(looked_at(store), lambda done, of: told.append((done, of)))
    assert (found.well, found.jobs, found.passed_over) == (True, 250, 0)
    assert told == [(100, 250), (200, 250)]


async def test_output_is_read_to_its_end_and_what_is_wrong_names_its_job(store: Store) -> None:
    """The job is made by hand here, so its history does not say that it runs."""
    go = await started(store)
    await inserted(store, job(1, spec=Spec(command=("true",), name="other")))
    data = bytes(range(256)) * 5000
    for offset in range(0, len(data), 300_000):
        piece = Append(go.job_id, 1, "s1", "stdout", offset, data[offset : offset + 300_000], 1 << 30)
        assert (await store.reads.output.append([piece]))[0].refused is None
    found = await verify(looked_at(store))
    assert (found.jobs, found.bytes) == (2, len(data))
    assert {one.name: one.told for one in found.found if one.wrong} == {
        "C3": [(go.job_id, "it is running, and its history ends with assigned")]
    }
    assert sha256(data).hexdigest()
