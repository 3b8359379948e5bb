"""Workers and their leases: judged by how long ago the store heard of each."""

import asyncio

import msgspec
import pytest

from cmdexec.errors import Refused
from cmdexec.model.absence import Absence
from cmdexec.store.contract.workers import Given, WorkerRow
from tests.contract.engines import Place, Store
from tests.contract.making import NOW, worker


def seen(row: WorkerRow | None, place: Place, seconds_ago: float = 0) -> WorkerRow:
    """The row without when it was last seen: by the store's clock so long ago, and not much longer."""
    assert row is not None
    assert 0 <= place.time() - row.seen_at - seconds_ago * 1000 < 2000
    return msgspec.structs.replace(row, seen_at=0)


async def test_a_registered_worker_is_read_as_it_was_given_and_stamped(place: Place) -> None:
    store = place.open()
    assert await store.reads.workers.register(worker()) is None
    (row, none) = await store.reads.workers.get(["w1", "nobody"])
    assert (seen(row, place), none) == (worker(), None)
    assert await store.reads.workers.all() == [row]


async def test_registering_again_returns_the_row_before_and_keeps_when_it_first_came(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker())
    place.go_on(5)
    second = worker(session="s2", slots=8, registered_at=NOW + 5000)
    assert seen(await store.reads.workers.register(second), place, 5) == worker()
    (row,) = await store.reads.workers.get(["w1"])
    assert seen(row, place) == msgspec.structs.replace(second, registered_at=NOW)


async def test_where_a_worker_was_is_kept_with_it(place: Place) -> None:
    store = place.open()
    away = (Absence(NOW, NOW + 5000, "slept"), Absence(NOW + 9000, NOW + 9001, "beamed_up"))
    await store.reads.workers.register(worker(absences=away))
    await store.reads.workers.change("w1", draining=True)
    store = await place.reopen()
    (row,) = await store.reads.workers.get(["w1"])
    assert row is not None
    assert row.absences == away


async def test_a_revoked_worker_stays_revoked_when_it_registers_again(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker())
    await store.reads.workers.revoke("w1")
    await store.reads.workers.register(worker(session="s2"))
    store = await place.reopen()
    (row,) = await store.reads.workers.get(["w1"])
    assert row is not None
    assert (row.revoked, row.session) == (True, "s2")


async def test_what_people_gave_a_worker_stays_whatever_it_says(place: Place) -> None:
    store = place.open()
    assert await store.reads.workers.change("w1", draining=True) is None
    await store.reads.workers.register(worker("w1", token_labels={"zone": "a"}, labels={"gpu": "k80"}))
    changed = await store.reads.workers.change("w1", draining=True, labels={"gpu": "", "rack": "7"})
    assert changed is not None
    assert (changed.given.draining, changed.all_labels) == (True, {"zone": "a", "rack": "7"})
    assert (await store.reads.workers.change("w1", name="nightly")) is not None
    before = await store.reads.workers.register(worker("w1", name="another", labels={"gpu": "t4"}))
    assert before is not None
    assert before.given == Given("nightly", {"gpu": "", "rack": "7"}, draining=True)
    store = await place.reopen()
    (row,) = await store.reads.workers.get(["w1"])
    assert row is not None
    assert (row.called, row.all_labels, row.given.draining) == ("nightly", {"rack": "7"}, True)


async def test_a_label_that_is_given_leaves_those_given_before(store: Store) -> None:
    workers = store.reads.workers
    await workers.register(worker("w1", labels={"gpu": "t4"}))
    for given, then in (
        ({"site": "lab"}, {"site": "lab"}), ({"rack": "7"}, {"site": "lab", "rack": "7"}),
        ({"gpu": "", "site": ""}, {"gpu": "", "rack": "7"}), ({"never": "", "gpu": None}, {"rack": "7"}),
        ({"rack": None, "gpu": "a100"}, {"gpu": "a100"}), ({}, {"gpu": "a100"}),
    ):  # fmt: skip
        row = await workers.change("w1", labels=given)
        assert row is not None
        assert row.given.labels == then
    with pytest.raises(Refused, match=r"can be given 100 labels; .* would have 101"):
        await workers.change("w1", labels={f"l{number}": "x" for number in range(100)})


