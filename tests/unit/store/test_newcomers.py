"""Lists of new jobs, by whichever way the library takes them."""

import pytest

from cmdexec.model.batch import Batch
from cmdexec.store.contract.jobs_write import Inserted, Present
from cmdexec.store.sqlite import newcomers
from cmdexec.store.sqlite.connection import Connection
from cmdexec.store.sqlite.engine import SqliteStore
from tests.contract.making import job


@pytest.mark.parametrize("tables", [True, False])
async def test_a_list_is_stored_the_same_whether_the_library_takes_tables_or_not(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, tables: bool
) -> None:
    used = []
    run_over = Connection.run_over
    monkeypatch.setattr(newcomers, "TAKES_TABLES", tables)
    monkeypatch.setattr(Connection, "run_over", lambda *given: used.append(1) or run_over(*given))
    new = Batch([(job(0, submit_key="k"), [job(number).job_id for number in range(30)])])
    assert await store.jobs_write.insert(new) == Inserted()
    assert await store.jobs_write.insert(new) == Present(tuple(new))
    assert await store.reads.jobs.get(new.job_ids) == list(new)
    assert len(used) == tables
