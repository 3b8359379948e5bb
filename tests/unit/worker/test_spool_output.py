"""Output comes out of the spool byte for byte, wherever it was kept and whatever died in between."""

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdexec.errors import CmdexecError
from cmdexec.protocol.messages import INLINE_MAX, Assignment, Done, Stream
from cmdexec.worker.spool import segments
from cmdexec.worker.spool.output import STREAMS, AttemptOutput
from cmdexec.worker.spool.records import Ended, Forgotten, Received, Spawning, key_of
from cmdexec.worker.spool.spool import Spool
from tests.support.worker import BOOT, OTHER_BOOT, job_id, read_out, recorded, spool_in

KEY = key_of(job_id(1), 1)


def begun(spool: Spool) -> AttemptOutput:
    spool.journal([Received(Assignment(job_id=job_id(1), attempt=1, command="x")), Spawning(job_id(1), 1)])
    return spool.begin(KEY)


def end(spool: Spool, output: AttemptOutput) -> None:
    done = Done(job_id=job_id(1), attempt=1, exit_code=0, output=spool.close(output))

    def settled() -> None:
        spool.journal([Ended(Done(job_id=job_id(1), attempt=1, output=done.output, inline=output.loose()))])

    spool.settle(output, settled)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool" / "output").iterdir())


WRITE = st.tuples(st.sampled_from(STREAMS), st.integers(1, 3_000))
STEP = st.one_of(WRITE, st.tuples(st.just("ack"), st.floats(0, 1)), st.just(("turn", 0)), st.just(("away", 0)))


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1_500)


@settings(max_examples=120)
@given(steps=st.lists(STEP, max_size=40), restarts=st.integers(0, 2), seed=st.integers(0, 2**32))
def test_what_is_not_acknowledged_survives_in_order_and_whole(
    steps: list[tuple[str, float]], restarts: int, seed: int
) -> None:
    """Random writes, acknowledgements and turns of the writer; then the end, and restarts: all that the server had not
    acknowledged is there, once, with the digest of the whole."""
    import random

    rng = random.Random(seed)

    async def run(folder: Path) -> None:
        spool, _ = spool_in(folder)
        output = begun(spool)
        written = {"stdout": b"", "stderr": b""}
        for step, value in steps:
            if step == "turn":
                await spool.turn()
            elif step == "away":
                spool.away = not spool.away
            elif step == "ack":
                acked = {name: int(output.stream(name).end * value) for name in STREAMS}
                spool.ack(output, acked["stdout"], acked["stderr"])
            else:
                data = rng.randbytes(int(value))
                written[step] += data
                spool.write(output, cast(Stream, step), data)
        end(spool, output)
        await spool.turn()
        acked = {name: output.stream(name).acked for name in STREAMS}
        for _ in range(restarts):
            spool.shut()
            spool, (found,) = spool_in(folder)
            output = found.output
            assert found.done is not None
            for name in STREAMS:
                told = found.done.output.stdout if name == "stdout" else found.done.output.stderr
                assert told.digest == hashlib.sha256(written[name]).hexdigest()
                assert told.bytes == len(written[name])
                assert output.stream(name).acked <= acked[name]
        starts = {name: output.stream(name).acked for name in STREAMS}
        for name in STREAMS:
            output.stream(name).rewind(starts[name])
        assert await read_out(spool, output) == {name: written[name][starts[name] :] for name in STREAMS}
        spool.ack(output, output.stdout.end, output.stderr.end)
        await spool.turn()
        assert (spool.memory, spool.on_disk, files(folder)) == (0, 0, [])
        spool.shut()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@given(sizes=st.lists(WRITE, max_size=30), cap=st.integers(0, 20_000), tail=st.integers(0, 4_000))
