"""A server that finds something else where its store would be: told in one sentence with what to do, and left as it is;
when that is done, it starts and has every job."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.runtime import system_runtime
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.engine import FILE, open_sqlite
from tests.contract.making import inserted, jobs
from tests.support.starting import JOBS, Starting, content, jobs_in, seeded

AWAY = "Move it away with all files whose names begin with its own, put a backup in its place, and start again."
PAGE = 4096


def random_bytes(file: Path) -> None:
    file.write_bytes(os.urandom(50_000))


def half_of_it(file: Path) -> None:
    os.truncate(file, file.stat().st_size // PAGE // 2 * PAGE)


def half_of_it_within_a_page(file: Path) -> None:
    os.truncate(file, file.stat().st_size // PAGE // 2 * PAGE + 100)


def no_header(file: Path) -> None:
    file.write_bytes(bytes(PAGE) + file.read_bytes()[PAGE:])


def flipped(page: float) -> Callable[[Path], None]:
    """Every bit of one page, at that part of the file."""

    def spoil(file: Path) -> None:
        data = bytearray(file.read_bytes())
        begin = int(page * (len(data) // PAGE - 1)) * PAGE
        data[begin : begin + PAGE] = bytes(byte ^ 0xFF for byte in data[begin : begin + PAGE])
        file.write_bytes(data)

    spoil.__name__ = f"flipped_{page}"
    return spoil


def another_programs(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE jobs (theirs)")
    file.chmod(0o600)


def a_newer_one(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {schema.newest() + 1}")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere.sqlite"))
    file.symlink_to(file.with_name("elsewhere.sqlite"))


DAMAGED = f"is damaged, or is not a store of cmdexec. {AWAY}"
CASES = [
    (random_bytes, DAMAGED),
    (half_of_it, DAMAGED),
    (half_of_it_within_a_page, DAMAGED),
    (no_header, DAMAGED),
    *((flipped(page), f"is damaged. {AWAY}") for page in (0.03, 0.3, 0.5, 0.9, 1.0)),
    (another_programs, f"is not a store of cmdexec. {AWAY}"),
    (
        a_newer_one,
        f"was written by a newer cmdexec (its tables are version {schema.newest() + 1}, known here are "
        f"{schema.newest()}). Update cmdexec, or restore a backup from before the update.",
    ),
    (a_folder, "is a folder, where the store's file would be. Move it away, and start again."),
    (
        a_link,
        "is a link, and the store follows none. Put the file itself there, or name the folder that holds it as "
        "DATA_DIR (--data-dir).",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), CASES, ids=[spoil.__name__ for spoil, _ in CASES])
def test_what_is_not_its_store_is_refused_and_not_touched(
    start: Starting, tmp_path: Path, spoil: Callable[[Path], None], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = seeded(tmp_path / "d")
    file = folder / FILE
    backup = shutil.copy(file, tmp_path / "backup")
    spoil(file)
    before = content(folder)
    code, lines = start("serve", "--port", "0", "--data-dir", str(folder))
    assert (code, lines) == (1, [f"cmdexec: DATA_DIR: {file} {said}"])
    assert content(folder) == before
    assert [one for one in caplog.records if one.levelname == "ERROR"] == [], "the sentence says it all"
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink()
    shutil.copy(backup, file)
    assert jobs_in(folder) == JOBS


@pytest.mark.parametrize("beside", ["-wal", "-shm", "-journal"])
def test_a_folder_where_a_file_beside_it_would_be_is_named_without_a_trace(
    start: Starting, tmp_path: Path, beside: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = seeded(tmp_path / "d")
    (folder / f"{FILE}{beside}").mkdir()
    code, lines = start("serve", "--port", "0", "--data-dir", str(folder))
    said = f"{folder / FILE}{beside} is a folder, where the store's file would be. Move it away, and start again."
    assert (code, lines) == (1, [f"cmdexec: DATA_DIR: {said}"])
    assert [one for one in caplog.records if one.exc_info] == []
    (folder / f"{FILE}{beside}").rmdir()
    assert jobs_in(folder) == JOBS


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: os.truncate(file, 0)], ids=["gone", "emptied"])
def test_a_store_that_is_gone_is_not_begun_anew(start: Starting, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = seeded(tmp_path / "d")
    (folder / "first_admin").write_text("an id\n")
    shutil.copy(folder / FILE, tmp_path / "backup")
    spoil(folder / FILE)
    before = content(folder)
    code, lines = start("serve", "--port", "0", "--data-dir", str(folder))
    assert (code, lines) == (
        1,
        [
            f"cmdexec: DATA_DIR: The store {folder / FILE} is gone or empty, although a server has kept jobs there. "
            f"Put a backup there, or delete {folder / 'first_admin'} to begin anew without its jobs and users."
        ],
    )
    assert content(folder) == before
    shutil.copy(tmp_path / "backup", folder / FILE)
    assert jobs_in(folder) == JOBS


def test_what_a_killed_server_left_in_the_log_of_a_damaged_store_stays_there(start: Starting, tmp_path: Path) -> None:
    """Were it moved into the file at the refusal, nobody could find it again."""
    left, live = tmp_path / "left", tmp_path / "live"
    live.mkdir(mode=0o700)
    left.mkdir(mode=0o700)
    _leave_as_a_kill_does(live, left)
    spoiled = bytearray((left / FILE).read_bytes())
    spoiled[PAGE : 2 * PAGE] = bytes(PAGE)
    (left / FILE).write_bytes(spoiled)
    before = content(left)
    assert set(before) == {FILE, f"{FILE}-wal"}
    code, lines = start("serve", "--port", "0", "--data-dir", str(left))
    assert (code, lines) == (1, [f"cmdexec: DATA_DIR: {left / FILE} is damaged. {AWAY}"])
    assert content(left) == before


def _leave_as_a_kill_does(live: Path, left: Path) -> None:
    async def run() -> None:
        runtime = system_runtime("test", 1)
        store = open_sqlite(live, runtime, queue_items=1000, disk_reserve_bytes=0)
        await inserted(store, *jobs(JOBS))
        await store.close()
        store = open_sqlite(live, runtime, queue_items=1000, disk_reserve_bytes=0)
        await inserted(store, *jobs(5, first=JOBS))
        for name in (FILE, f"{FILE}-wal"):
            shutil.copy(live / name, left / name)
        await store.close()
        runtime.threads.close()

    asyncio.run(run())


def test_a_large_store_is_not_looked_through_at_each_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """STORE_CHECK_BYTES is where that ends: then a bad page is found by whoever reads it."""
    folder = seeded(tmp_path / "d")
    flipped(0.7)(folder / FILE)  # where the jobs are
    runtime, said = system_runtime("test", 1), list[str]()
    size = (folder / FILE).stat().st_size

    async def opened(check_bytes: int) -> None:
        store = open_sqlite(folder, runtime, queue_items=10, disk_reserve_bytes=0, check_bytes=check_bytes)
        with pytest.raises(Unavailable) as caught:
            await store.reads.jobs.get([one.job_id for one in jobs(JOBS)])
        said.append(str(caught.value))
        await store.close()

    asyncio.run(opened(size - 1))
    assert said == ["A part of the store's file is damaged. Stop the server and put a backup of its store in place."]
    assert [one for one in caplog.records if one.exc_info] == [], "no trace: it is no fault of the program"
    with pytest.raises(CmdexecError, match="is damaged"):
        asyncio.run(opened(size))
    runtime.threads.close()
