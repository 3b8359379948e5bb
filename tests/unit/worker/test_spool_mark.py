"""What is stored of an output that outlives the worker is known to the next process, whatever a kill left undone."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdexec.protocol.messages import Assignment, ContainerOrder, Stream
from cmdexec.worker.spool.mark import MARK_BYTES, Mark
from cmdexec.worker.spool.output import STREAMS, AttemptOutput
from cmdexec.worker.spool.records import Forgotten, Received, Spawning, key_of
from cmdexec.worker.spool.spool import Spool
from tests.support.worker import job_id, spool_in

KEY = key_of(job_id(1), 1)
STEPS = st.lists(st.tuples(st.sampled_from(STREAMS), st.integers(1, 9_000), st.floats(0, 1)), max_size=20)


def begun(folder: Path) -> tuple[Spool, AttemptOutput]:
    """A job in a container runs."""
    spool, _ = spool_in(folder, output_window_bytes=10**6)
    order = Assignment(job_id=job_id(1), attempt=1, command="x", container=ContainerOrder(image="a"))
    spool.journal([Received(order), Spawning(job_id(1), 1)])
    return spool, spool.begin(KEY, outlives=True)


def again(folder: Path) -> AttemptOutput:
    """What the next process makes of it."""
    spool, (found,) = spool_in(folder)
    spool.shut()
    return found.output


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_end_of_what_was_acknowledged_is_known_afterwards(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Stream, int, float]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool, output = begun(folder)
    wrote: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
    acked: dict[Stream, int] = {"stdout": 0, "stderr": 0}
    for name, size, share in steps:
        data = os.urandom(size)
        spool.write(output, name, data)
        wrote[name] += data
        acked[name] += round(share * (len(wrote[name]) - acked[name]))
        spool.ack(output, acked["stdout"], acked["stderr"])
    spool.close(output)
    spool.shut()
    found = again(folder)
    for name in STREAMS:
        stored = wrote[name][: acked[name]]
        assert found.stored(name) == (len(stored), stored[-MARK_BYTES:])
    found.close()


async def test_what_is_on_disk_beyond_that_goes_on_where_it_ends(tmp_path: Path) -> None:
    spool, output = begun(tmp_path)
    data = os.urandom(3_000)
    spool.write(output, "stdout", data[:2_000])
    spool.ack(output, 1_500, 0)
    spool.write(output, "stdout", data[2_000:])
    for _ in range(2):
        await spool.turn()
    spool.close(output)
    spool.shut()
    found = again(tmp_path)
    assert found.stored("stdout") == (3_000, data)
    found.close()


def test_a_state_that_was_half_written_leaves_the_one_before(tmp_path: Path) -> None:
    mark = Mark(str(tmp_path), KEY)
    for place in range(0, 3_000, 1_000):
        mark.keep("stderr", place, bytes([place // 1_000]) * 1_000)
    mark.close()
    whole = Path(mark.path).read_bytes()
    torn = whole.replace(b"\2" * 1_000, b"\2" * 500 + b"\0" * 500)
    assert torn != whole
    Path(mark.path).write_bytes(torn)
    after = Mark(str(tmp_path), KEY)
    after.load()
    assert after.stored("stderr") == (2_000, b"\0" * 1_000 + b"\1" * 1_000)
    assert after.stored("stdout") == (0, b"")
    after.keep("stderr", 2_000, b"more")
    after.close()
    last = Mark(str(tmp_path), KEY)
    last.load()
    assert last.stored("stderr")[0] == 2_004
    last.close()


async def test_it_goes_with_its_attempt(tmp_path: Path) -> None:
    """By the process that forgets it, or the next one."""
    for dropped in (True, False):
        spool, output = begun(tmp_path)
        spool.write(output, "stdout", b"x")
        spool.ack(output, 1, 0)
        mark = tmp_path / "spool" / "output" / f"{KEY}.mark"
        assert mark.exists()
        spool.journal([Forgotten(job_id(1), 1)])
        if dropped:
            spool.drop(output)
            await spool.turn()
        else:
            spool.close(output)
        spool.shut()
        if not dropped:
            assert spool_in(tmp_path)[1] == []
        assert not mark.exists()


def test_output_that_goes_on_counts_from_there_and_names_its_gap() -> None:
    output = AttemptOutput("nowhere", "a.1", cap_bytes=1_000, tail_bytes=0)
    output.goes_on("stdout", 600, gap=False)
    output.goes_on("stderr", 10, gap=True)
    output.write("stdout", b"x" * 100)
    output.write("stderr", b"y" * 400)
    assert (output.stdout.end, output.stdout.in_memory(600, 1_000)) == (700, b"x" * 100)
    done = output.close()
    assert (done.stdout.bytes, done.stdout.digest, done.stdout.lost) == (700, None, ())
    assert (done.stderr.bytes, done.stderr.digest) == (300, None)
    assert done.stderr.lost == ((10, 11), (301, 411)), "what nobody can measure counts as a byte"
