"""Reading jobs: what the sweeps, dispatch and the limits ask."""

from cmdexec.model.job import Job, Spec, Status
from tests.contract.engines import Store
from tests.contract.making import NOW, changed, inserted, job, jobs, wanted, write


def ids(found: list[Job] | tuple[Job, ...]) -> list[str]:
    return [one.job_id for one in found]


async def test_held_by_lists_what_a_worker_holds_page_by_page(store: Store) -> None:
    held = [
        job(number, status=status, worker_id="w1")
        for number, status in enumerate([Status.ASSIGNED, Status.RUNNING, Status.UNKNOWN] * 2)
    ]
    others = [
        job(100 + number, status=status, worker_id="w1")
        for number, status in enumerate(Status)
        if number not in (2, 3, 4)
    ]
    await inserted(store, *held, *others, job(200, status=Status.RUNNING, worker_id="w2"))
    assert await store.reads.jobs.held_by("w1") == held
    assert await store.reads.jobs.held_by("w1", limit=4) == held[:4]
    assert await store.reads.jobs.held_by("w1", after=held[3].job_id) == held[4:]
    assert await store.reads.jobs.held_by("w3") == []


async def test_waiting_of_counts_scheduled_and_queued_jobs_of_one_owner(store: Store) -> None:
    await inserted(store, job(0, status=Status.SCHEDULED), job(1), job(2, status=Status.RUNNING), job(3, owner="other"))
    assert await store.reads.jobs.waiting_of("owner") == 2
    assert await store.reads.jobs.waiting_of("other") == 1
    assert await store.reads.jobs.waiting_of("nobody") == 0
    await store.jobs_write.claim(wanted("c1"))
    assert await store.reads.jobs.waiting_of("owner") == 1


async def test_counts_name_every_status_and_follow_each_change(store: Store) -> None:
    assert await store.reads.jobs.counts() == dict.fromkeys(Status, 0)
    await inserted(store, *jobs(5), job(5, owner="other"))
    claimed = await store.jobs_write.claim(wanted("c1", limit=2))
    await store.jobs_write.apply([write(claimed[0], changed(claimed[0], status=Status.FAILED), "x1")])
    expected = {Status.QUEUED: 4, Status.ASSIGNED: 1, Status.FAILED: 1}
    assert await store.reads.jobs.counts() == dict.fromkeys(Status, 0) | expected


async def test_assigned_elsewhere_gives_the_longest_assigned_of_other_workers_first(store: Store) -> None:
    assigned = [
        job(n, status=Status.ASSIGNED, worker_id=f"w{n % 2}", klass="ab"[n // 4], assigned_at=NOW - n) for n in range(8)
    ]
    await inserted(store, *assigned, job(9, status=Status.RUNNING, worker_id="w1", klass="a", assigned_at=NOW - 100))
    found = await store.reads.jobs.assigned_elsewhere("w0", NOW, 3)
    assert ids(found) == [job(7).job_id, job(5).job_id, job(3).job_id]
    assert ids(await store.reads.jobs.assigned_elsewhere("w1", NOW - 4, 10)) == [job(6).job_id, job(4).job_id]


async def test_overdue_finds_what_the_clock_brings_and_no_more_than_the_limit(store: Store) -> None:
    ttl = Spec(command=("true",), ttl_sec=10)
    due = [job(n, status=Status.SCHEDULED, due_at=NOW + n) for n in range(3)]
    expiring = [job(10 + n, spec=ttl, created_at=NOW + n) for n in range(3)]
    unknown = [job(20 + n, status=Status.UNKNOWN, unknown_at=NOW + n) for n in range(3)]
    await inserted(store, *due, *expiring, *unknown, job(30), job(31, spec=ttl, status=Status.RUNNING, created_at=0))
    nothing = await store.reads.jobs.overdue(NOW - 1, NOW, 10)
    assert (nothing.due, nothing.expired, nothing.lost) == ((), (), ())
    found = await store.reads.jobs.overdue(NOW + 1, NOW + 1, 10)
    assert (ids(found.due), found.expired, ids(found.lost)) == (ids(due[:2]), (), ids(unknown[:1]))
    found = await store.reads.jobs.overdue(NOW + 10_001, NOW + 100, 2)
    assert (ids(found.due), ids(found.expired), ids(found.lost)) == (ids(due[:2]), ids(expiring[:2]), ids(unknown[:2]))


async def test_a_job_that_began_before_expires_no_more(store: Store) -> None:
    await inserted(store, job(0, spec=Spec(command=("true",), ttl_sec=10)))
    (mine,) = await store.jobs_write.claim(wanted("c1"))
    assert (await store.reads.jobs.overdue(NOW + 60_000, 0, 10)).expired == ()
    back = changed(mine, status=Status.QUEUED)
    await store.jobs_write.apply([write(mine, back, "x1")])
    assert (await store.reads.jobs.overdue(NOW + 60_000, 0, 10)).expired == (back,)
