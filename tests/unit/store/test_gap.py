"""Output of which a piece is gone: what comes after it is never taken for what was there."""

import os
from pathlib import Path

import apsw

from cmdexec.admin.doctor.verify import verify
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.contract.output import Append
from cmdexec.store.sqlite.engine import FILE, SqliteStore
from tests.contract.making import started


async def test_reading_stops_where_a_piece_is_gone_and_doctor_finds_it(store: SqliteStore, tmp_path: Path) -> None:
    go = await started(store)
    output = store.reads.output
    for offset, data in ((0, b"one"), (3, b"two"), (6, b"three")):
        (appended,) = await output.append([Append(go.job_id, 1, "s1", "stdout", offset, data, 1 << 20)])
        assert appended.refused is None
    assert await output.read(go.job_id, 1, "stdout", 1, 100) == b"netwothree"
    db = apsw.Connection(os.fspath(tmp_path / FILE))
    db.execute("DELETE FROM chunks WHERE start = 3")
    db.close()
    assert await output.read(go.job_id, 1, "stdout", 1, 100) == b"ne"
    assert await output.read(go.job_id, 1, "stdout", 4, 100) == b""
    assert await output.read(go.job_id, 1, "stdout", 6, 100) == b"three"
    found = await verify(Inspection(store.reads.jobs, store.reads.lists, output, store.close))
    assert [one.told for one in found.found if one.name == "C7"] == [
        [(go.job_id, "stdout of attempt 1 has 3 bytes, and counts 11")]
    ]
