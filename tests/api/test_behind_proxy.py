"""A server behind a proxy that ends TLS: people are told apart by what the proxy says of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.poller import Poller
from tests.support.server import Running, running
from tests.support.system import EMAIL


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, "--behind-tls-proxy", ALLOWED_HOSTS="cmd.example.org", LOGIN_TRIES="1") as run:
        yield run


def logs_in(server: Running, email: str, password: str, forwarded: str | None) -> int:
    headers = {"Host": "cmd.example.org"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    body = {"email": email, "password": password}
    return Api(server.url).call("POST", "/api/auth/login", body, headers)[0]


def test_pages_tell_browsers_to_come_by_tls_alone_where_a_proxy_ends_it(server: Running, tmp_path: Path) -> None:
    def told(url: str, path: str = "/login") -> str | None:
        return Api(url).call("GET", path)[1].get("strict-transport-security")

    assert told(server.url) == "max-age=2592000"
    for number, settings in enumerate(({}, {"BEHIND_TLS_PROXY": "true", "HSTS_SEC": "0"})):
        with running(tmp_path / str(number), **settings) as other:
            assert told(other.url) is None


def test_new_workers_are_bounded_also_where_the_proxy_says_nothing_of_them(tmp_path: Path) -> None:
    """They count together, which the log says once; those that the proxy does name count by themselves."""
    bound = {"RATE_LIMIT_MAX_REGISTER": "2", "RATE_LIMIT_WINDOW_MS": "600s", "ALLOWED_HOSTS": "cmd.example.org"}
    with running(tmp_path / "bounded", "--behind-tls-proxy", **bound) as server:
        said = [{}, {"X-Forwarded-For": "unknown"}, {}, {"X-Forwarded-For": "203.0.113.9"}]
        statuses = [
            Poller(server, f"w{number}", **headers).call("POST", "/api/workers/register", {"slots": 1})[0]
            for number, headers in enumerate(said)
        ]
        assert statuses == [200, 200, 429, 200]
        assert server.process.log.read_text().count("without a readable X-Forwarded-For") == 1


def test_nobody_shuts_others_out_of_logging_in_or_joining(server: Running) -> None:
    tries = [logs_in(server, f"x{number}@test", "wrong", f"made up {number}, 203.0.113.9") for number in range(8)]
    assert tries[:4] == [401] * 4
    assert tries[4] == 429
    assert logs_in(server, EMAIL, server.process.password, "203.0.113.9, 198.51.100.7") == 200
    assert [logs_in(server, f"y{number}@test", "wrong", None) for number in range(8)] == [401] * 8
    assert logs_in(server, EMAIL, server.process.password, None) == 200
    joins = [
        Api(server.url).call("POST", "/api/workers/join", {"token": "cj_x", "credentialHash": "0" * 64}, headers)[0]
        for headers in [{"X-Forwarded-For": "203.0.113.9"}] * 5 + [{"X-Forwarded-For": "198.51.100.7"}, {}]
    ]
    assert (joins[0], joins[4:]) == (joins[5], [429, joins[0], joins[0]])