async def test_who_revoked_a_worker_first_stays_known(store: Store) -> None:
    assert await store.reads.workers.revoke("w1", "ann") is None
    await store.reads.workers.register(worker("w1"))
    for by in ("ann", "bo"):
        row = await store.reads.workers.revoke("w1", by)
        assert row is not None
        assert (row.revoked, row.given.by) == (True, "ann")
    assert (await store.reads.workers.get(["w1"])) == [row]


async def test_workers_are_listed_by_id_page_by_page(store: Store) -> None:
    for number in (3, 1, 5, 2, 4):
        await store.reads.workers.register(worker(f"w{number}"))
    assert [row.worker_id for row in await store.reads.workers.all(limit=2)] == ["w1", "w2"]
    assert [row.worker_id for row in await store.reads.workers.all(after="w2")] == ["w3", "w4", "w5"]


async def overdue(store: Store, age_sec: float) -> list[str]:
    return sorted(row.worker_id for row in await store.reads.workers.overdue(age_sec))


async def test_who_was_not_renewed_for_longer_than_the_age_is_overdue(place: Place) -> None:
    store = place.open()
    for worker_id in ("w1", "w2", "w3"):
        await store.reads.workers.register(worker(worker_id))
    place.go_on(40)
    await store.reads.workers.renew(["w2"])
    assert await overdue(store, 60) == []
    place.go_on(30)
    assert await overdue(store, 60) == ["w1", "w3"]
    await store.reads.workers.register(worker("w3"))
    assert await overdue(store, 60) == ["w1"]
    place.go_on(31)
    assert await overdue(store, 60) == ["w1", "w2"]


async def test_a_jump_of_the_wall_clock_makes_nobody_overdue(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker())
    place.clock.wall += 365 * 86_400_000
    assert await overdue(store, 60) == []


async def test_a_lost_worker_is_named_no_more_until_it_is_renewed(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker())
    place.go_on(100)
    assert not await store.reads.workers.mark_lost("w1", "another session", 60)
    assert await overdue(store, 60) == ["w1"]
    assert await store.reads.workers.mark_lost("w1", "s1", 60)
    assert await overdue(store, 60) == []
    (row,) = await store.reads.workers.get(["w1"])
    assert row is not None
    assert row.lost
    await store.reads.workers.renew(["w1"])
    (row,) = await store.reads.workers.get(["w1"])
    assert row is not None
    assert not row.lost
    place.go_on(61)
    assert await overdue(store, 60) == ["w1"]


async def test_a_worker_that_was_renewed_since_it_was_judged_is_not_marked_and_stays_judged(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker())
    place.go_on(61)
    assert await overdue(store, 60) == ["w1"]
    await store.reads.workers.renew(["w1"])
    assert not await store.reads.workers.mark_lost("w1", "s1", 60)
    (row,) = await store.reads.workers.get(["w1"])
    assert row is not None
    assert not row.lost
    place.go_on(61)
    assert await overdue(store, 60) == ["w1"]


@pytest.mark.parametrize("heard", ["renewed", "registered"])
@pytest.mark.parametrize("first", ["mark", "heard"])
async def test_a_mark_and_a_sign_of_life_side_by_side_leave_one_of_both(place: Place, heard: str, first: str) -> None:
    """Whoever comes last: lost and named no more, or alive and judged again after an age."""
    store = place.open()
    workers = store.reads.workers
    await workers.register(worker())
    place.go_on(61)
    mark = workers.mark_lost("w1", "s1", 60)
    alive = workers.renew(["w1"]) if heard == "renewed" else workers.register(worker())
    await asyncio.gather(*((mark, alive) if first == "mark" else (alive, mark)))
    (row,) = await workers.get(["w1"])
    assert row is not None
    assert not row.lost or first == "heard", "what comes last counts"
    place.go_on(61)
    assert await overdue(store, 60) == ([] if row.lost else ["w1"])
    await workers.renew(["w1"])
    (row,) = await workers.get(["w1"])
    assert row is not None
    assert not row.lost
    store = await place.reopen()
    place.go_on(61)
    assert await overdue(store, 60) == ["w1"]


