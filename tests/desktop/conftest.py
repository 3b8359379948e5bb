"""One server, one browser, and workers with a page that the browser shows as their window would."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import Tab, browser, tab
from tests.desktop.desk import Desk
from tests.support.system import Server, ends

expect.set_options(timeout=20_000)

Look = Callable[[Desk], Tab]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It may be killed and started again. Its leases are long: whoever holds a job tries again within a quarter."""
    made = Server(tmp_path_factory.mktemp("site"), KILL_GRACE_SEC="1s", LOGIN_TRIES="1000", LEASE_SEC="3600")
    with ends(made):
        yield made.start()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def look(chromium: Browser) -> Iterator[Look]:
    """Shows the page of a worker; at the end nothing may have gone wrong in any."""
    with ExitStack() as stack:

        def show(desk: Desk) -> Tab:
            context = chromium.new_context(viewport={"width": 880, "height": 600}, reduced_motion="reduce")
            stack.callback(context.close)
            shown = stack.enter_context(tab(context))
            shown.excuse(r"Failed to load resource: net::ERR_")  # as a browser says of a worker that has ended
            shown.page.goto(desk.address)
            return shown

        yield show
