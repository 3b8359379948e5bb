"""How figures are made, judged and shown."""

import pytest

from cmdexec.admin.bench.figures import Figure, Measured, judged, medians, percentile
from cmdexec.admin.bench.run import missed
from cmdexec.admin.bench.shown import table
from cmdexec.admin.bench.targets import TARGETS

W1 = Measured(
    {
        "throughput": Figure(548.0, "jobs/s", 1061.0, 0.52),
        "cpu": Figure(1100.0, "µs a job", 640.0),
    },
    {"slots": 4}, [{"ratio": 0.5}, {"ratio": 0.52}, {"ratio": 0.6}],
    ["CPU of a job in µs: server 495, worker 375, warden 230, child 640."],
)  # fmt: skip


def told() -> dict:
    return {"W1": judged("W1", W1)}


def test_the_first_figure_is_what_a_workload_is_about() -> None:
    w1 = told()["W1"]
    assert {key: w1[key] for key in ("value", "unit", "floor", "ratio", "must", "aim", "at_most")} == {
        "value": 548.0, "unit": "jobs/s", "floor": 1061.0, "ratio": 0.52, "must": 0.45, "aim": 0.60, "at_most": False,
    }  # fmt: skip
    assert w1["figures"]["cpu"]["ratio"] == pytest.approx(1100 / 640, rel=1e-4)


def test_one_miss_makes_the_workload_miss() -> None:
    w1 = told()["W1"]
    assert w1["figures"]["throughput"]["ok"] is True
    assert w1["figures"]["cpu"]["ok"] is False
    assert w1["ok"] is False
    assert missed(told()) == ["W1 cpu"]


def test_a_ratio_without_a_floor_is_refused() -> None:
    with pytest.raises(ValueError, match="no floor"):
        judged("W1", Measured({"throughput": Figure(548.0, "jobs/s")}))


def test_the_ratio_of_pairs_counts_before_that_of_the_medians() -> None:
    assert Figure(4.0, "x", 2.0).to_floor == 2.0
    assert Figure(4.0, "x", 2.0, 1.5).to_floor == 1.5


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3, 1, 2], 0.5, 2), ([3, 1, 2, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99), ([7], 0.99, 7), ([1, 2], 1.0, 2)],
)
def test_percentiles_are_of_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_medians_are_of_each_figure_by_itself() -> None:
    assert medians([{"a": 1, "b": 9}, {"a": 2, "b": 7}, {"a": 9, "b": 8}]) == {"a": 2, "b": 8}


@pytest.mark.parametrize("width", [40, 80, 104, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    shown = table(told(), width)
    assert max(map(len, shown.splitlines())) <= width, shown
    for said in ("548 jobs/s", "0.52", "≥0.45", "MISS", "server 495"):
        assert said in " ".join(shown.split()), shown


def test_every_figure_of_every_workload_fits_the_table() -> None:
    all_of_them = {
        name: judged(name, Measured({figure: Figure(1234567.0, "jobs/s", 12345.6) for figure in figures}))
        for name, figures in TARGETS.items()
    }
    for width in (40, 104):
        assert max(map(len, table(all_of_them, width).splitlines())) <= width