def test_past_the_cap_head_and_tail_are_kept_and_the_gap_is_named(
    sizes: list[tuple[Stream, int]], cap: int, tail: int
) -> None:
    async def run(folder: Path) -> None:
        spool, _ = spool_in(folder, output_cap_bytes=cap, output_tail_bytes=min(tail, cap))
        output = spool.begin(KEY)
        written = {"stdout": bytearray(), "stderr": bytearray()}
        for number, (name, size) in enumerate(sizes):
            data = bytes((number + i) % 251 for i in range(size))
            written[name] += data
            spool.write(output, name, data)
        done = spool.close(output)
        kept = await read_out(spool, output)
        total = 0
        for name in STREAMS:
            told = done.stdout if name == "stdout" else done.stderr
            expected = bytes(written[name])
            for start, stop in reversed(told.lost):
                assert start < stop <= len(expected)
                expected = expected[:start] + expected[stop:]
            assert kept[name] == expected
            assert (told.bytes, told.digest) == (len(expected), hashlib.sha256(expected).hexdigest())
            total += len(expected)
        assert total <= cap
        if sum(map(len, written.values())) <= cap - 2 * (min(tail, cap) // 2):
            assert not done.stdout.lost
            assert not done.stderr.lost
        spool.shut()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def test_small_output_of_a_short_job_never_touches_a_file_of_its_own(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, output_window_bytes=64_000)
    output = begun(spool)
    spool.write(output, "stdout", b"o" * INLINE_MAX)
    spool.write(output, "stderr", b"e")
    end(spool, output)
    await spool.turn()
    assert output.unsent_inline() == output.loose()
    assert files(tmp_path) == []
    spool.shut()
    spool, (found,) = spool_in(tmp_path)
    assert await read_out(spool, found.output) == {"stdout": b"o" * INLINE_MAX, "stderr": b"e"}
    spool.shut()


async def test_what_waits_long_enough_goes_to_disk_and_survives_the_process(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path)
    output = begun(spool)
    spool.write(output, "stdout", b"one")
    await spool.turn()
    assert files(tmp_path) == [], "it has not waited for a turn yet"
    spool.write(output, "stdout", b"two")
    await spool.turn()
    spool.shut()
    spool, (found,) = spool_in(tmp_path)
    assert found.done is None
    assert await read_out(spool, found.output) == {"stdout": b"one", "stderr": b""}
    spool.shut()


async def test_a_writer_is_paused_when_memory_is_full_and_let_go_when_there_is_room(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, spool_max_bytes=0)
    relieved: list[str] = []
    spool.relieved = relieved.extend
    output = begun(spool)
    taken = 0
    while spool.write(output, "stdout", b"x" * 1_000):
        taken += 1
    assert taken == 4, "the window"
    await spool.turn()
    assert files(tmp_path) == [], "the disk has no room for it"
    assert relieved == []
    spool.ack(output, 4_999, 0)
    assert relieved == []
    spool.ack(output, 5_000, 0)
    assert relieved == [KEY]
    spool.shut()


async def test_while_the_server_is_away_the_disk_makes_room_for_more(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path)
    relieved: list[str] = []
    spool.relieved = relieved.extend
    output = begun(spool)
    writer = asyncio.create_task(spool.run())
    written = 0
    async with asyncio.timeout(10):
        while written < 200_000:
            written += 1_000
            if not spool.write(output, "stdout", b"x" * 1_000):
                while not relieved:
                    await asyncio.sleep(0)
                relieved.clear()
    assert spool.memory <= 5_000
    assert spool.on_disk >= 195_000
    assert len((await read_out(spool, output))["stdout"]) == 200_000
    writer.cancel()
    spool.shut()


async def test_a_disk_that_fails_pauses_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, _ = spool_in(tmp_path)
    output = begun(spool)
    (tmp_path / "spool" / "output").rename(tmp_path / "gone")
    spool.write(output, "stdout", b"x" * 9_000)
    settled: list[str] = []
    spool.settle(output, recorded(settled, "settled"))
    await spool.turn()
    assert spool.memory == 9_000
    assert settled == []
    (tmp_path / "gone").rename(tmp_path / "spool" / "output")
    await spool.turn()
    assert settled == ["settled"]
    assert await read_out(spool, output) == {"stdout": b"x" * 9_000, "stderr": b""}
    spool.shut()


async def test_the_files_of_what_is_forgotten_are_deleted_also_by_the_next_process(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path)
    output = begun(spool)
    spool.write(output, "stderr", b"x" * 9_000)
    spool.settle(output, recorded([], "settled"))
    await spool.turn()
    assert files(tmp_path)
    spool.journal([Forgotten(job_id(1), 1)])
    spool.shut()
    spool, found = spool_in(tmp_path)
    assert found == []
    assert files(tmp_path) == []
    spool.shut()


async def test_dropped_output_is_deleted_even_while_it_is_being_written(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path)
    output = begun(spool)
    spool.write(output, "stdout", b"x" * 9_000)
    planned = output.stdout.plan(9_000, 9_000)
    spool.drop(output)
    segments.write_all(planned)
    spool._delete(output.stdout.wrote(planned, forget=True))
    await spool.turn()
    assert files(tmp_path) == []
    assert spool.write(output, "stdout", b"late")
    assert spool.memory == 0
    spool.shut()


@pytest.mark.parametrize(
    ("boot", "spawned", "why"),
    [(BOOT, False, "neverSpawned"), (BOOT, True, "dead"), (OTHER_BOOT, False, "dead"), (OTHER_BOOT, True, "dead")],
)
async def test_a_new_process_knows_what_can_have_run(tmp_path: Path, boot: bytes, spawned: bool, why: str) -> None:
    spool, _ = spool_in(tmp_path)
    spool.journal([Received(Assignment(job_id=job_id(1), attempt=1, command="x"))])
    if spawned:
        spool.journal([Spawning(job_id(1), 1)])
    session = spool.session
    spool.shut()
    spool, (found,) = spool_in(tmp_path, boot)
    assert spool.session == session
    assert found.record.release == why
    spool.shut()


async def test_a_torn_journal_proves_nothing(tmp_path: Path) -> None:
    """What is missing may have been the spawn: the attempt is dead, not unborn."""
    spool, _ = spool_in(tmp_path)
    spool.journal([Received(Assignment(job_id=job_id(1), attempt=1, command="x"))])
    spool.shut()
    with (tmp_path / "spool" / "journal").open("ab") as journal:
        journal.write(b"\x00\x00\x00\x40half of a record")
    spool, (found,) = spool_in(tmp_path)
    assert found.record.release == "dead"
    spool.shut()


async def test_a_lost_spool_is_a_new_session(tmp_path: Path) -> None:
    sessions = set()
    for _ in range(2):
        spool, _ = spool_in(tmp_path)
        sessions.add(spool.session)
        spool.shut()
    assert len(sessions) == 1
    (tmp_path / "spool" / "journal").unlink()
    spool, _ = spool_in(tmp_path)
    assert spool.session not in sessions
    spool.shut()


def test_a_folder_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(CmdexecError, match="cannot be read or written") as raised:
        spool_in(tmp_path)
    assert raised.value.code == "bad_data_dir"
    assert raised.value.mend
