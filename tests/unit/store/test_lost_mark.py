"""A worker whose mark as lost may or may not have been written is judged again, or found alive for good."""

from collections.abc import Callable
from typing import Any

from cmdexec.errors import Unavailable
from cmdexec.store.sqlite.engine import SqliteStore
from tests.contract.making import worker


async def test_a_mark_of_unknown_outcome_is_made_again_or_taken_back(store: SqliteStore, monkeypatch: Any) -> None:
    workers: Any = store.reads.workers
    for name in ("w1", "w2"):
        await workers.register(worker(name))
    workers._clock.go_on(61)
    run = workers._writer.run

    async def unknown(call: Callable[[Any], Any], size: int = 0) -> Any:
        await run(call, size)
        raise Unavailable("store_away", "The answer was lost.")

    monkeypatch.setattr(workers._writer, "run", unknown)
    for name in ("w1", "w2"):
        try:
            marked = await workers.mark_lost(name, "s1", 60)
        except Unavailable:
            marked = None
        assert marked is None
    monkeypatch.setattr(workers._writer, "run", run)
    await workers.renew(["w1"])
    monkeypatch.setattr(workers._writer, "run", unknown)
    await workers.renew(["w1"])
    monkeypatch.setattr(workers._writer, "run", run)
    first, second = await workers.get(["w1", "w2"])
    assert not first.lost, "and only its first renewal had to be written"
    assert [row.worker_id for row in await workers.overdue(60)] == ["w2"]
    assert await workers.mark_lost("w2", "s1", 60)
    assert await workers.overdue(60) == []
    assert second.lost
