"""The black box of a worker: what it records, what it makes of a machine that slept, and that it hurts nothing."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cmdexec.model.absence import Cause, Kind
from cmdexec.runtime import ThreadPool
from cmdexec.worker.blackbox.box import FILE, BlackBox
from cmdexec.worker.blackbox.kills import kills
from cmdexec.worker.blackbox.records import SIZE
from cmdexec.worker.blackbox.ring import Ring
from tests.support.blackbox import recorded
from tests.support.small_disk import small_disk
from tests.support.waiting import becomes
from tests.support.worker import BOOT, inline_runtime, worker_settings

BEAT_SEC = 0.01
BOUND_SEC = 30.0


class Clocks:
    """A machine whose clocks a test moves on, beside the time that really passes."""

    def __init__(self) -> None:
        self._real = inline_runtime().clock
        self.slept = self.stood = 0.0

    def elapsed(self) -> float:
        return self._real.elapsed() + self.slept + self.stood

    def awake(self) -> float:
        return self._real.elapsed() + self.stood

    def now(self) -> int:
        return self._real.now() + round((self.slept + self.stood) * 1000)

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


@asynccontextmanager
async def recording(folder: Path, clocks: Clocks, *, records: int = 64) -> AsyncIterator[BlackBox]:
    """A box at work, in a thread of its own as in life."""
    threads = ThreadPool(1, "test")
    runtime = replace(inline_runtime(), clock=clocks, threads=threads, secret_bytes=os.urandom)
    settings = worker_settings(
        folder, black_box_sec=BEAT_SEC, absence_sec=BOUND_SEC, black_box_records=records
    )  # fmt: skip
    box = BlackBox(folder, BOOT, awake=clocks.awake, settings=settings, runtime=runtime)
    await threads.run(box.open)
    task = asyncio.create_task(box.run())
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.wait([task])
        threads.close()


def kinds(folder: Path) -> list[Kind]:
    """What was recorded, but for beats."""
    return [one.kind for one in recorded(folder) if one.kind is not Kind.BEAT]


async def test_it_records_each_event_and_a_beat_now_and_then(tmp_path: Path) -> None:
    async with recording(tmp_path, Clocks()) as box:
        box.connected()
        await becomes(lambda: (tmp_path / FILE).exists() and len(recorded(tmp_path)) > 5, "it beats")
        box.disconnected()
        box.disconnected()
        box.stopping()
        box.stopping()
    box.shut(in_order=True)
    found = recorded(tmp_path)
    assert kinds(tmp_path) == [Kind.STARTED, Kind.CONNECTED, Kind.LINK_LOST, Kind.STOPPING, Kind.STOPPED]
    last = found[-1]
    assert (last.link, last.stopping, last.boot, len({one.life for one in found})) == (False, True, BOOT, 1)
    assert last.heard_at <= last.at
    assert 0 < last.memory_used < last.memory_total
    assert last.disk_free > 0
    assert (last.group, last.group_kills) == kills()[:2]


async def test_a_machine_that_slept_is_noticed_and_the_server_is_to_hear_of_it(tmp_path: Path) -> None:
    """Also when the link has lived through it: then the worker registers again."""
    clocks, holes = Clocks(), list[bool]()
    async with recording(tmp_path, clocks) as box:
        box.hole = lambda: holes.append(True)
        box.connected()
        assert box.absences() == ()
        clocks.slept += 3600
        await becomes(lambda: holes, "it asks to register again")
        box.heard_at = clocks.elapsed()
        await becomes(lambda: Kind.WOKE in kinds(tmp_path), "that it woke is recorded")
        (away,) = box.absences()
        assert away.cause == Cause.SLEPT
        assert 3_600_000 <= away.until - away.since < 3_605_000
        box.connected()
        assert box.absences() == ()
        clocks.slept += BOUND_SEC / 2
        await becomes(lambda: kinds(tmp_path).count(Kind.WOKE) == 2, "a nap is recorded")
        assert (box.absences(), holes) == ((), [True])


async def test_a_process_that_stood_still_is_told_from_a_machine_that_slept(tmp_path: Path) -> None:
    clocks = Clocks()
    async with recording(tmp_path, clocks) as box:
        box.connected()
        clocks.stood += 3600
        await becomes(box.absences, "it was away")
        assert box.absences()[0].cause == Cause.STALLED


async def test_the_next_process_knows_from_the_file_how_this_one_ended(tmp_path: Path) -> None:
    clocks = Clocks()
    async with recording(tmp_path, clocks) as box:
        box.connected()
        await becomes(lambda: len(recorded(tmp_path)) > 3, "it beats")
    async with recording(tmp_path, clocks) as box:
        assert [one.cause for one in box.absences()] == [Cause.NOT_KNOWN]
        assert [one.cause for one in box.absences()] == [Cause.NOT_KNOWN], "until the server knows it"
        box.connected()
        assert box.absences() == ()
        clocks.stood += BOUND_SEC - 1
    box.shut(in_order=True)
    clocks.stood += 3600
    async with recording(tmp_path, clocks) as box:
        assert [one.cause for one in box.absences()] == [Cause.STOPPED]


async def test_a_record_costs_next_to_nothing(tmp_path: Path) -> None:
    """By default there is one in five seconds: with so much of each it is below a thousandth of a core."""
    async with recording(tmp_path, Clocks()) as box:
        began = time.process_time()
        for _ in range(100):
            box._record(box._now(Kind.BEAT))
        assert (time.process_time() - began) / 100 < 0.005


async def test_a_full_disk_takes_no_record_from_a_ring_that_is_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        async with recording(disk.path, Clocks()) as box:
            box.connected()
            disk.fill()
            await becomes(lambda: recorded(disk.path)[-1].disk_free == 0, "it records that the disk is full")
            assert box.absences() == ()


async def test_a_box_that_cannot_be_written_hurts_nothing_and_is_made_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once."""
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        disk.fill()
        async with recording(disk.path, Clocks(), records=4096) as box:
            box.connected()
            await becomes(lambda: len(caplog.records) > 0, "it is logged")
            await becomes(lambda: box._followed is not None and box._followed.last.kind is Kind.BEAT, "it goes on")
            assert box.absences() == ()
            disk.free()
            await becomes(lambda: any(one.kind is Kind.BEAT for one in recorded(disk.path)), "it records again")
            assert len(caplog.records) == 1


