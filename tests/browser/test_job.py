"""A job's page: its output as it comes, its end, and what can be done with it."""

import re
from pathlib import Path

from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import LogIn
from tests.support.server import Running

LINES = ".log-row"


def gated(folder: Path, *steps: str) -> tuple[str, list[Path]]:
    """A line for the shell that does one step for each file that appears, and those files."""
    gates = [folder / f"gate-{number}" for number in range(len(steps))]
    waits = [f"until [ -e {gate} ]; do sleep 0.02; done; {step}" for gate, step in zip(gates, steps, strict=True)]
    return "; ".join(waits), gates


def lines(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(f"{LINES} .log-text").all_inner_texts()]


def test_output_is_seen_while_it_is_written_and_ends_with_a_tick(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    command, gates = gated(tmp_path, "echo one", "echo two >&2", "printf three; exit 3")
    page = log_in("operator", "/jobs/new").page
    page.get_by_label("Command", exact=True).fill(command)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Following")).to_be_visible()
    gates[0].touch()
    expect(page.locator(LINES).filter(has_text="one")).to_be_visible()
    expect(page.locator(".sentence")).to_contain_text("Running on build-01")
    expect(page.locator(".whole")).to_have_count(0)
    gates[1].touch()
    expect(page.locator(f"{LINES}.err").filter(has_text="two")).to_be_visible()
    gates[2].touch()
    expect(page.locator(".sentence")).to_contain_text("exit code 3")
    expect(page.get_by_text("Ended · 3 lines")).to_be_visible()
    expect(page.get_by_text("stdout whole, 9 bytes")).to_be_visible()
    assert lines(page) == ["one", "two", "three"]
    assert page.title().startswith("failed · ")
    page.get_by_role("button", name="stderr").click()
    expect(page).to_have_url(f"{run.url}/jobs/{page.url.split('/jobs/')[1][:36]}?stream=stderr")
    assert lines(page) == ["two"]


def test_output_can_do_nothing_to_the_page(run: Running, log_in: LogIn) -> None:
    shown = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    written = f"{shown}\\n\\033[31;1mred\\033[0m plain\\n\\033]0;title\\007\\0001x"
    job = run.api().create({"command": ["printf", "%b", written]})
    run.api().wait_status(job["jobId"], "completed")
    page = log_in("viewer", f"/jobs/{job['jobId']}").page
    expect(page.get_by_text("Ended · 3 lines")).to_be_visible()
    assert lines(page) == [shown, "red plain", "␁x"]
    expect(page.locator(".log-text .f-red.bold")).to_have_text("red")
    assert page.locator(".log img, .log script").count() == 0


def test_scrolling_up_pauses_and_only_its_reader_goes_on(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    command, gates = gated(tmp_path, "seq 2000", "seq 2001 3000", "true")
    job = run.api().create({"command": command})
    gates[0].touch()
    page = log_in("operator", f"/jobs/{job['jobId']}").page
    view = page.get_by_role("region", name="Output").last
    expect(page.locator(LINES).filter(has_text="2000")).to_be_visible()
    view.hover()
    page.mouse.wheel(0, -4000)
    expect(page.get_by_text("Paused")).to_be_visible()
    before = view.evaluate("(box) => box.scrollTop")
    gates[1].touch()
    pill = page.get_by_role("button", name="1,000 new lines")
    expect(pill).to_be_visible()
    assert view.evaluate("(box) => box.scrollTop") == before
    pill.click()
    expect(page.locator(LINES).filter(has_text="3000")).to_be_visible()
    expect(page.get_by_text("Following")).to_be_visible()
    assert page.locator(LINES).count() < 300
    gates[2].touch()
    expect(page.get_by_text("Ended · 3,000 lines")).to_be_visible()


def test_cancelling_asks_first_and_tells_what_came_of_it(run: Running, log_in: LogIn) -> None:
    job = run.api().create({"command": "echo begun; exec sleep 300", "name": "long one"})
    page = log_in("operator", f"/jobs/{job['jobId']}").page
    expect(page.locator(LINES).filter(has_text="begun")).to_be_visible()
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name="Cancel long one?")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert run.api().job(job["jobId"])["cancelRequested"] is False
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".sentence")).to_contain_text("Cancelled")
    assert run.api().job(job["jobId"])["status"] == "cancelled"
    page.get_by_role("button", name="Rerun").last.click()
    page.wait_for_url(lambda url: job["jobId"] not in url)
    again = run.api().job(page.url.rpartition("/")[2])
    assert (again["rerunOf"], again["name"]) == (job["jobId"], "long one")
    run.api().cancel(again["jobId"])


