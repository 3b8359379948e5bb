"""At 390 px nothing but the log scrolls sideways, and the acts are there."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LogIn
from tests.support.server import Running

LONG = "a-very-long-name-without-any-place-to-break-it-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on"


@pytest.mark.parametrize("path", ["/jobs", "/jobs/new", "JOB", "/workers", "/workers/add"])
def test_nothing_scrolls_sideways(run: Running, log_in: LogIn, path: str) -> None:
    job = run.api().create({"command": f"echo {'wide ' * 100}{LONG}", "name": LONG, "tags": [LONG[:60]]})
    page = log_in("admin", path.replace("JOB", f"/jobs/{job['jobId']}"), width=390, height=844).page
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    wide = "[...document.querySelectorAll('main, body, .page')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    expect(page.get_by_role("link", name="New job").first).to_be_visible()
    assert page.evaluate(wide) == 0


def test_a_new_job_can_be_sent_from_wherever_its_form_is_read(log_in: LogIn) -> None:
    page = log_in("operator", "/jobs/new", width=390, height=500).page
    send = page.get_by_role("button", name="Run")
    expect(send).to_be_in_viewport(ratio=1)
    page.locator("main").evaluate("(main) => { main.scrollTop = 120; }")
    expect(send).to_be_in_viewport(ratio=1)
    send.click()
    expect(page.get_by_text("Say what shall run.")).to_be_visible()
