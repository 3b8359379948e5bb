"""What a job needs against what a machine has, and how near a miss is."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from cmdexec.model.job import Spec
from cmdexec.model.matching import NOTHING, Lacks, Machine, Needs, distance, klass_of, matches, misses, needs_of
from cmdexec.model.parts import Capacity, Free, Part, memory

HELD = Capacity(4.0, 8192, holds=True)
WORDS = st.sampled_from(["gpu", "os", "zone"])
LABELS = st.dictionaries(WORDS, st.sampled_from(["a", "b"]), max_size=3)
REQUIRED = st.dictionaries(WORDS, st.sampled_from(["a", "b", "*"]), max_size=3)


def machine(capacity: Capacity = HELD, **labels: str) -> Machine:
    return Machine(labels, capacity)


@given(REQUIRED, LABELS, st.none() | st.floats(0.1, 8), st.none() | st.integers(1, 16384), st.booleans())
def test_a_machine_matches_when_nothing_is_missing(
    requires: dict[str, str], labels: dict[str, str], cpu: float | None, ram_mb: int | None, holds: bool
) -> None:
    needs = needs_of(Spec("x", requires=requires, cpu=cpu, ram_mb=ram_mb))
    one = Machine(labels, Capacity(4.0, 8192, holds))
    assert matches(needs, one) == (not misses(needs, one))
    fits = all(value in (labels.get(key), "*") and key in labels for key, value in requires.items())
    if cpu is not None or ram_mb is not None:
        fits = fits and holds and (cpu or 0) <= 4.0 + 1e-6 and (ram_mb or 0) <= 8192
    assert matches(needs, one) == fits


def test_a_star_is_any_value_but_not_none() -> None:
    needs = Needs((("gpu", "*"),))
    assert matches(needs, machine(gpu="t4"))
    assert [miss.what for miss in misses(needs, machine())] == [Lacks.NO_LABEL]


def test_jobs_that_need_the_same_are_of_one_class_and_others_are_not() -> None:
    assert klass_of(needs_of(Spec("x"))) == klass_of(NOTHING) == ""
    same = [Spec("x", requires={"a": "1", "b": "2"}), Spec("y", requires={"b": "2", "a": "1"}, priority=3)]
    assert len({klass_of(needs_of(spec)) for spec in same}) == 1
    others = [
        Spec("x", requires={"a": "1"}), Spec("x", requires={"a": "2"}), Spec("x", requires={"ab": "c"}),
        Spec("x", requires={"a": "bc"}), Spec("x", cpu=1.0), Spec("x", ram_mb=1), Spec("x", cpu=1.0, ram_mb=1),
    ]  # fmt: skip
    assert len({klass_of(needs_of(spec)) for spec in others}) == len(others)


def test_another_value_is_nearer_than_no_label_and_fewer_things_are_nearer_than_more() -> None:
    needs = Needs((("gpu", "a100"), ("zone", "a")), 0.0, 65536)
    far = misses(needs, machine())
    nearer = misses(needs, machine(zone="a"))
    nearest = misses(needs, machine(zone="a", gpu="t4"))
    assert sorted([far, nearest, nearer], key=distance) == [nearest, nearer, far]
    larger = misses(needs, machine(Capacity(4.0, 32768, holds=True), zone="a", gpu="t4"))
    assert distance(larger) < distance(nearest), "of those that lack the same, the one that has the most"


def test_a_machine_without_a_bound_has_room_for_all_but_holds_no_job_to_its_part() -> None:
    needs = Needs((), 2.0)
    assert [miss.what for miss in misses(needs, machine(Capacity()))] == [Lacks.HOLDS]
    assert matches(needs, machine(Capacity(inf, inf, holds=True)))


@given(st.floats(0.1, 4), st.integers(1, 4096), st.integers(0, 50))
def test_as_many_parts_fit_as_can_be_taken_one_by_one(cpu: float, ram_mb: int, most: int) -> None:
    part, free = Part(cpu, ram_mb), Free(HELD)
    count = free.times(part, most)
    assert count <= most
    for _ in range(count):
        assert part.within(Free(Part(free.cpu + 1e-5, free.ram_mb)))
        free.take(part)
    assert count == most or not part.within(Free(Part(free.cpu - 1e-5, free.ram_mb)))


def test_whole_gigabytes_are_said_as_such() -> None:
    assert [memory(512), memory(65536), memory(1500), memory(0)] == ["512 MB", "64 GB", "1.4 GB", "0 MB"]