async def test_a_thread_that_is_long_in_coming_is_no_standstill(tmp_path: Path) -> None:
    """Beats are noted while their writing waits: for a folder that is removed, or a slow disk."""
    clocks, told = Clocks(), False

    def hole() -> None:
        nonlocal told
        told = True

    async with recording(tmp_path, clocks) as box:
        box.hole = hole
        box.connected()
        with box._writing:
            for _ in range(4):
                clocks.stood += BOUND_SEC / 2
                noted = box._followed
                await becomes(lambda noted=noted: box._followed is not noted, "it beats all the same")
    assert not told


async def test_what_cannot_be_measured_is_not_known_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "not allowed")

    for name in ("getloadavg", "virtual_memory"):
        monkeypatch.setattr(psutil, name, denied)
    monkeypatch.setattr("cmdexec.worker.blackbox.box.kills", denied)
    async with recording(tmp_path, Clocks()) as box:
        box.connected()
        await becomes(lambda: (tmp_path / FILE).exists() and len(recorded(tmp_path)) > 5, "it records")
    assert {(one.load, one.memory_used, one.group_kills) for one in recorded(tmp_path)} == {(-1.0, -1, -1)}


def test_a_foreign_file_of_any_size_is_taken_over(tmp_path: Path) -> None:
    with (tmp_path / FILE).open("wb") as foreign:
        foreign.truncate(3 << 30)
    ring = Ring(tmp_path / FILE, 16)
    assert ring.open() == []
    ring.close()
    assert (tmp_path / FILE).stat().st_size == 16 * SIZE
