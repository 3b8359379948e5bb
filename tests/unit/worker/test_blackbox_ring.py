"""The ring of a black box: of one size, readable after any crash, and harmless where nothing can be written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cmdexec.model.absence import Kind, Vitals
from cmdexec.worker.blackbox.records import SIZE, Numbered, packed, unpacked
from cmdexec.worker.blackbox.ring import Ring
from tests.support.waiting import until

ONE = Vitals(Kind.BEAT, 1_764_000_000_000, 5, 4, b"b" * 16, b"l" * 8, link=True, heard_at=3, heard=2, load=0.25)
TIMES = st.integers(-(2**62), 2**62)
VITALS = st.builds(
    Vitals,
    kind=st.sampled_from(Kind), at=TIMES, elapsed=TIMES, awake=TIMES, boot=st.binary(min_size=16, max_size=16),
    life=st.binary(min_size=8, max_size=8), link=st.booleans(), stopping=st.booleans(), heard_at=TIMES, heard=TIMES,
    memory_used=TIMES, memory_total=TIMES, load=st.integers(-1000, 10**9).map(lambda load: load / 1000),
    disk_free=TIMES, group=st.integers(0, 2**64 - 1), group_kills=TIMES, machine_kills=TIMES,
)  # fmt: skip


def numbered(count: int) -> list[Vitals]:
    return [replace(ONE, at=ONE.at + number) for number in range(count)]


def filled(path: Path, records: int, count: int) -> Ring:
    ring = Ring(path, records)
    ring.open()
    for one in numbered(count):
        ring.append(one)
    return ring


@given(st.integers(0, 2**62), VITALS)
def test_a_record_is_read_as_it_was_written(number: int, one: Vitals) -> None:
    data = packed(number, one)
    assert len(data) == SIZE
    assert unpacked(data) == Numbered(number, one)


@given(st.integers(0, SIZE - 1), st.integers(1, 255))
def test_a_record_of_which_one_byte_is_another_is_none(place: int, change: int) -> None:
    data = bytearray(packed(7, ONE))
    data[place] ^= change
    assert unpacked(data) is None
    assert unpacked(packed(7, ONE)[:-1]) is None


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
def test_it_holds_the_newest_and_never_grows(tmp_path: Path, count: int) -> None:
    ring = filled(tmp_path / "box", 16, count)
    size = (tmp_path / "box").stat().st_size
    ring.close()
    assert size == 16 * SIZE
    assert Ring(tmp_path / "box", 16).open() == numbered(count)[-16:]
    assert (tmp_path / "box").stat().st_mode & 0o777 == 0o600


def test_the_last_record_may_be_torn_and_the_next_takes_its_place(tmp_path: Path) -> None:
    """Whatever part of it reached the file."""
    path = tmp_path / "box"
    for kept in (0, 1, SIZE // 2, SIZE - 1):
        path.unlink(missing_ok=True)
        filled(path, 16, 20).close()
        image = bytearray(path.read_bytes())
        place = 20 % 16 * SIZE
        image[place + kept : place + SIZE] = b"\xff" * (SIZE - kept)
        path.write_bytes(image)
        ring = Ring(path, 16)
        assert ring.open() == numbered(19)[-15:]
        ring.append(ONE)
        ring.close()
        assert Ring(path, 16).open() == [*numbered(19)[-15:], ONE]


@pytest.mark.parametrize("size", [8, 64])
def test_another_size_keeps_the_newest(tmp_path: Path, size: int) -> None:
    filled(tmp_path / "box", 16, 30).close()
    ring = Ring(tmp_path / "box", size)
    assert ring.open() == numbered(30)[-min(size, 16) :]
    ring.append(ONE)
    ring.close()
    assert Ring(tmp_path / "box", size).open()[-1] == ONE
    assert (tmp_path / "box").stat().st_size == size * SIZE


def test_a_file_that_is_no_ring_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(os.urandom(5000))
    ring = Ring(tmp_path / "box", 16)
    assert ring.open() == []
    ring.append(ONE)
    ring.close()
    assert Ring(tmp_path / "box", 16).open() == [ONE]


_WRITES = """
import sys
from pathlib import Path
from tests.unit.worker.test_blackbox_ring import ONE, Ring, replace
ring = Ring(Path(sys.argv[1]), 16)
ring.open()
number = 0
while True:
    ring.append(replace(ONE, at=number))
    number += 1
"""


def test_a_process_that_is_killed_as_it_writes_leaves_a_ring_without_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "box"
    for _ in range(3):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", _WRITES, str(path)], cwd=Path(__file__).parents[3])
        try:
            until(lambda: path.exists() and any(path.read_bytes()[-SIZE:]), "it has gone round once")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        times = [one.at for one in Ring(path, 16).open()]
        assert len(times) >= 15
        assert times == list(range(times[0], times[0] + len(times)))
