"""Pages of other origins: those that are listed may call the API with a token, exactly they, and never by a cookie."""

import json
from collections.abc import Iterator

import pytest

from tests.support.api import Api
from tests.support.server import Running, running

LISTED = "https://ci.example.com"
OTHER = "http://localhost:8123"
STRANGERS = [
    "https://evil.example", "http://ci.example.com", "https://ci.example.com:444", "https://ci.example.com.evil.example",
    "https://sub.ci.example.com", "https://ci.example.co", "null", "*", "", "https://CI.example.com", f"{LISTED}/",
    f"{LISTED}, {OTHER}", f" {LISTED} x", "http://localhost:81234", "https://user@ci.example.com",
]  # fmt: skip
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("cors"), CORS_ORIGINS=f"{LISTED}, {OTHER}", RATE_LIMIT_MAX_JOBS="1") as run:
        yield run


def allowed(headers: dict[str, str]) -> set[str]:
    return {name for name in headers if name.startswith("access-control-")}


@pytest.mark.parametrize("origin", [LISTED, OTHER])
def test_a_listed_page_reads_and_changes_with_a_token(shared: Running, origin: str) -> None:
    status, headers, body = Api(shared.url).call("GET", "/api/health", None, {"Origin": origin})
    assert (status, json.loads(body)["status"]) == (200, "healthy")
    assert (headers["access-control-allow-origin"], headers["vary"]) == (origin, "Origin")
    assert "RateLimit" in headers["access-control-expose-headers"]
    api = shared.api("admin" if origin == LISTED else "operator")
    assert api.call("POST", "/api/jobs/create", {"command": "true"}, {"Origin": origin})[0] == 200
    status, headers, _ = api.call("POST", "/api/jobs/create", {"command": "true"}, {"Origin": origin})
    assert (status, headers["access-control-allow-origin"]) == (429, origin), "it learns how long it has to wait"


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/api/jobs/status", 401), ("GET", "/nothing", 404), ("PUT", "/api/health", 405),
])  # fmt: skip
def test_a_listed_page_reads_why_it_was_refused(shared: Running, method: str, path: str, status: int) -> None:
    found, headers, _ = Api(shared.url).call(method, path, None, {"Origin": LISTED})
    assert (found, headers.get("access-control-allow-origin")) == (status, LISTED)


@pytest.mark.parametrize("path", ["/api/jobs/create", "/api/health", "/api/jobs/some-job/rerun"])
def test_a_browser_asks_for_a_listed_page_without_a_credential(shared: Running, path: str) -> None:
    status, headers, body = Api(shared.url).call("OPTIONS", path, None, {"Origin": LISTED, **ASKS})
    assert (status, body, headers["access-control-allow-origin"], headers["vary"]) == (204, b"", LISTED, "Origin")
    assert headers["access-control-allow-methods"] == ("GET, HEAD" if path == "/api/health" else "POST")
    assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", STRANGERS)
def test_all_others_are_told_nothing_and_change_nothing(shared: Running, origin: str) -> None:
    foreign = {"Origin": origin}
    for path, expected in (("/api/health", 405), ("/api/jobs/create", 401), ("/nothing", 404)):
        found, headers, _ = Api(shared.url).call("OPTIONS", path, None, foreign | ASKS)
        assert (found, allowed(headers), headers["vary"]) == (expected, set(), "Origin"), path
    found, headers, _ = Api(shared.url).call("GET", "/api/health", None, foreign)
    assert (found, allowed(headers), headers["vary"]) == (200, set(), "Origin")
    found, headers, body = shared.api().call("POST", "/api/jobs/create", {"command": "true"}, foreign)
    assert (found, json.loads(body)["error"]["code"], allowed(headers)) == (403, "bad_origin", set())


def test_two_origins_are_none(shared: Running) -> None:
    lines = f"Host: localhost\r\nOrigin: {LISTED}\r\nOrigin: {OTHER}\r\nConnection: close"
    answer = shared.raw(f"GET /api/health HTTP/1.1\r\n{lines}\r\n\r\n".encode()).lower()
    assert answer.startswith(b"http/1.1 200")
    assert b"access-control-" not in answer


def test_a_cookie_does_not_count_for_a_listed_page(shared: Running) -> None:
    """Also where a browser sends it, since the page is of the same site."""
    mine = shared.headers("cookie") | {"Origin": OTHER, "Sec-Fetch-Site": "same-site"}
    for method, path, body in (("GET", "/api/jobs", None), ("POST", "/api/auth/logout", {})):
        status, headers, answer = Api(shared.url).call(method, path, body, mine)
        assert (status, json.loads(answer)["error"]["code"]) == (403, "bad_origin")
        assert "access-control-allow-credentials" not in headers
    assert Api(shared.url).call("GET", "/api/auth/me", None, shared.headers("cookie"))[0] == 200


def test_an_unknown_host_learns_nothing_of_what_is_listed(shared: Running) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": LISTED, "Host": "evil.example", **ASKS}
        status, told, _ = Api(shared.url).call(method, "/api/health", None, headers)
        assert (status, allowed(told)) == (421, set())


def test_where_none_is_listed_nothing_is_said_of_origins(server: Running) -> None:
    for method, status in (("GET", 200), ("OPTIONS", 405)):
        found, headers, _ = Api(server.url).call(method, "/api/health", None, {"Origin": LISTED, **ASKS})
        assert (found, allowed(headers), "vary" in headers) == (status, set(), False)
