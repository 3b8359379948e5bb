"""New jobs come into the list by themselves, however slowly it is read, and without asking too often."""

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import LogIn
from tests.support.server import Running

READS = "**/api/jobs?*"


def listing(run: Running, page: Page, tag: str) -> None:
    """Open the list of one job, with a clock that the test can put forward."""
    job = {"command": "true", "tags": [tag], "requires": {"no": "such"}}
    run.api().create(job | {"name": "was there"})
    page.clock.install()
    page.goto(f"{run.url}/jobs?tag={tag}")
    expect(page.locator(".job-row")).to_have_count(1)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def arrive(run: Running, tag: str) -> None:
    run.api().create({"command": "true", "name": "has come", "tags": [tag], "requires": {"no": "such"}})


def test_a_read_that_takes_long_is_waited_for(run: Running, log_in: LogIn) -> None:
    page = log_in("viewer", "/workers").page
    listing(run, page, "slowly")
    held: list[Route] = []
    page.route(READS, lambda route: held.append(route))
    with page.expect_request(READS):
        arrive(run, "slowly")
    page.clock.run_for(3000)
    assert len(held) == 1
    held[0].continue_()
    page.unroute(READS)
    expect(page.locator(".job-row").first).to_contain_text("has come")


def test_a_server_that_is_busy_is_asked_again_when_it_says(run: Running, log_in: LogIn) -> None:
    tab = log_in("viewer", "/workers")
    tab.excuse("503")
    page = tab.page
    listing(run, page, "busily")
    asked: list[str] = []
    busy = {"error": {"code": "busy", "message": "The server is busy."}}

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "20"}, json=busy)

    page.route(READS, refuse)
    with page.expect_request(READS):
        arrive(run, "busily")
    expect(page.get_by_role("alert")).to_contain_text("The server is busy.")
    page.clock.run_for(5000)
    assert len(asked) == 1
    page.unroute(READS)
    page.clock.run_for(20_000)
    expect(page.locator(".job-row").first).to_contain_text("has come")
    expect(page.get_by_role("alert")).to_have_count(0)
