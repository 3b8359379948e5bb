"""A server is killed, a worker falls silent: nothing of the output is lost, and nothing runs twice unasked."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.chromium import Tab
from tests.browser.conftest import sign_in, site
from tests.browser.test_job import LINES, gated
from tests.support.system import Worker, ends

ROWS_OF_ACTS = """
() => {
  const tops = [...document.querySelectorAll('.acts > button')].map((one) => one.getBoundingClientRect().top);
  return [...new Set(tops)].map((top) => tops.filter((one) => one === top).length);
}
"""
TOAST_IS_ON_TOP = """
() => {
  const toast = document.querySelector('.toast');
  const { left, top, width, height } = toast.getBoundingClientRect();
  return toast.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}
"""


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


def test_a_job_of_a_silent_worker_runs_again_only_when_that_is_said_to_be_harmless(
    opened: Callable[..., Tab], tmp_path: Path
) -> None:
    short = {"LEASE_SEC": "3", "HEARTBEAT_SEC": "500ms", "LEASE_SWEEP_SEC": "100ms"}
    with site(tmp_path / "site", **short) as run:
        desk = Worker(run.process, "desk-anna", LABELS="desk=anna")
        with ends(desk):
            desk.start(run.api())
            asked = {"command": "exec sleep 300", "name": "backup", "requires": {"desk": "anna"}}
            job = run.api().create(asked)
            tab = opened()
            sign_in(tab, run, "operator", f"/jobs/{job['jobId']}")
            page = tab.page
            expect(page.locator(".sentence")).to_contain_text("Running on desk-anna")
            desk.kill9()
            expect(page.locator(".sentence")).to_contain_text("desk-anna is silent")
            expect(page.locator(".log-empty")).to_contain_text("Nothing that it wrote has come.")
            page.set_viewport_size({"width": 390, "height": 844})
            assert page.evaluate(ROWS_OF_ACTS) == [2, 2], "none stands alone"
            page.get_by_role("button", name="Requeue…").click()
            dialog = page.get_by_role("dialog", name="Run backup again?")
            again = dialog.get_by_role("button", name="Requeue")
            expect(again).to_have_attribute("aria-disabled", "true")
            again.click(force=True)
            expect(page.get_by_text("Tick the box first.")).to_be_visible()
            assert page.evaluate(TOAST_IS_ON_TOP)
            assert run.api().job(job["jobId"])["status"] == "unknown"
            dialog.get_by_label("Running it twice does no harm").check()
            again.click()
            expect(dialog).to_be_hidden()
            expect(page.locator(".sentence")).to_contain_text("desk")
            assert run.api().job(job["jobId"])["status"] == "queued"
