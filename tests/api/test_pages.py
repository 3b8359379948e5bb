"""The pages as they are served: one index page at every path of a page, files that are kept for good, nothing else."""

import gzip
import re

import pytest

from cmdexec.server.edge.static import CSP
from tests.support.server import Running

HTML = {"Accept": "text/html,*/*;q=0.8"}
PATHS = ["/", "/login", "/jobs", "/jobs/new", "/jobs/01936f0e-4f2a-7001-9c3f-000000000001", "/workers", "/workers/add",
         "/jobs/", "/workers/"]  # fmt: skip


@pytest.fixture(scope="module")
def files(server: Running) -> list[str]:
    """The addresses that the index page names."""
    found = re.findall(rb'(?:href|src)="(/app/[^"]+)"', server.api("none").call("GET", "/")[2])
    return [one.decode() for one in found]


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_the_one_index_page_for_everybody(server: Running, path: str) -> None:
    status, headers, body = server.api("none").call("GET", path)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body == server.api("none").call("GET", "/")[2]
    assert b"{{" not in body
    assert headers["content-security-policy"] == CSP
    assert headers["cache-control"] == "no-cache"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"


def test_files_are_kept_for_good_and_known_by_their_tag(server: Running, files: list[str]) -> None:
    api = server.api("none")
    assert {one.rpartition(".")[2] for one in files} == {"js", "css", "svg"}
    for path in files:
        status, headers, body = api.call("GET", path)
        assert status == 200
        assert "immutable" in headers["cache-control"]
        assert headers["content-type"].startswith(("text/javascript", "text/css", "image/svg+xml"))
        assert re.fullmatch(r'"[0-9a-f]{32}"', headers["etag"])
        again = api.call("GET", path, headers={"If-None-Match": f'"other", {headers["etag"]}'})
        assert (again[0], again[2], again[1]["etag"]) == (304, b"", headers["etag"])
        assert body


def test_who_takes_it_gets_files_compressed(server: Running, files: list[str]) -> None:
    api = server.api("none")
    path = next(one for one in files if one.endswith("/main.js"))
    _, plain, body = api.call("GET", path)
    _, headers, packed = api.call("GET", path, headers={"Accept-Encoding": "br;q=1, gzip;q=0.8"})
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed) == body
    assert headers["etag"] != plain["etag"]
    assert "content-encoding" not in plain
    assert "content-encoding" not in api.call("GET", path, headers={"Accept-Encoding": "gzip;q=0"})[1]


def test_head_has_the_headers_and_nothing_else(server: Running, files: list[str]) -> None:
    for path in ("/jobs", files[-1]):
        status, headers, body = server.api("none").call("HEAD", path)
        got = server.api("none").call("GET", path)
        assert (status, body, headers["etag"]) == (200, b"", got[1]["etag"])
        assert headers["content-length"] == str(len(got[2]))


def test_pages_and_files_are_only_read(server: Running, files: list[str]) -> None:
    for path in ("/", "/jobs/new", files[0]):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            status, headers, _ = server.api("admin").call(method, path)
            assert (status, headers["allow"]) == (405, "GET, HEAD"), (method, path)


def test_people_see_a_page_where_there_is_none_and_programs_an_error(server: Running) -> None:
    api = server.api("none")
    status, headers, body = api.call("GET", "/nothing/here", headers=HTML)
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert body == api.call("GET", "/")[2]
    status, headers, _ = api.call("GET", "/nothing/here")
    assert (status, headers["content-type"]) == (404, "application/json")
    for path in ("/api/nothing", "/api/jobs/x/nothing", "/app/nothing.js"):
        status, headers, _ = api.call("GET", path, headers=HTML)
        assert (status, headers["content-type"]) == (404, "application/json"), path


@pytest.mark.parametrize(
    "path",
    ["/app/{v}/../index.html", "/app/{v}/..%2f..%2fpyproject.toml", "/app/{v}/%2e%2e/%2e%2e/setup.cfg",
     "/app/{v}//etc/passwd", "/app/../../etc/passwd", "/app/{v}/vendor/fetch", "/app/{v}/vendor/README.md",
     "/app/{v}/types/api.d.ts", "/app/{v}/index.html", "/app/{v}/main.js%00", "/app/0000000000000000/main.js", "/app/"],
)  # fmt: skip
def test_only_what_is_in_the_list_is_ever_sent(server: Running, files: list[str], path: str) -> None:
    version = files[0].split("/")[2]
    status, _, body = server.api("none").call("GET", path.replace("{v}", version), headers=HTML)
    assert status in (400, 404)
    assert b"root:" not in body
    assert b"[build-system]" not in body
    assert b"npm" not in body


def test_a_foreign_name_of_the_server_gets_no_page(server: Running) -> None:
    status, _, body = server.api("none").call("GET", "/", headers={"Host": "evil.example"})
    assert status == 421
    assert b"<html" not in body
