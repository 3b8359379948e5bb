"""Lists of jobs: each filter names just those that it should, and pages neither repeat nor skip a job."""

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec
import pytest

from cmdexec.ids import Ids
from cmdexec.model.batch import Batch
from cmdexec.model.job import Job, Reason, Spec, Status
from cmdexec.store.contract.listing import BadCursor, Filter, PageWanted, brief
from tests.contract.engines import HandClock, Store
from tests.contract.making import changed, inserted, job, write

HOUR = 3_600_000


def made(count: int, clock: HandClock, seed: int = 1) -> list[Job]:
    """Jobs of every kind, a minute apart, with the ids that a server would give them."""
    rng = random.Random(seed)
    ids = Ids(clock, random.Random(1).randbytes)
    jobs = []
    for number in range(count):
        status = rng.choice([*Status, Status.COMPLETED, Status.COMPLETED])
        reason = rng.choice([Reason.EXIT, Reason.OOM]) if status is Status.FAILED else None
        name = rng.choice([None, None, f"Build {number % 5}", "nightly", f"éclair {number}"])
        tags = tuple(rng.sample(["gpu", "GPU", "night", "builder"], rng.randrange(3)))
        jobs.append(
            brief(job(
                number, job_id=ids.new(), created_at=clock.now(), status=status, reason=reason,
                spec=Spec(command=("true",), name=name, tags=tags),
                owner=rng.choice(["ada", "bob"]),
                worker_id=None if status in (Status.SCHEDULED, Status.QUEUED) else f"w{rng.randrange(3)}",
            ))
        )  # fmt: skip
        clock.go_on(60)
    return jobs