async def test_some_may_be_asked_for_alone(store: Store, place: Place) -> None:
    for worker_id in ("w1", "w2", "w3"):
        await store.reads.workers.register(worker(worker_id))
    place.go_on(61)
    await store.reads.workers.renew(["w2"])
    named = await store.reads.workers.overdue(60, ["w1", "w2", "nobody"])
    assert [row.worker_id for row in named] == ["w1"]
    assert await store.reads.workers.overdue(60, []) == []


async def test_after_opening_every_lease_counts_from_the_opening_and_who_was_lost_stays_so(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker("w1"))
    await store.reads.workers.register(worker("w2"))
    place.go_on(100)
    assert await store.reads.workers.mark_lost("w2", "s1", 60)
    store = await place.reopen()
    assert await overdue(store, 60) == []
    place.go_on(61)
    assert await overdue(store, 60) == ["w1"]


async def test_renewing_a_worker_that_never_registered_makes_no_worker(place: Place) -> None:
    store = place.open()
    await store.reads.workers.renew(["nobody"])
    place.go_on(100)
    assert await overdue(store, 60) == []
    assert await store.reads.workers.all() == []


async def test_when_a_worker_was_seen_is_shown_at_once_and_kept(place: Place) -> None:
    store = place.open()
    await store.reads.workers.register(worker())
    place.go_on(12)
    await store.reads.workers.renew(["w1"])
    (row,) = await store.reads.workers.all()
    assert seen(row, place) == worker()
    store = await place.reopen()
    assert await store.reads.workers.all() == [row]


async def lapsed(store: Store, lease_sec: float) -> list[str]:
    return sorted(row.worker_id for row in await store.reads.workers.lapsed(lease_sec))


async def test_a_longer_lease_of_a_server_before_counts_until_it_is_over(place: Place) -> None:
    store = place.open(lease_sec=60)
    await store.reads.workers.register(worker())
    store = await place.reopen(lease_sec=5)
    place.go_on(30)
    assert (await overdue(store, 5), await lapsed(store, 5)) == (["w1"], [])
    assert not await store.reads.workers.mark_lost("w1", "s1", 5)
    place.go_on(31)
    assert await lapsed(store, 5) == ["w1"]
    assert await store.reads.workers.mark_lost("w1", "s1", 5)
    assert await lapsed(store, 5) == []


@pytest.mark.parametrize("heard", ["renewed", "registered"])
async def test_it_counts_also_where_the_worker_was_heard_since_and_may_not_have_heard_the_answer(
    place: Place, heard: str
) -> None:
    store = place.open(lease_sec=60)
    await store.reads.workers.register(worker())
    store = await place.reopen(lease_sec=5)
    place.go_on(10)
    await (store.reads.workers.renew(["w1"]) if heard == "renewed" else store.reads.workers.register(worker()))
    place.go_on(40)
    assert await lapsed(store, 5) == []
    place.go_on(11)
    assert await lapsed(store, 5) == ["w1"]


async def test_a_longer_lease_is_kept_through_servers_that_were_there_for_less_and_forgotten_when_it_is_over(
    place: Place,
) -> None:
    store = place.open(lease_sec=60)
    await store.reads.workers.register(worker())
    for _ in range(3):
        store = await place.reopen(lease_sec=5)
        place.go_on(6)
        assert await lapsed(store, 5) == []
    place.go_on(55)
    assert await lapsed(store, 5) == ["w1"]
    await store.reads.workers.register(worker())
    store = await place.reopen(lease_sec=5)
    place.go_on(6)
    assert await lapsed(store, 5) == ["w1"]


async def test_a_shorter_lease_of_a_server_before_makes_none_of_the_next_shorter(place: Place) -> None:
    await place.open(lease_sec=5).reads.workers.register(worker())
    store = await place.reopen(lease_sec=60)
    place.go_on(59)
    assert await lapsed(store, 60) == []
    place.go_on(2)
    assert await lapsed(store, 60) == ["w1"]
