"""Every named query goes by an index: no walk through a big table, no sorting on the side."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.store.sqlite import queries, schema
from cmdexec.store.sqlite.connection import Connection
from tests.support.each import over

FOLDER = Path(queries.__file__).parent / "sql"
QUERIES = {f"{file.stem}.{name}": sql for file in FOLDER.glob("*.sql") for name, sql in queries.load(file.stem).items()}

SMALL = {"tally", "workers", "users", "pulse", "carray"}
"""Tables that may be walked: as many rows as there are users or workers, or as a caller has given."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Connection]:
    path = tmp_path / "jobs.sqlite"
    schema.make_file(path)
    database = Connection(path, cache_kib=1024, busy_ms=1000)
    schema.bring_up_to_date(database, 0)
    yield database
    database.close()


def plan(database: Connection, sql: str) -> list[str]:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    parameters = max(numbered, default=sql.count("?"))
    return [row[3] for row in database.rows(f"EXPLAIN QUERY PLAN {sql}", (None,) * parameters)]


def faults(steps: list[str]) -> list[str]:
    """The steps that grow with the tables."""
    walks = [
        step
        for step in steps
        if step.startswith("SCAN") and step.split()[1] not in SMALL | {"(subquery-1)", "CONSTANT"}
    ]
    return walks + [step for step in steps if "TEMP B-TREE" in step]


def test_the_queries_are_there() -> None:
    assert len(QUERIES) > 35
    assert all(sql.endswith(";") for sql in QUERIES.values())


@over({name: (name,) for name in sorted(QUERIES)})
def test_goes_by_an_index(name: str, database: Connection) -> None:
    assert faults(plan(database, QUERIES[name])) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT doc FROM jobs WHERE change_id = ?;",
        "SELECT doc FROM jobs WHERE status = ? AND klass = ?;",
        "SELECT doc FROM jobs WHERE holder = ? ORDER BY rank;",
        "UPDATE outputs SET open = 0 WHERE attempt = ?;",
    ],
)
def test_a_query_without_an_index_is_found_out(sql: str, database: Connection) -> None:
    assert faults(plan(database, sql)) != []


def test_a_claim_reads_the_queue_from_its_index_alone(database: Connection) -> None:
    (step,) = plan(database, QUERIES["jobs.claimable"])
    assert step == "SEARCH jobs USING COVERING INDEX jobs_queued (klass=?)"
