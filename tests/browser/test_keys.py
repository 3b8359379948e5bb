"""The pages without a mouse, and with somebody who reads them aloud."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import LogIn
from tests.browser.test_job import LINES, gated
from tests.support.server import Running


def test_keys_do_what_their_page_says_and_can_be_turned_off(run: Running, log_in: LogIn) -> None:
    job = run.api().create({"command": "seq 400; echo 'fatal: no such thing'; seq 400", "name": "of keys"})
    run.api().wait_status(job["jobId"], "completed")
    page = log_in("operator").page
    row = page.locator("a.job-row").filter(has_text="of keys")
    row.wait_for()
    page.keyboard.press("t")
    when = row.locator(".when")
    expect(when).to_contain_text("+00:00")
    assert when.evaluate("(cell) => cell.scrollWidth <= cell.clientWidth")
    row.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job['jobId']}")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    expect(page.get_by_text("Ended · 801 lines")).to_be_visible()
    expect(page.locator(f'{LINES}[data-number="1"]')).to_be_visible()
    page.keyboard.press("e")
    expect(page.locator(f"{LINES}.marked")).to_have_text("fatal: no such thing")
    expect(page.locator(f"{LINES}.marked")).to_be_in_viewport()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    keys.get_by_label("Single letters do these things").uncheck()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("c")
    page.keyboard.press("r")
    page.get_by_role("button", name="Keys").click()
    keys.get_by_label("Single letters do these things").check()
    keys.get_by_role("button", name="Close").click()
    assert page.url.endswith(job["jobId"])
    page.keyboard.press("r")
    page.wait_for_url(lambda url: job["jobId"] not in url)
    assert run.api().job(page.url.rpartition("/")[2])["rerunOf"] == job["jobId"]


def test_readers_are_told_of_states_and_not_of_each_second(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    command, gates = gated(tmp_path, "exit 4")
    job = run.api().create({"command": command})
    run.api().wait_status(job["jobId"], "running")
    page = log_in("viewer", f"/jobs/{job['jobId']}").page
    told = page.locator('.job-title [role="status"]')
    expect(told).to_have_text("running")
    expect(page.get_by_text("Following")).to_be_visible()
    page.evaluate("""() => {
      window.told = [];
      const note = (changes) => changes.forEach(({ target }) => {
        const live = target.parentElement?.closest('[role=status], [role=alert]');
        if (live) window.told.push(live.textContent);
      });
      new MutationObserver(note).observe(document.body, { subtree: true, characterData: true, childList: true });
    }""")
    sentence = page.locator(".sentence")
    before = sentence.inner_text()
    expect(sentence).not_to_have_text(before)
    assert page.evaluate("window.told") == []
    gates[0].touch()
    expect(told).to_have_text("failed, exit 4")
