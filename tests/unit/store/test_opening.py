"""Opening: whose file it is, and what is said of one that cannot be opened."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.runtime import Inline
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.engine import FILE, SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import inserted, job


def opened(folder: Path, busy_sec: float = 5.0) -> SqliteStore:
    runtime = runtime_with(HandClock(), Inline())
    return open_sqlite(folder, runtime, queue_items=100, disk_reserve_bytes=0, busy_sec=busy_sec)


async def test_a_new_store_is_its_owners_alone_and_carries_our_mark(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await inserted(store, job(0))
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}
    await store.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
        assert database.execute("PRAGMA user_version").fetchone() == (schema.newest(),)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_closing_leaves_one_file_and_closing_twice_is_fine(tmp_path: Path) -> None:
    store = opened(tmp_path)
    await inserted(store, job(0))
    await store.close()
    await store.close()
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    with pytest.raises(Unavailable):
        await store.reads.jobs.get([job(0).job_id])
    with pytest.raises(Unavailable):
        await store.jobs_write.insert([job(1)])


async def test_the_way_to_the_folder_may_lead_over_links(tmp_path: Path) -> None:
    """As a home folder often does; only the file itself may be none."""
    (tmp_path / "disk" / "home").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    store = opened(tmp_path / "link" / "home")
    await inserted(store, job(0))
    assert await store.reads.jobs.get([job(0).job_id]) != [None]
    await store.close()
    assert (tmp_path / "disk" / "home" / FILE).stat().st_size > 0


def test_wide_rights_are_taken_back(tmp_path: Path) -> None:
    (tmp_path / FILE).touch(0o644)
    opened(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def refusal(folder: Path) -> CmdexecError:
    """What opening is refused with; the file stays as it was."""
    before = (folder / FILE).read_bytes()
    with pytest.raises(CmdexecError) as caught:
        opened(folder, busy_sec=0.05)
    assert (folder / FILE).read_bytes() == before
    assert str(folder / FILE) in caught.value.message
    assert caught.value.mend
    return caught.value


def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("CREATE TABLE jobs (theirs)")
    assert refusal(tmp_path).code == "bad_data_dir"
    assert "not a store of cmdexec" in refusal(tmp_path).message


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is a letter, not a database\n" * 1000)
    assert refusal(tmp_path).code == "bad_data_dir"


async def test_a_damaged_store_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await opened(tmp_path).close()
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:100] + os.urandom(4096) + path.read_bytes()[4196:])
    error = refusal(tmp_path)
    assert (error.code, "damaged" in error.message) == ("bad_data_dir", True)
    assert caplog.records == [], "the sentence says it all"


async def test_a_store_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    await opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute(f"PRAGMA user_version = {schema.newest() + 1}")
    error = refusal(tmp_path)
    assert "newer" in error.message
    assert "Update cmdexec" in str(error)


HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program holds the file. Locks do not count within one process, so it must be another one."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


async def test_a_file_that_another_program_holds_is_refused_in_time(tmp_path: Path) -> None:
    await opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("PRAGMA journal_mode = delete")
    with held(tmp_path / FILE):
        assert refusal(tmp_path).code == "in_use"
    await opened(tmp_path).close()


async def test_an_open_store_that_another_program_holds_is_away_and_comes_back_by_itself(tmp_path: Path) -> None:
    store = opened(tmp_path, busy_sec=0.05)
    await inserted(store, job(0))
    with held(tmp_path / FILE):
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await store.jobs_write.insert([job(1)])
            assert caught.value.code == "store_away"
        assert await store.reads.jobs.get([job(0).job_id, job(1).job_id]) == [job(0), None]
    await inserted(store, job(1))
    await store.close()


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CmdexecError, match="is a link, and the store follows none"):
        opened(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CmdexecError, match="cannot be opened"):
        opened(tmp_path / "nowhere")


async def test_an_older_store_is_brought_up_to_date_step_by_step_and_a_step_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)
    await inserted(store, job(0))
    await store.close()
    steps = tmp_path / "steps"
    shutil.copytree(schema._MIGRATIONS, steps)
    monkeypatch.setattr(schema, "_MIGRATIONS", steps)
    old = schema.newest()
    following, faulty = steps / f"{old + 1:04}_next.sql", steps / f"{old + 2:04}_faulty.sql"
    following.write_text("ALTER TABLE jobs ADD COLUMN colour TEXT; CREATE TABLE colours (name TEXT);")
    faulty.write_text("CREATE TABLE shapes (name TEXT); CREATE TABLE colours (again TEXT);")
    with pytest.raises(Exception, match="colours"):
        opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (old + 1,)
        assert database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'shapes'").fetchone() == (0,)
        assert database.execute("SELECT job_id, colour FROM jobs").fetchall() == [(job(0).job_id, None)]
    faulty.write_text("CREATE TABLE shapes (name TEXT);")
    store = opened(tmp_path)
    assert await store.reads.jobs.get([job(0).job_id]) == [job(0)]
    await store.close()
