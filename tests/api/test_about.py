"""The API's own description: for everybody, the same for all, and harmless in a browser."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from cmdexec.protocol.openapi import document
from cmdexec.protocol.operations import ROUTES
from tests.support.api import Api
from tests.support.server import Running

PATHS = ("/api/openapi.json", "/api/docs")


class Page(HTMLParser):
    """What a browser would load, run and link."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if "href" in given:
            self.links.append(given["href"] or "")


def test_the_document_is_answered_to_everybody_as_it_is(server: Running) -> None:
    status, headers, body = Api(server.url).call("GET", "/api/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == json.loads(json.dumps(document()))


@pytest.mark.parametrize("path", PATHS)
def test_who_has_it_is_not_sent_it_again(server: Running, path: str) -> None:
    _, headers, _ = Api(server.url).call("GET", path)
    assert headers["cache-control"] == "no-cache"
    for known, expected in ((headers["etag"], 304), (f'"x", W/{headers["etag"]}', 304), ("*", 304), ('"x"', 200)):
        status, again, body = Api(server.url).call("GET", path, headers={"If-None-Match": known})
        assert (status, known) == (expected, known)
        assert again["etag"] == headers["etag"]
        assert (body == b"") == (status == 304)
    assert Api(server.url).call("HEAD", path)[2] == b""


def test_the_page_loads_nothing_and_runs_nothing(server: Running) -> None:
    _, headers, body = Api(server.url).call("GET", "/api/docs")
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; base-uri 'none'; form-action 'none';"
        r" frame-ancestors 'none'", policy,
    )  # fmt: skip
    page = Page(body.decode())
    assert not page.tags & {"script", "img", "link", "iframe", "form", "object", "embed", "base"}
    assert not {name for name in page.attributes if name.startswith("on") or name in ("style", "src")}
    assert "url(" not in body.decode()


def test_every_link_of_the_page_leads_somewhere(server: Running) -> None:
    _, _, body = Api(server.url).call("GET", "/api/docs")
    page = Page(body.decode())
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        else:
            assert Api(server.url).call("GET", f"/api/{link}")[0] == 200
    assert all(not urlsplit(link).netloc for link in page.links)
    assert {route.operation for route in ROUTES} <= set(page.ids)
