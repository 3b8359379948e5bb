"""What the bench judges by is what the table of docs/benchmarks.md says: the product does not judge itself."""

import re
from pathlib import Path

import pytest

from cmdexec.admin.bench.registry import WORKLOADS
from cmdexec.admin.bench.targets import TARGETS

TABLE = Path(__file__).parents[3] / "docs" / "benchmarks.md"

NUMBER = r"([\d.,]+)"
SAID: dict[tuple[str, str], tuple[str, str | None]] = {
    ("W1", "throughput"): (rf"^{NUMBER} × floor;", rf"^{NUMBER};"),
    ("W1", "cpu"): (rf"CPU per job\) ≤ {NUMBER} × the child's$", rf"≤ {NUMBER} ×$"),
    ("W2", "p50"): (rf"^p50 ≤ {NUMBER} ×", rf"^{NUMBER} ×"),
    ("W2", "p99"): (rf"p99 ≤ {NUMBER} ×$", rf", {NUMBER} ×$"),
    ("W3", "rate"): (rf"^{NUMBER} \(about", rf"^{NUMBER}$"),
    ("W3", "server_growth"): (rf"≤ peak at 10 MB \+ {NUMBER} MB$", None),
    ("W3", "worker_growth"): (rf"≤ peak at 10 MB \+ {NUMBER} MB$", None),
    ("W3b", "p50"): (rf"^p50 ≤ {NUMBER} ms", rf"^{NUMBER} /"),
    ("W3b", "p99"): (rf"p99 ≤ {NUMBER} ms$", rf"/ {NUMBER} ms$"),
    ("W4", "deep"): (rf"^submit rate at 100,000 ≥ {NUMBER} × that at 0", None),
    ("W4", "submit"): (rf"≥ {NUMBER} × the floor's unsynced", rf"^{NUMBER} × inserts"),
    ("W4", "claim"): (rf"claim cost at 100,000 ≤ {NUMBER} × that at 100,", None),
    ("W4", "claim_behind"): (rf"≤ {NUMBER} × that at 100, also when 100,000 jobs that no worker matches", None),
    ("W4", "growth"): (rf"server RSS grows ≤ {NUMBER} MB", None),
    ("W4", "drain"): (rf"drain ≥ {NUMBER} × own W1$", None),
    ("W5", "cpu"): (rf"at < {NUMBER} % of a core", None),
    ("W5", "memory"): (rf"≤ {NUMBER} KB each$", None),
    ("W6", "status_p99"): (rf"^status p99 ≤ {NUMBER} ms at 500 req/s", None),
    ("W6", "list"): (rf"list ≤ {NUMBER} ms$", None),
    ("W7", "version"): (rf"^{NUMBER} s,", rf"^{NUMBER} s,"),
    ("W7", "serve"): (rf"^[\d.]+ s, {NUMBER} s,", rf"^[\d.]+ s, {NUMBER} s,"),
    ("W7", "server_idle"): (rf"s, {NUMBER} MB,", rf"s, {NUMBER} MB,"),
    ("W7", "worker_idle"): (rf"MB, {NUMBER} MB$", rf"MB, {NUMBER} MB$"),
    ("W9", "far"): (rf"^≥ {NUMBER} of W1$", None),
}
"""Where the table says what must be, and what is aimed at."""

IN_WORDS = {("W3", "lost"): (0.0, "nothing lost")}


def rows() -> dict[str, tuple[str, str]]:
    """Workload → the cells `must` and `aim`."""
    lines = [line for line in TABLE.read_text().splitlines() if re.match(r"\| W\d", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: (row[2], row[3]) for row in cells}


def number(pattern: str, cell: str) -> float:
    found = re.findall(pattern, cell)
    assert len(found) == 1, f"{pattern} is there {len(found)} times in: {cell}"
    return float(found[0].replace(",", ""))


def test_the_table_and_the_bench_have_the_same_workloads() -> None:
    assert list(rows()) == list(TARGETS) == [workload.name for workload in WORKLOADS]


@pytest.mark.parametrize(("workload", "figure"), [(name, figure) for name, some in TARGETS.items() for figure in some])
def test_each_figure_is_judged_as_the_table_says(workload: str, figure: str) -> None:
    target, (must, aim) = TARGETS[workload][figure], rows()[workload]
    if (workload, figure) in IN_WORDS:
        value, words = IN_WORDS[workload, figure]
        assert (target.must, target.aim) == (value, None)
        assert words in must
        return
    must_pattern, aim_pattern = SAID[workload, figure]
    assert target.must == number(must_pattern, must)
    assert target.aim == (None if aim_pattern is None else number(aim_pattern, aim))


@pytest.mark.parametrize("workload", TARGETS)
def test_no_bound_of_the_table_is_left_out(workload: str) -> None:
    """Each ≤, ≥ and < of a cell belongs to a figure; those without a sign are the patterns' own business."""
    must, _ = rows()[workload]
    bounds = len(re.findall(r"[≤≥<]", must))
    covered = {must_pattern for (name, _), (must_pattern, _) in SAID.items() if name == workload}
    signs = {sign.start() for pattern in covered for sign in [_sign_before(pattern, must)] if sign}
    assert len(signs) == bounds, f"{must}: {bounds} bounds, {len(signs)} of them judged"


def _sign_before(pattern: str, cell: str) -> re.Match[str] | None:
    """The sign that stands nearest before the number that a pattern finds."""
    found = re.search(pattern, cell)
    assert found is not None
    signs = list(re.finditer(r"[≤≥<]", cell[: found.start(1)]))
    return signs[-1] if signs and "×" not in cell[signs[-1].end() : found.start(1)] else None


@pytest.mark.parametrize("workload", TARGETS)
def test_a_better_figure_than_the_aim_is_never_a_miss(workload: str) -> None:
    for target in TARGETS[workload].values():
        if target.must is not None and target.aim is not None:
            assert target.met(target.aim)
            assert target.met(target.must)
            assert not target.met(target.must * (1.01 if target.at_most else 0.99))
