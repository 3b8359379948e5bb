"""A browser and the server's real bounds: pages of other origins, and one submission too many."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Tab
from tests.browser.conftest import sign_in
from tests.support.server import Running, running

CALL = """async ([url, token]) => {
  const headers = token ? { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' } : {};
  const asked = token ? { method: 'POST', headers, body: JSON.stringify({ command: 'true' }) } : {};
  try {
    const answer = await fetch(url, asked);
    return [answer.status, await answer.json(), answer.headers.get('RateLimit')];
  } catch (refused) {
    return [0, String(refused), null];
  }
}"""


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>A page of others</title>")

    def log_message(self, *_about: object) -> None:
        """Nothing: the tests' output is theirs."""


@pytest.fixture(scope="module")
def origins() -> Iterator[list[str]]:
    """Two that are not the server's."""
    with ExitStack() as stack:
        yield [f"http://127.0.0.1:{stack.enter_context(blank_pages())}" for _ in range(2)]


@contextmanager
def blank_pages() -> Iterator[int]:
    """The port at which they are."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def bounded(origins: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    bounds = {
        "UPGRADE_TIMEOUT_SEC": "10s", "KEEPALIVE_SEC": "75s", "CORS_ORIGINS": origins[0], "RATE_LIMIT_MAX_JOBS": "1",
        "RATE_LIMIT_WINDOW_MS": "4s",
    }  # fmt: skip
    with ExitStack() as stack, ThreadPoolExecutor(1) as aside:  # the browser's library has this thread's event loop
        yield aside.submit(stack.enter_context, running(tmp_path_factory.mktemp("bounded"), **bounds)).result()


def test_a_page_of_a_listed_origin_calls_the_api_and_no_other_can(
    bounded: Running, origins: list[str], opened: Callable[..., Tab]
) -> None:
    token = bounded.tokens["admin"]
    listed, other = opened(), opened()
    listed.page.goto(origins[0])
    status, said, _ = listed.page.evaluate(CALL, [f"{bounded.url}/api/health", ""])
    assert (status, said["status"]) == (200, "healthy")
    status, said, left = listed.page.evaluate(CALL, [f"{bounded.url}/api/jobs/create", token])
    assert (status, said["status"], left) == (200, "queued", '"jobs";r=0;t=4')
    other.excuse("CORS|ERR_FAILED")
    other.page.goto(origins[1])
    for path, shown in (("/api/health", ""), ("/api/jobs/create", token)):
        assert other.page.evaluate(CALL, [bounded.url + path, shown]) == [0, "TypeError: Failed to fetch", None]
    jobs = bounded.api().ask("GET", "/api/jobs")["jobs"]
    assert [job["command"] for job in jobs].count("true") == 1


def test_one_submission_too_many_is_sent_when_it_may_be(bounded: Running, opened: Callable[..., Tab]) -> None:
    tab = opened()
    tab.excuse("429")
    page = tab.page
    sign_in(tab, bounded, "operator", "/jobs/new")
    page.get_by_label("Command", exact=True).fill("echo second")
    bounded.api("operator").create({"command": "echo first"})
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Too many submissions of one user: 1 in 4 s are taken.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"It is sent again in [1-4] s\."))).to_be_visible()
    expect(page.get_by_role("heading", name="echo second")).to_be_visible()
