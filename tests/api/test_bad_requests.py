"""Whatever comes in wrongly over HTTP: one table, each row with the whole answer, and nothing comes of any of them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cmdexec.errors import CODES
from cmdexec.server.edge.bearer import WORKER_TOKEN
from tests.api.bad.bodies import BODIES
from tests.api.bad.doors import DOORS
from tests.api.bad.row import Bad
from tests.support.api import Api
from tests.support.server import Running, running

ROWS = (*BODIES, *DOORS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One of its own: nothing else happens in its store."""
    with running(tmp_path_factory.mktemp("bad")) as run:
        yield run


@pytest.fixture(scope="module", autouse=True)
def _nothing_comes_of_it(server: Running) -> Iterator[None]:
    """What the store holds is the same after all of it."""
    before = stored(server.process.data)
    assert before
    yield
    assert stored(server.process.data) == before


def stored(folder: Path) -> list[tuple[object, ...]]:
    (file,) = folder.glob("*.sqlite")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(name, *row) for name in sorted(tables) for row in store.execute(f'SELECT * FROM "{name}"')]


def test_each_row_has_a_name_of_its_own_and_a_code_with_its_status() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert CODES[row.code] == row.status, row.name
        assert row.message.endswith("."), row.name
        assert row.mend is None or row.mend[-1] in ".?…", row.name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_answered_with_what_is_wrong_and_what_to_do(server: Running, row: Bad) -> None:
    headers = {**server.headers(row.who), **row.headers}
    status, got, body = Api(server.url).call(row.method, row.path, row.body, headers)
    assert (status, json.loads(body)) == (row.status, {"error": row.error})
    assert ("www-authenticate" in got) == (status == 401)


def test_two_credentials_of_one_kind_are_none(server: Running) -> None:
    for header, value in (
        ("Authorization", f"Bearer {server.tokens['admin']}"), (WORKER_TOKEN, server.credentials["worker"]),
    ):  # fmt: skip
        lines = f"{header}: {value}\r\n" * 2
        answer = server.raw(f"GET /api/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 401 "), (header, answer[:200])
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "unauthorized"
