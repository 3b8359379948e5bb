"""The memory of jobs: the newest of each, by its bytes, and its count of them is right whatever happens."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cmdexec.model.job import Spec, Status
from cmdexec.server.jobs.memory import Memory, _Seen, _spec_size
from tests.contract.making import job

ANY_JOB: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "number": st.integers(0, 6),
        "rev": st.integers(0, 3),
        "status": st.sampled_from([Status.RUNNING, Status.ASSIGNED, Status.COMPLETED]),
        "spec": st.builds(
            Spec, command=st.text(max_size=4000) | st.lists(st.text(max_size=1000), max_size=4).map(tuple)
        ),
    }
)


@given(st.lists(ANY_JOB | st.integers(0, 6), max_size=40), st.integers(0, 20_000))
def test_it_counts_what_it_holds_and_holds_no_more_than_it_may(steps: list[Any], most: int) -> None:
    memory = Memory(most)
    for step in steps:
        if isinstance(step, int):
            memory.forget([job(step).job_id, "nobody's"])
            assert memory.recall(job(step).job_id) is None
        else:
            memory.remember([job(**step)])
        held = [seen for number in range(7) if (seen := memory.recall(job(number).job_id)) is not None]
        assert memory.size == sum(_Seen(one, _spec_size(one.spec)).size for one in held) <= most
        assert len(memory) == len(held)


def test_the_newer_of_two_is_kept() -> None:
    memory = Memory(1 << 20)
    newer = job(1, rev=5, status=Status.RUNNING)
    memory.remember([newer, job(1, rev=4, status=Status.ASSIGNED)])
    assert memory.recall(newer.job_id) == newer


def test_what_people_gave_counts_as_what_it_takes() -> None:
    small, large = job(1, status=Status.RUNNING), job(2, status=Status.RUNNING, spec=Spec(("x" * 50_000,) * 4))
    env = job(3, status=Status.RUNNING, spec=Spec("true", env={f"V{n}": "y" * 1000 for n in range(100)}))
    sizes = []
    for one in (small, large, env):
        memory = Memory(1 << 30)
        memory.remember([one])
        sizes.append(memory.size)
    assert sizes[0] < 4000
    assert 200_000 < sizes[1] < 210_000
    assert 100_000 < sizes[2] < 120_000
