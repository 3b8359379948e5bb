"""The server is killed while somebody watches: nothing of the output is lost, and the page goes on by itself."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.chromium import Tab
from tests.browser.conftest import sign_in, site
from tests.browser.test_job import LINES, gated


def test_a_killed_server_costs_the_reader_nothing(opened: Callable[..., Tab], tmp_path: Path) -> None:
    command, gates = gated(tmp_path, "seq 500", "seq 501 1000", "seq 1001 1500")
    with site(tmp_path / "site") as run:
        job = run.api().create({"command": command})
        gates[0].touch()
        tab = opened()
        tab.excuse("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|WebSocket|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET")
        sign_in(tab, run, "operator", f"/jobs/{job['jobId']}")
        page = tab.page
        expect(page.locator(LINES).filter(has_text="500")).to_be_visible()
        run.process.kill9()
        bar = page.get_by_text("Connection lost at")
        expect(bar).to_be_visible()
        gates[1].touch()
        run.process.start()
        expect(page.get_by_text("Back. Nothing was missed.")).to_be_visible(timeout=30_000)
        expect(page.locator(LINES).filter(has_text="1000")).to_be_visible(timeout=30_000)
        gates[2].touch()
        expect(page.get_by_text("Ended · 1,500 lines")).to_be_visible(timeout=30_000)
        expect(page.locator(".sentence")).to_contain_text("Completed")
        assert run.api().job(job["jobId"])["attempt"] == 1