def test_a_job_that_ends_while_it_is_asked_whether_to_cancel_it_says_so(
    run: Running, log_in: LogIn, tmp_path: Path
) -> None:
    command, gates = gated(tmp_path, "true")
    job = run.api().create({"command": command, "cpu": 0.1, "ramMb": 1040})
    page = log_in("operator", f"/jobs/{job['jobId']}").page
    expect(page.locator(".facts")).to_contain_text("0.1 CPU, 1.1 GB")
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It runs now")
    gates[0].touch()
    expect(dialog).to_contain_text("It has ended meanwhile")
    expect(dialog.get_by_role("button", name="Cancel the job")).to_have_attribute("aria-disabled", "true")
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.locator("main")).to_be_focused()


def test_a_large_output_opens_at_its_end(run: Running, log_in: LogIn) -> None:
    """Only the last part of it comes; more comes when it is asked for."""
    job = run.api().create({"command": "seq -f %0100g 60000; echo few >&2"})
    run.api().wait_status(job["jobId"], "completed", within=40)
    page = log_in("viewer", f"/jobs/{job['jobId']}").page
    expect(page.locator(LINES).filter(has_text="060000")).to_be_visible()
    sizes: list[int] = []

    def note(answer: Response) -> None:
        if "/output?" in answer.url:
            sizes.append(int(answer.headers.get("content-length", "0")))

    page.on("response", note)
    page.reload()
    expect(page.locator(LINES).filter(has_text="060000")).to_be_visible()
    expect(page.get_by_text("MB before this")).to_be_visible()
    assert sum(sizes) < 1_000_000
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text("Show more")).to_be_visible()
    page.get_by_role("button", name="stderr").click()
    expect(page.locator(LINES)).to_have_text("stderr: few")


def test_each_run_has_its_own_output(run: Running, log_in: LogIn) -> None:
    asked = {"command": "echo run of $CMDEXEC_ATTEMPT; exit 9", "maxRetries": 1}
    job = run.api().create(asked | {"backoff": {"firstSec": 0, "maxSec": 0}})
    run.api().wait_status(job["jobId"], "failed")
    page = log_in("viewer", f"/jobs/{job['jobId']}").page
    last = run.api().job(job["jobId"])["attempt"]
    expect(page.locator(LINES).filter(has_text=f"run of {last}")).to_be_visible()
    page.get_by_role("button", name="run 1").click()
    expect(page.locator(LINES).filter(has_text="run of 1")).to_be_visible()
    expect(page.locator(LINES)).to_have_count(1)
    assert "attempt=1" in page.url


def test_many_runs_stand_in_one_row_that_shows_the_one_whose_output_is_read(run: Running, log_in: LogIn) -> None:
    asked = {"command": "exit 75", "maxRetries": 7, "backoff": {"firstSec": 0, "maxSec": 0}}
    job = run.api().create(asked)["jobId"]
    run.api().wait_status(job, "failed", within=40)
    page = log_in("viewer", f"/jobs/{job}", width=500).page
    said = re.compile(r"^Failed after [\d.]+ s on build-01, run 8: exit code 75; its retries are used up · ")
    expect(page.locator(".sentence")).to_have_text(said)
    runs = page.locator(".runs button")
    expect(runs).to_have_count(8)
    expect(runs.last).to_be_in_viewport()
    expect(runs.first).not_to_be_in_viewport()
    tops = page.evaluate("[...document.querySelectorAll('.runs button')].map((one) => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1


def test_a_long_word_in_the_sentence_makes_no_page_wider(run: Running, log_in: LogIn) -> None:
    job = run.api().create({"command": [f"/{'a' * 3000}"]})["jobId"]
    run.api().wait_status(job, "failed")
    page = log_in("viewer", f"/jobs/{job}").page
    expect(page.locator(".sentence")).to_contain_text("Failed")
    wide = "(one) => one.scrollWidth - one.clientWidth"
    assert page.locator("main").evaluate(wide) == 0
    assert page.locator("html").evaluate(wide) == 0
