"""Lists on terminals of any width, and for programs."""

import pytest

from cmdexec.cli.columns import Cell, Column, cut, tabbed, table, width_of
from cmdexec.cli.facts import fact_lines
from cmdexec.cli.jobs import _COLUMNS as JOBS
from tests.support.scripted import JOB_ID

COLUMNS = (Column("ID"), Column("NAME", least=8), Column("WHERE", least=4, drop=2), Column("WHEN", drop=1))


def rows(*names: str) -> list[list[Cell]]:
    return [[Cell("0123456789"), Cell(name), Cell("machine-1", "m1"), Cell("3m ago", "t")] for name in names]


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    assert table(COLUMNS, rows("a", "longer"), 80, colour=False) == [
        "ID          NAME    WHERE      WHEN",
        "0123456789  a       machine-1  3m ago",
        "0123456789  longer  machine-1  3m ago",
    ]


@pytest.mark.parametrize("width", range(20, 90))
def test_lines_fit_every_width_and_ids_stay_whole(width: int) -> None:
    lines = table(COLUMNS, rows("a name that is long enough to be cut"), width, colour=False)
    assert max(map(len, lines)) <= width
    assert all("0123456789" in line for line in lines[1:])


def test_what_matters_least_is_left_out_first() -> None:
    lines = table(COLUMNS, rows("a name that is long"), 46, colour=False)
    assert lines[0].split() == ["ID", "NAME", "WHERE", "WHEN"]
    assert table(COLUMNS, rows("a name that is long"), 30, colour=False)[0].split() == ["ID", "NAME", "WHEN"]
    assert table(COLUMNS, rows("a name that is long"), 24, colour=False)[0].split() == ["ID", "NAME"]


def test_a_list_of_jobs_is_read_on_forty_columns() -> None:
    texts = (JOB_ID[:18], "failed: exit 3", "make test", "w", "ran 3s", "now")
    lines = table(JOBS, [[Cell(text) for text in texts]], 40, colour=False)
    assert max(map(len, lines)) <= 40
    assert lines[1].startswith(f"{JOB_ID[:18]}  failed")
    assert "make te" in lines[1]


def test_colour_takes_no_room() -> None:
    plain = table(COLUMNS, [[Cell("a"), Cell("b", style="31"), Cell("c"), Cell("d")]], 80, colour=False)
    coloured = table(COLUMNS, [[Cell("a"), Cell("b", style="31"), Cell("c"), Cell("d")]], 80, colour=True)
    assert coloured[1].replace("\x1b[31m", "").replace("\x1b[0m", "") == plain[1]
    assert "\x1b[31mb\x1b[0m" in coloured[1]


def test_what_could_steer_a_terminal_or_break_a_line_is_escaped() -> None:
    bad = [[Cell("a\tb\nc"), Cell("\x1b[2J"), Cell("é"), Cell("\u202e")]]
    assert tabbed(bad) == ["a\\tb\\nc\t\\x1b[2J\té\t\\u202e"]
    assert "\x1b" not in table(COLUMNS, bad, 80, colour=False)[1]


def test_programs_get_whole_values() -> None:
    assert tabbed(rows("a long name")) == ["0123456789\ta long name\tm1\tt"]


@pytest.mark.parametrize(
    ("text", "width", "cut_to_four"),
    [("abc", 3, "abc"), ("abcde", 5, "abc…"), ("日本語", 6, "日…"), ("e\u0301e\u0301", 2, "e\u0301e\u0301")],
)
def test_width_is_that_of_the_terminal(text: str, width: int, cut_to_four: str) -> None:
    assert width_of(text) == width
    assert cut(text, 4) == cut_to_four


@pytest.mark.parametrize("width", [40, 80])
def test_facts_wrap_behind_their_label_and_ids_do_not(width: int) -> None:
    facts = [("Job", JOB_ID, None), ("Why", "word " * 40, None), ("", "more", None)]
    lines = list(fact_lines(facts, width, colour=False))
    assert lines[0] == f"Job        {JOB_ID}"
    assert all(len(line) <= width for line in lines[1:])
    assert all(line.startswith(" " * 11) for line in lines[2:])
