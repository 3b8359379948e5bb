"""The end of a long stream is kept exactly, on disk; where there can be no file, less of it is kept and said so."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdexec.worker.spool import tail as tail_module
from cmdexec.worker.spool.tail import LOOSE_BYTES, Tail
from tests.support.worker import job_id, spool_in

KEY = f"{job_id(1)}.1"
STREAMS = 2
JOBS = 32
MIB = 2**20
END = b" 98  99"


@pytest.fixture(scope="module", autouse=True)
def little_is_gathered() -> object:
    """So that small examples go round the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail_module, "LOOSE_BYTES", 7)
        yield


@settings(max_examples=200)
@given(pieces=st.lists(st.integers(0, 60), max_size=30), size=st.integers(0, 50))
def test_it_is_the_last_of_what_was_written(
    pieces: list[int], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    tail, written = Tail(f"{folder}/tail", size), b""
    for piece in pieces:
        data = bytes((len(written) + n) % 251 for n in range(piece))
        tail.write(data)
        written += data
    assert tail.take() == (written[-size:] if size else b"")
    assert not (folder / "tail").exists()


def test_without_a_file_less_is_kept_and_the_rest_named_as_lost(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, output_cap_bytes=100, output_tail_bytes=80, output_window_bytes=10**6)
    output = spool.begin(KEY)
    (tmp_path / "spool" / "output").rename(tmp_path / "away")
    spool.write(output, "stdout", b"h" * 20)
    for number in range(100):
        spool.write(output, "stdout", b"%4d" % number)
    done = spool.close(output)
    assert output.stdout.in_memory(0, 1000) == b"h" * 20 + END
    ((start, end),) = done.stdout.lost
    assert (start, end) == (20, 420 - len(END))
    spool.shut()


def test_many_jobs_past_their_cap_cost_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "LOOSE_BYTES", LOOSE_BYTES)
    spool, _ = spool_in(tmp_path, output_cap_bytes=MIB, output_tail_bytes=MIB, output_window_bytes=10**9)
    outputs = [spool.begin(f"{job_id(number)}.1") for number in range(JOBS)]
    for output in outputs:
        for _ in range(40):
            spool.write(output, "stdout", b"x" * 50_000)
            spool.write(output, "stderr", b"y" * 50_000)
    tails = [kept.tail.held for output in outputs for kept in output._kept.values() if kept.tail is not None]
    assert len(tails) == JOBS * STREAMS
    assert max(tails) <= LOOSE_BYTES
    files = len(os.listdir("/proc/self/fd"))
    for output in outputs:
        assert spool.close(output).stdout.bytes == MIB // STREAMS
        spool.drop(output)
    assert len(os.listdir("/proc/self/fd")) == files - JOBS * STREAMS
    spool.shut()


def test_output_that_is_dropped_while_it_is_written_leaves_no_file_open(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, output_cap_bytes=100, output_tail_bytes=80)
    output, files = spool.begin(KEY), len(os.listdir("/proc/self/fd"))
    spool.write(output, "stdout", b"x" * 400)
    assert len(os.listdir("/proc/self/fd")) == files + 1
    spool.drop(output)
    assert len(os.listdir("/proc/self/fd")) == files
    spool.shut()