async def listed(store: Store, limit: int = 7, scan: int = 1000, newest: int = 10_000, **more: Any) -> list[Job]:
    """All pages, one after the other."""
    order = {"newest_first": more.pop("newest_first")} if "newest_first" in more else {}
    found: list[Job] = []
    cursor: str | None = None
    while True:
        wanted = PageWanted(Filter(**more), limit, scan, newest, after=cursor, **order)
        page = await store.reads.lists.page(wanted)
        assert len(page.jobs) <= limit
        found += page.jobs
        if page.next is None:
            return found
        assert page.next != cursor
        cursor = page.next


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Job], bool]]] = {
    "all": ({}, lambda _: True),
    "a status": ({"statuses": frozenset({Status.QUEUED})}, lambda one: one.status is Status.QUEUED),
    "two statuses": (
        {"statuses": frozenset({Status.COMPLETED, Status.FAILED})},
        lambda one: one.status in (Status.COMPLETED, Status.FAILED),
    ),
    "a reason": ({"reasons": frozenset({Reason.OOM})}, lambda one: one.reason is Reason.OOM),
    "a tag": ({"tags": frozenset({"Gpu"})}, lambda one: not {"gpu", "GPU"}.isdisjoint(one.spec.tags)),
    "either tag": (
        {"tags": frozenset({"gpu", "NIGHT"})}, lambda one: not {"gpu", "GPU", "night"}.isdisjoint(one.spec.tags),
    ),
    "an owner": ({"owner": "ada"}, lambda one: one.owner == "ada"),
    "a worker": ({"worker": "w1"}, lambda one: one.worker_id == "w1"),
    "a tag, a worker and a status": (
        {"tags": frozenset({"builder"}), "worker": "w2", "statuses": frozenset({Status.COMPLETED})},
        lambda one: "builder" in one.spec.tags and one.worker_id == "w2" and one.status is Status.COMPLETED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
async def test_each_filter_finds_what_it_says_in_either_order_and_at_any_size_of_page(store: Store, name: str) -> None:
    jobs = made(60, HandClock())
    await inserted(store, *jobs)
    fields, fits = FILTERS[name]
    expected = [one for one in jobs if fits(one)]
    assert 0 < len(expected)
    for limit, scan, newest_first in product((1, 7, 1000), (1, 30, 1000), (True, False)):
        found = await listed(store, limit, scan, newest_first=newest_first, **fields)
        assert found == (expected[::-1] if newest_first else expected), (limit, scan, newest_first)


@pytest.mark.parametrize(("begins", "count"), [("build", 1000), ("BUILD 3", 1000), ("ÉCL", 1000), ("gp", 1000)])
async def test_a_beginning_is_that_of_a_name_or_a_tag_whatever_its_case(store: Store, begins: str, count: int) -> None:
    jobs = made(120, HandClock())
    await inserted(store, *jobs)
    text = begins.casefold()
    expected = [
        one for one in jobs if any(w.casefold().startswith(text) for w in (one.spec.name or "", *one.spec.tags))
    ]
    assert len(expected) > 3
    for scan in (count, 20, 2):  # the more begin so, the less is looked up
        assert await listed(store, scan=scan, newest=0, begins=begins, newest_first=False) == expected, scan


async def test_an_id_is_found_by_its_beginning_and_a_new_one_by_any_part(store: Store) -> None:
    jobs = made(40, HandClock())
    await inserted(store, *jobs)
    old, new = jobs[3], jobs[38]
    assert await listed(store, begins=old.job_id) == [old]
    assert await listed(store, begins=old.job_id[:-2].upper()) == [old]
    assert await listed(store, newest=10, begins=new.job_id[-10:]) == [new]
    assert await listed(store, newest=10, begins=old.job_id[-10:]) == []
    assert await listed(store, newest=40, begins=old.job_id[-10:]) == [old]


async def test_of_the_newest_jobs_a_part_of_the_name_is_enough(store: Store) -> None:
    spec = Spec(command=("true",), name="the NIGHTLY run", tags=("release 7",))
    await inserted(store, job(0, spec=spec), *(job(number) for number in range(1, 20)))
    for part in ("nightly", "lease"):
        for scan in (1000, 1):
            assert [one.spec.name for one in await listed(store, newest=20, scan=scan, begins=part)] == [spec.name]
            assert await listed(store, newest=19, scan=scan, begins=part) == []


async def test_since_and_until_are_to_the_millisecond(store: Store) -> None:
    clock = HandClock()
    jobs = made(60, clock)
    await inserted(store, *jobs)
    since, until = jobs[10].created_at, jobs[20].created_at
    assert await listed(store, since=since, until=until, newest_first=False) == jobs[10:20]
    assert await listed(store, since=since + 1, until=until + 1, newest_first=False) == jobs[11:21]
    assert await listed(store, since=until, newest_first=False) == jobs[20:]
    assert await listed(store, until=since) == jobs[9::-1]
    assert await listed(store, since=clock.now() + HOUR) == []
    assert await listed(store, until=0) == []


@pytest.mark.parametrize("counted", [20_000, 3])
@pytest.mark.parametrize("more", [
    {}, {"tags": frozenset({"gpu", "night"})}, {"statuses": frozenset({Status.QUEUED})},
    {"statuses": frozenset({Status.COMPLETED, Status.FAILED})}, {"worker": "w1"}, {"begins": "build"},
], ids=lambda more: "-".join(more) or "all")  # fmt: skip
async def test_jobs_of_some_time_are_found_though_the_clock_was_once_ahead_or_behind(
    store: Store, more: dict[str, Any], counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cmdexec.store.mongo import candidates
    from cmdexec.store.sqlite import listing

    for one in (listing, candidates):
        monkeypatch.setattr(one, "_COUNTED_MAX", counted)
    clock = HandClock()
    start = clock.now()
    ahead, now, behind = HandClock(), HandClock(), HandClock()
    ahead.go_on(24 * 3600)
    now.go_on(12 * 3600)
    parts = [made(16, ahead, 1), made(16, now, 2), made(16, behind, 3), made(16, now, 4)]
    each = enumerate(one for part in parts for one in part)
    jobs = [msgspec.structs.replace(one, submit_key=f"k{number}") for number, one in each]
    await inserted(store, *jobs)
    every = {one.job_id for one in await listed(store, **more)}
    assert every
    bounds = [None, *(start + hour * HOUR for hour in (0, 12, 13, 25))]
    for since, until, newest_first, scan in product(bounds, bounds, (True, False), (9, 1000)):
        found = await listed(store, scan=scan, newest_first=newest_first, since=since, until=until, **more)
        expected = {
            one.job_id for one in jobs if one.job_id in every
            and (since is None or one.created_at >= since) and (until is None or one.created_at < until)
        }  # fmt: skip
        assert len(found) == len(expected), (since, until, newest_first, scan)
        assert {one.job_id for one in found} == expected


async def test_jobs_that_come_or_change_between_two_pages_move_no_other(store: Store) -> None:
    jobs = made(20, HandClock())
    await inserted(store, *jobs)
    first = await store.reads.lists.page(PageWanted(Filter(), 8, 1000, 0))
    await inserted(store, *(job(100 + number) for number in range(5)))
    ended = changed(jobs[5], status=Status.COMPLETED)
    await store.jobs_write.apply([write(jobs[5], ended, "x")])
    second = await store.reads.lists.page(PageWanted(Filter(), 100, 1000, 0, after=first.next))
    expected = [brief(ended) if one.job_id == ended.job_id else one for one in jobs[::-1]]
    assert [*first.jobs, *second.jobs] == expected


async def test_a_page_that_looked_at_as_many_as_it_may_is_short_and_has_a_next_one(store: Store) -> None:
    rare = Spec(command=("true",), tags=("rare",))
    await inserted(store, job(0, worker_id="w9", spec=rare), *(job(number) for number in range(1, 50)))
    page = await store.reads.lists.page(PageWanted(Filter(worker="w9"), 10, 20, 0))
    assert page.jobs == ()
    assert page.next is not None
    assert [one.worker_id for one in await listed(store, scan=20, worker="w9")] == ["w9"]
    tagged = await store.reads.lists.page(PageWanted(Filter(tags=frozenset({"rare"})), 10, 1, 0))
    assert (len(tagged.jobs), tagged.next) == (1, None), "a tag is looked up, not looked for"


@pytest.mark.parametrize("cursor", [
    "", "x", "-1", "1-", "1.5", "17", "٣-1", f"1-{2**63}", "1-2-3", "9" * 30 + "-1",
])  # fmt: skip
async def test_a_cursor_that_is_none_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await store.reads.lists.page(PageWanted(Filter(), 10, 10, 10, after=cursor))


async def test_jobs_of_which_nothing_was_written_are_called_nothing(store: Store) -> None:
    named = Spec(command=("true",), name="once")
    await inserted(store, job(1, spec=named))
    again = [msgspec.structs.replace(job(2, spec=named), submit_key="key-1"), job(3, spec=named)]
    await store.jobs_write.insert(again)
    assert await listed(store, begins="once") == [brief(job(1, spec=named))]


async def test_each_of_jobs_that_are_alike_is_listed_by_its_name_and_tags(store: Store) -> None:
    first = job(0, spec=Spec(command=("true",), name="Nightly", tags=("Night", "night", "gpu")))
    await store.jobs_write.insert(Batch([(first, [job(number).job_id for number in range(20)])]))
    assert len(await listed(store, begins="nightly")) == len(await listed(store, tags=frozenset({"NIGHT"}))) == 20


async def test_a_job_is_listed_as_it_stands_now_through_all_its_changes(store: Store) -> None:
    one, other = job(0), job(1)
    await inserted(store, one, other)
    for number, status in enumerate([Status.RUNNING, Status.UNKNOWN, Status.RUNNING, Status.COMPLETED]):
        after = changed(one, status=status, worker_id="w1")
        await store.jobs_write.apply([write(one, after, f"x{number}")])
        one = after
        for asked in Status:
            expected = [brief(found) for found in (other, one) if found.status is asked]
            assert await listed(store, statuses=frozenset({asked})) == expected, (status, asked)


async def test_a_page_holds_no_input_environment_or_long_command_and_reads_no_more_than_it_may(store: Store) -> None:
    large = Spec(command=("echo", "y" * 5000), env={"A": "z" * 20_000}, stdin=b"x" * 20_000, name="large")
    jobs = [job(number, spec=large) for number in range(10)]
    await inserted(store, *jobs)
    found = await listed(store, newest_first=False)
    assert found == [brief(one) for one in jobs]
    assert all(len(repr(one)) < 2000 for one in found)
    page = await store.reads.lists.page(PageWanted(Filter(), 10, 1000, 0, scan_bytes=100_000))
    assert (len(page.jobs), page.next is None) == (3, False)
    alone = await store.reads.lists.page(PageWanted(Filter(worker="w9"), 10, 1000, 0, scan_bytes=1))
    assert (alone.jobs, alone.next is None) == ((), False)
