"""One server with people and a worker in it, one browser, and tabs in which nothing may go wrong."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import Tab, browser, tab
from tests.support.server import Running, running
from tests.support.system import EMAIL, Worker, ends

expect.set_options(timeout=15_000)

PEOPLE = {"admin": EMAIL, "operator": "operator@test", "viewer": "viewer@test"}

LogIn = Callable[..., Tab]


@contextmanager
def site(folder: Path, **settings: str) -> Iterator[Running]:
    """A server and a worker of it, `build-01`. Its leases are long, so that a slow machine changes nothing."""
    bounds = {"UPGRADE_TIMEOUT_SEC": "10s", "KEEPALIVE_SEC": "75s"} | settings
    with ExitStack() as stack, ThreadPoolExecutor(1) as aside:  # the browser's library has this thread's event loop
        run = aside.submit(stack.enter_context, running(folder, **bounds)).result()
        worker = Worker(run.process, "build-01", KILL_GRACE_SEC="1s")
        with ends(worker):
            worker.start(run.api())
            yield run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def run(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with site(tmp_path_factory.mktemp("site") / "server") as started:
        yield started


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser profile of its own; at the end nothing may have gone wrong in any."""
    with ExitStack() as stack:

        def new(width: int = 1440, height: int = 900) -> Tab:
            context = chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
            stack.callback(context.close)
            return stack.enter_context(tab(context))

        yield new


@pytest.fixture
def log_in(run: Running, opened: Callable[..., Tab]) -> LogIn:
    """Opens a tab as somebody, by the form, at a path."""

    def enter(who: str = "admin", path: str = "/jobs", **size: int) -> Tab:
        found = opened(**size)
        sign_in(found, run, who, path)
        return found

    return enter


def sign_in(found: Tab, run: Running, who: str, path: str) -> None:
    """Ask for a page without a login; be sent to the form; come out where one wanted to go."""
    page = found.page
    page.goto(run.url + path)
    page.get_by_label("E-mail").fill(PEOPLE[who])
    page.get_by_label("Password").fill(run.process.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(run.url + path)
    page.get_by_role("navigation", name="Pages").wait_for()
