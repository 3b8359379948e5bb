"""The journal keeps what was said before the process died, and nothing that was not said whole."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.protocol.messages import Assignment, Done, Inline
from cmdexec.worker.spool import journal as journals
from cmdexec.worker.spool.journal import Journal
from cmdexec.worker.spool.records import Ended, Forgotten, Received, Record, Released, SessionBegins, Spawning, key_of

BOOT, OTHER_BOOT = b"\x01" * 16, b"\x02" * 16


def job(number: int) -> str:
    return f"01936f0e-4f2a-7001-9c3f-{number:012d}"


def assignment(number: int, size: int = 5) -> Assignment:
    return Assignment(job_id=job(number), attempt=1, command="x" * size, env={"A": "b"})


def life(number: int) -> list[Record]:
    done = Done(job_id=job(number), attempt=1, exit_code=3, inline=Inline(stdout=b"\x00\xff"))
    return [Received(assignment(number)), Spawning(job(number), 1), Ended(done), Forgotten(job(number), 1)]


def test_a_new_process_reads_what_the_old_one_wrote(tmp_path: Path) -> None:
    journal, replay = Journal.open(tmp_path / "journal", BOOT)
    assert replay.session is None
    assert not replay.attempts
    journal.append([SessionBegins("s1")])
    journal.append([Received(assignment(1)), Received(assignment(2)), Spawning(job(2), 1)])
    journal.append([*life(3)[:3], *life(4), Received(assignment(5)), Released(job(5), 1, "declined", "no")])
    journal.close()

    _, replay = Journal.open(tmp_path / "journal", BOOT)
    assert replay.session == "s1"
    assert not replay.torn
    known = {key: (one.spawned, one.done is not None) for key, one in replay.attempts.items()}
    assert known == {
        key_of(job(1), 1): (False, False), key_of(job(2), 1): (True, False), key_of(job(3), 1): (True, True),
        key_of(job(5), 1): (False, False),
    }  # fmt: skip
    first, third = replay.attempts[key_of(job(1), 1)], replay.attempts[key_of(job(3), 1)]
    assert first.assignment == assignment(1)
    assert first.same_boot
    assert third.done is not None
    assert third.done.inline.stdout == b"\x00\xff"
    released = replay.attempts[key_of(job(5), 1)].released
    assert released is not None
    assert (released.why, released.message) == ("declined", "no")


def test_what_an_earlier_boot_wrote_is_known_as_such_even_after_two_restarts(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path / "journal", OTHER_BOOT)
    journal.append([SessionBegins("s1"), Received(assignment(1))])
    journal.close()
    for _ in range(2):
        journal, replay = Journal.open(tmp_path / "journal", BOOT)
        assert not replay.attempts[key_of(job(1), 1)].same_boot
        journal.close()


@given(cut=st.integers(min_value=0), damage=st.booleans())
def test_cut_or_damaged_anywhere_in_its_tail_it_gives_what_stands_before(
    tmp_path_factory: pytest.TempPathFactory, cut: int, damage: bool
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    journal, _ = Journal.open(path, BOOT)
    journal.append([SessionBegins("s1"), *life(1)[:3]])
    whole = journal.size
    records: list[Record] = [Received(assignment(2)), Spawning(job(2), 1), *life(3)]
    ends = []
    for record in records:
        journal.append([record])
        ends.append(journal.size)
    journal.close()
    cut = whole + cut % (ends[-1] - whole)
    data = path.read_bytes()
    path.write_bytes(data[:cut] + bytes([data[cut] ^ 0xFF]) + data[cut + 1 :] if damage else data[:cut])

    journal, replay = Journal.open(path, BOOT)
    complete = sum(end <= cut for end in ends)
    assert replay.session == "s1"
    assert replay.attempts[key_of(job(1), 1)].done is not None
    assert (key_of(job(2), 1) in replay.attempts) == (complete >= 1)
    if complete >= 1:
        assert replay.attempts[key_of(job(2), 1)].spawned == (complete >= 2)
    assert replay.torn == (damage or cut not in (whole, *ends))
    journal.append([Forgotten(job(1), 1)])
    journal.close()
    _, again = Journal.open(path, BOOT)
    assert key_of(job(1), 1) not in again.attempts
    assert not again.torn


def test_attempts_of_an_unknown_session_are_nobodys(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path / "journal", BOOT)
    journal.append(life(1)[:2])
    journal.close()
    _, replay = Journal.open(tmp_path / "journal", BOOT)
    assert replay.session is None
    assert not replay.attempts


def test_it_stays_small_however_many_jobs_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "COMPACT_FROM", 20_000)
    journal, _ = Journal.open(tmp_path / "journal", BOOT)
    journal.append([SessionBegins("s1"), *life(0)[:3]])
    for number in range(1, 500):
        journal.append(life(number))
    assert (tmp_path / "journal").stat().st_size == journal.size < 30_000
    journal.close()
    _, replay = Journal.open(tmp_path / "journal", BOOT)
    assert replay.session == "s1"
    assert list(replay.attempts) == [key_of(job(0), 1)]


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """A bound on the size of files stands in for a full disk: both fail in the middle of a write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_write_that_does_not_fit_leaves_no_torn_record(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path / "journal", BOOT)
    journal.append([SessionBegins("s1")])
    with full_at(4096):
        with pytest.raises(OSError, match="large"):
            journal.append([Received(assignment(1, size=10_000))])
        journal.append([Received(assignment(2))])
    journal.close()
    _, replay = Journal.open(tmp_path / "journal", BOOT)
    assert list(replay.attempts) == [key_of(job(2), 1)]
    assert not replay.torn


def test_on_a_full_disk_what_is_dead_makes_room_for_what_lives(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path / "journal", BOOT)
    journal.append([SessionBegins("s1"), Received(assignment(0))])
    with full_at(4096):
        for number in range(1, 100):
            journal.append(life(number))
    journal.close()
    _, replay = Journal.open(tmp_path / "journal", BOOT)
    assert list(replay.attempts) == [key_of(job(0), 1)]


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path / "journal", BOOT)
    journal.append([SessionBegins("s1")])
    journal.close()
    journal.close()
    assert os.stat(tmp_path / "journal").st_mode & 0o777 == 0o600
