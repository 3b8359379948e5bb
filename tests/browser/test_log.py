"""The output of a job under its reader: what is said of its order, its length and its numbers is so, and nothing moves
under whoever has paused."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn
from tests.browser.test_job import LINES, gated, lines
from tests.support.server import Running
from tests.support.waiting import until


def first_in_view(page: Page) -> str:
    """The first line that can be read now."""
    shown: str = page.evaluate("""() => {
      const top = document.querySelector('.log-view').getBoundingClientRect().top;
      const rows = [...document.querySelectorAll('.log-row')].map((row) => [row.getBoundingClientRect().top, row]);
      return rows.filter(([at]) => at >= top).sort((a, b) => a[0] - b[0])[0][1].querySelector('.log-text').textContent;
    }""")
    return shown


def ended(run: Running, command: str) -> str:
    job: str = run.api().create({"command": command})["jobId"]
    run.api().wait_status(job, "completed", within=40)
    return job


def test_streams_whose_order_is_not_known_are_shown_one_after_the_other(run: Running, log_in: LogIn) -> None:
    job = ended(run, "for n in 1 2; do echo out $n; echo err $n >&2; done")
    page = log_in("viewer", f"/jobs/{job}").page
    expect(page.get_by_text("Ended · 4 lines")).to_be_visible()
    expect(page.get_by_role("button", name="To the end")).to_be_hidden()
    assert page.locator(f"{LINES}.heading").all_inner_texts() == ["stdout", "stderr"]
    view = page.get_by_role("region", name="Output").last
    assert view.evaluate("(box) => box.scrollWidth - box.clientWidth") == 0
    assert lines(page) == ["out 1", "out 2", "err 1", "err 2"]
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.log-rows'))")
    copied: str = page.evaluate("getSelection().toString()")
    assert "err 1" in copied
    assert "stderr:" not in copied


def test_a_line_that_is_too_long_says_how_much_of_it_is_missing(run: Running, log_in: LogIn) -> None:
    job = ended(run, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo next")
    page = log_in("viewer", f"/jobs/{job}").page
    chip = page.get_by_role("button", name="… 93.7 KB more")
    chip.click()
    expect(chip).to_be_hidden()
    expect(page.locator(".log-cut")).to_contain_text("33.7 KB more are not kept here")


def test_what_comes_of_a_long_output_is_numbered_as_it_is(run: Running, log_in: LogIn) -> None:
    """From the end where the beginning was not read; the place of the reader stays when more is put before it; the
    beginning can be had."""
    job = ended(run, "seq -f %0100g 60000")
    page = log_in("viewer", f"/jobs/{job}").page
    expect(page.get_by_text("Ended · the last 5,190 lines")).to_be_visible()
    expect(page.locator(f'{LINES}[data-number="−1"]')).to_contain_text("060000")
    view = page.get_by_role("region", name="Output").last
    view.evaluate("(box) => { box.scrollTop = 1010; }")
    expect(page.get_by_role("button", name="To the end")).to_be_visible()
    place = first_in_view(page)
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text("Ended · the last 25,954 lines")).to_be_visible()
    assert first_in_view(page) == place
    page.get_by_role("button", name="Show the beginning").click()
    expect(page.get_by_text("Its first 20,764 lines; 3.8 MB after them.")).to_be_visible()
    expect(page.get_by_text("Ended · the first 20,764 lines")).to_be_visible()
    first = f'{LINES}[data-number="1"]'
    # Again until it is there: while more is put in, the page keeps the place of its reader.
    page.wait_for_function(
        "([box, row]) => { box.scrollTop = 0; return document.querySelector(row) !== null; }",
        arg=[view.element_handle(), first],
    )
    expect(page.locator(first)).to_contain_text("00001")
    page.get_by_role("button", name="Show the end").click()
    expect(page.get_by_text("Ended · the last 5,190 lines")).to_be_visible()


def test_lines_that_are_dropped_do_not_move_those_that_are_read(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    command, gates = gated(tmp_path, "seq 190000", "seq 190001 215000", "true")
    job = run.api().create({"command": command})
    page = log_in("operator", f"/jobs/{job['jobId']}").page
    gates[0].touch()
    expect(page.locator(LINES).filter(has_text="190000")).to_be_visible(timeout=30_000)
    view = page.get_by_role("region", name="Output").last
    view.click(position={"x": 300, "y": 100})
    expect(page.get_by_text("Paused")).to_be_visible()
    place = first_in_view(page)
    gates[1].touch()
    expect(page.get_by_role("button", name="↓ 25,000 new lines")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("215,000 lines")).to_be_visible()
    assert int(view.get_attribute("data-lines") or 0) < 200_001
    assert first_in_view(page) == place
    gates[2].touch()
    expect(page.get_by_text("Ended · 215,000 lines")).to_be_visible()


def test_the_end_of_a_long_line_can_be_scrolled_to_and_stays_in_view(run: Running, log_in: LogIn) -> None:
    """Also where only short lines are drawn then."""
    job = ended(run, "for n in $(seq 50); do printf '%0300d THE-END\\n' 0; done; seq 500")
    page = log_in("viewer", f"/jobs/{job}").page
    view = page.get_by_role("region", name="Output").last
    end = page.locator(f"{LINES} .log-text").first
    expect(end).to_contain_text("THE-END")
    view.evaluate("(box) => { box.scrollTop = 0; box.scrollLeft = 1e6; }")
    sides = "(one) => one.getBoundingClientRect().right"
    assert end.evaluate(sides) <= view.evaluate(sides)
    left = view.evaluate("(box) => box.scrollLeft")
    assert left > 500
    view.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    expect(page.locator(LINES).filter(has_text="THE-END")).to_have_count(0)
    assert view.evaluate("(box) => box.scrollLeft") == left


def test_more_of_what_was_followed_to_its_end_lacks_nothing(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    """How long it is now counts, and not how long it was when it was opened."""
    command, gates = gated(tmp_path, "seq -f %0100g 20000", "seq -f %0100g 20001 22000; echo few >&2")
    job = run.api().create({"command": command})["jobId"]
    gates[0].touch()
    until(lambda: run.api().job(job)["output"]["stdout"]["bytes"] >= 2_020_000, "its first lines are stored")
    page = log_in("viewer", f"/jobs/{job}").page
    expect(page.locator(LINES).filter(has_text="020000")).to_be_visible()
    gates[1].touch()
    expect(page.get_by_text("Ended · ")).to_be_visible()
    page.get_by_role("button", name="stdout", exact=True).click()
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_text("Ended · 22,000 lines")).to_be_visible()
    expect(page.locator(LINES).filter(has_text="022000")).to_be_visible()
    page.get_by_role("button", name="stderr", exact=True).click()
    expect(page.locator(LINES)).to_have_text("stderr: few")


def test_a_log_that_could_not_be_read_says_so_and_comes_by_itself(run: Running, log_in: LogIn) -> None:
    job = ended(run, "seq -f %0100g 20000")
    tab = log_in("viewer", "/workers")
    tab.excuse("503")
    page = tab.page
    away = {"error": {"code": "store_away", "message": "The store is away."}}
    page.route("**/output?*", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, json=away))
    page.goto(f"{run.url}/jobs/{job}")
    expect(page.get_by_role("alert")).to_contain_text("The store is away.")
    expect(page.locator(".log-view")).to_have_text("What it wrote could not be read.")
    expect(page.get_by_text("Ended · ")).to_have_count(0)
    page.unroute("**/output?*")
    expect(page.locator(LINES).filter(has_text="020000")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_of_each_run_the_stream_is_shown_that_it_wrote(run: Running, log_in: LogIn) -> None:
    """Of one that wrote too much to show both, whatever another wrote."""
    command = "if [ $CMDEXEC_ATTEMPT = 1 ]; then seq -f %0100g 20000 >&2; exit 9; fi; echo well"
    asked = {"command": command, "maxRetries": 1, "backoff": {"firstSec": 0, "maxSec": 0}}
    job = run.api().create(asked)["jobId"]
    run.api().wait_status(job, "completed", within=40)
    page = log_in("viewer", f"/jobs/{job}?attempt=1").page
    expect(page.locator(LINES).filter(has_text="020000")).to_be_visible()
    expect(page.get_by_role("button", name="stderr", exact=True)).to_have_attribute("aria-pressed", "true")


def test_the_first_error_is_found_by_its_class_too_and_is_marked_in_no_other_run(run: Running, log_in: LogIn) -> None:
    asked = {"command": "echo started; seq 3; echo 'ValueError: boom'; exit 9", "maxRetries": 1}
    job = run.api().create(asked | {"backoff": {"firstSec": 0, "maxSec": 0}})["jobId"]
    run.api().wait_status(job, "failed")
    page = log_in("viewer", f"/jobs/{job}").page
    expect(page.get_by_text("Ended · 5 lines")).to_be_visible()
    page.get_by_role("button", name="First error").click()
    expect(page.locator(f"{LINES}.marked .log-text")).to_have_text("ValueError: boom")
    page.get_by_role("button", name="run 1").click()
    expect(page.get_by_text("Ended · 5 lines")).to_be_visible()
    expect(page.locator(f"{LINES}.marked")).to_have_count(0)
