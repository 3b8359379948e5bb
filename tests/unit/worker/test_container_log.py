"""The log of a container, as Docker Engine 20.10 keeps and sends it, gives back what was written, or says so."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdexec.worker.executors.container_place import Search, places
from cmdexec.worker.executors.contract import LAST_BYTES, Known, Stream
from cmdexec.worker.executors.engine_frames import NotFramesError
from cmdexec.worker.executors.engine_log import FULL, Records

SIZES = st.sampled_from([0, 1, 5, 500, FULL - 1, FULL, FULL + 1, 2 * FULL, 2 * FULL + 7, 3 * FULL])
STAMP = b"2026-01-02T03:04:05.678901234Z"


def records_of(data: bytes) -> Iterator[bytes]:
    """What is sent of each record of a stream that ended: lines, long ones in pieces of which the last has lost its
    end."""
    *lines, rest = data.split(b"\n")
    for line in lines:
        full, more = divmod(len(line), FULL)
        yield from (line[number * FULL : (number + 1) * FULL] for number in range(full))
        yield line[full * FULL :] + (b"" if full else b"\n")
        assert more < FULL
    yield from (rest[place : place + FULL] for place in range(0, len(rest), FULL))


def sent(data: bytes, stream: int = 1) -> bytes:
    """As it comes, with times."""
    return b"".join(
        bytes([stream, 0, 0, 0]) + (len(STAMP) + 1 + len(record)).to_bytes(4, "big") + STAMP + b" " + record
        for record in records_of(data)
    )


def read(log: bytes, step: int) -> tuple[Records, dict[Stream, bytes]]:
    """What is taken from it in pieces of that size."""
    records, got = Records(), dict.fromkeys(("stdout", "stderr"), b"")
    for place in range(0, len(log), step):
        for name, piece in records.feed(log[place : place + step]):
            got[name] += piece
    return records, got  # type: ignore[return-value]  # dict.fromkeys forgets the literals


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, max_size=5), SIZES, st.sampled_from([3, 1000, FULL, 10**6]))
def test_what_was_written_comes_back_but_for_an_end_of_which_it_is_said(sizes: list[int], rest: int, step: int) -> None:
    data = b"".join(b"x" * size + b"\n" for size in sizes) + b"y" * rest
    if len(data) > 40 * step:
        step = FULL
    records, got = read(sent(data), step)
    assert records.whole
    if records.owed("stdout"):
        assert got["stdout"] in (data, data[:-1])
        assert rest % FULL or sizes[-1] > FULL
    else:
        assert got["stdout"] == data
    assert not records.owed("stderr")


def test_what_is_no_log_is_not_taken_for_one() -> None:
    for log in (b"\1\0\0\0\0\0\0\1x", b"\1\0\0\0\0\0\0\x60" + b"x" * 96):
        with pytest.raises(NotFramesError):
            read(log, 1000)


def found(data: bytes, cut: int, known: int, *, other: Search | None = None) -> tuple[int, bool, bool]:
    """Where the log of `data` without its first `cut` bytes is found to begin, of which `known` are known."""
    search = Search(Known(known, data[max(0, known - LAST_BYTES) : known]))
    for place in range(cut, len(data), 1000):
        search.feed(data[place : place + 1000])
    place = places({"stdout": search, "stderr": other or Search(Known())}, whole=False)["stdout"]
    return place.begins, place.sure, place.gap


NUMBERED = b"".join(b"%d\n" % number for number in range(20_000))


def at(number: int) -> int:
    """Where that line begins."""
    return NUMBERED.index(b"\n%d\n" % number) + 1


@pytest.mark.parametrize("pending", [0, 3])
def test_a_cut_log_is_found_to_begin_where_it_does(pending: int) -> None:
    """Also where the last that is known is no whole line, and is in no log yet; or where some of it is cut off."""
    for cut, known in ((at(100), at(9000)), (0, at(9000)), (at(5000), at(19_000)), (at(8900), at(9000))):
        assert found(NUMBERED, cut, known + pending) == (cut, True, False)


def test_one_that_begins_beyond_has_a_gap_before_it() -> None:
    known = at(1000)
    assert found(NUMBERED, at(9000), known) == (known, False, True)


def test_what_is_written_over_and_over_is_found_nowhere_for_sure() -> None:
    line = b"the same line, again and again, as programs do that wait for something that does not come\n"
    data = line * 5000
    for known in (len(line) * 2, len(line) * 3000):
        begins, sure, gap = found(data, len(line) * 1000, known)
        assert (sure, gap) == (False, False)
        assert begins <= known


def test_a_stream_that_wrote_little_goes_on_where_the_other_does() -> None:
    """What it wrote was cut off with what the other wrote before."""
    other = Search(Known(at(9000), NUMBERED[at(9000) - LAST_BYTES : at(9000)]))
    other.feed(NUMBERED[at(3000) :])
    quiet = b"begun\nover\n"
    assert found(quiet, 6, 6, other=other) == (6, True, False)
    assert found(quiet, 6, 6)[1:] == (False, True)


def test_a_whole_log_begins_at_the_beginning_and_is_doubted_where_it_is_not_what_was_passed_on() -> None:
    known = Known(at(5000), NUMBERED[: at(5000)][-LAST_BYTES:])
    for data, sure in ((NUMBERED, True), (NUMBERED[at(10) :], False), (b"", False)):
        search = Search(known)
        search.feed(data)
        place = places({"stdout": search}, whole=True)["stdout"]
        assert (place.sure, place.gap) == (sure, False)
        assert place.begins == (at(10) if data and not sure else 0)
