"""The list of jobs: it changes in place, what is new waits, and the address holds what is asked for."""

import re
import time
from pathlib import Path

from playwright.sync_api import Route, WebSocketRoute, expect

from tests.browser.conftest import LogIn
from tests.support.server import Running
from tests.support.waiting import until


def test_a_row_changes_where_it_is_also_for_who_comes_back(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = run.api().create({"command": f"until [ -e {gate} ]; do sleep 0.02; done; exit 4", "name": "row one"})
    page = log_in("viewer").page
    row = page.locator(f"[data-job='{job['jobId']}']")
    expect(row).to_contain_text("running")
    expect(row).to_contain_text("build-01")
    list_at = page.url
    row.click()
    expect(page.get_by_role("heading", name="row one")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(list_at)
    expect(row).to_contain_text("running")
    gate.touch()
    expect(row).to_contain_text("failed · exit 4")


def test_the_frame_of_the_list_is_there_before_its_rows(run: Running, log_in: LogIn) -> None:
    job = run.api().create({"command": "true", "name": "slow to be read", "tags": ["frame"]})
    page = log_in("viewer", "/workers").page
    held: list[Route] = []
    page.route("**/api/jobs?tag=*", lambda route: held.append(route), times=1)
    page.goto(f"{run.url}/jobs?tag=frame")
    expect(page.locator(".job-head")).to_be_visible()
    expect(page.locator(".ghost")).to_have_count(6)
    until(lambda: page.evaluate("true") and held, "its rows are asked for")
    held[0].continue_()
    expect(page.locator(f"[data-job='{job['jobId']}']")).to_be_visible()
    expect(page.locator(".ghost")).to_have_count(0)


def test_new_jobs_wait_until_they_are_asked_for(run: Running, log_in: LogIn) -> None:
    run.api().create({"command": "true", "name": "first"})
    page = log_in("viewer").page
    expect(page.locator(".job-row").first).to_contain_text("first")
    page.locator(".job-row").first.focus()
    run.api().create_many([{"command": "true", "name": "newer"}, {"command": "true", "name": "newest"}])
    pill = page.get_by_role("button", name="2 new")
    expect(pill).to_be_visible()
    expect(page.locator(".job-row").first).to_contain_text("first")
    pill.click()
    expect(page.locator(".job-row").first).to_contain_text("newest")
    expect(pill).to_be_hidden()


def test_the_address_is_the_view(run: Running, log_in: LogIn) -> None:
    api = run.api()
    failed = api.create({"command": "exit 1", "name": "shown-failed", "tags": ["shown"]})
    done = api.create({"command": "true", "name": "shown-done", "tags": ["shown"]})
    api.wait_status(failed["jobId"], "failed")
    api.wait_status(done["jobId"], "completed")
    page = log_in("viewer", "/jobs?tag=shown").page
    rows = page.locator(".job-row")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="failed", exact=True).click()
    expect(rows).to_have_count(1)
    assert page.url == f"{run.url}/jobs?tag=shown&status=failed"
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("button", name="failed", exact=True)).to_have_attribute("aria-pressed", "true")
    rows.first.click()
    expect(page.get_by_role("heading", name="shown-failed")).to_be_visible()
    page.go_back()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="failed", exact=True).click()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("shown-do")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("shown-done")
    page.keyboard.press("Escape")
    page.get_by_label("Do not filter by tag shown").click()
    page.get_by_label("Name, id or tag").fill("no job is called this")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    expect(page.get_by_text("Names, ids and tags are searched, commands are not.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(rows.first).to_be_visible()
    assert page.url == f"{run.url}/jobs"


def test_pages_come_when_they_are_asked_for(run: Running, log_in: LogIn) -> None:
    run.api().create_many([{"command": "true", "requires": {"no": "such"}, "tags": ["paged"]} for _ in range(130)])
    tab = log_in("viewer", "/jobs?tag=paged")
    page = tab.page
    rows = page.locator(".job-row")
    expect(rows).to_have_count(100)
    expect(rows.first).to_contain_text("no=such")
    tab.excuse("503")
    away = {"error": {"code": "store_away", "message": "The store is away."}}
    page.route("**/api/jobs?*cursor=*", lambda route: route.fulfill(status=503, json=away))
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("The store is away."))
    expect(page.get_by_role("alert")).to_be_in_viewport()
    page.unroute("**/api/jobs?*cursor=*")
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(130)
    expect(page.get_by_role("alert")).to_have_count(0)
    left = rows.nth(115).get_attribute("data-job")
    assert left is not None
    rows.nth(115).click()
    expect(page.get_by_role("button", name="Cancel…")).to_be_visible()
    run.api().cancel(left)
    page.go_back()
    expect(rows).to_have_count(130)
    expect(rows.nth(115)).to_be_focused()
    expect(rows.nth(115)).to_contain_text("cancelled")
    expect(rows.nth(115)).to_be_in_viewport()
    expect(page.get_by_text("That is all.")).to_be_visible()


def test_keys_lead_through_the_list(run: Running, log_in: LogIn) -> None:
    run.api().create_many([{"command": "true", "name": f"keyed {number}", "tags": ["keyed"]} for number in range(3)])
    page = log_in("viewer", "/jobs?tag=keyed").page
    expect(page.locator(".job-row")).to_have_count(3)
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(page.locator(".job-row").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="keyed 1")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()


def test_a_job_that_fits_the_filter_only_later_comes_in_though_a_newer_one_is_there(
    run: Running, log_in: LogIn, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.02; done; exit 4"
    older = run.api().create({"command": wait, "name": "older", "tags": ["late"]})
    newer = run.api().create({"command": "exit 3", "name": "newer", "tags": ["late"]})
    run.api().wait_status(newer["jobId"], "failed")
    page = log_in("viewer", "/jobs?tag=late&status=failed").page
    rows = page.locator(".job-row")
    expect(rows).to_have_count(1)
    gate.touch()
    run.api().wait_status(older["jobId"], "failed")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("older")
    run.api().create({"command": "exit 3", "name": "under the pointer", "tags": ["late"]})
    rows.first.hover()
    expect(page.get_by_role("button", name="1 new")).to_be_visible()


NOTE_PROMISES = """
() => {
  globalThis.promised = [];
  const look = () => {
    const said = document.body.textContent;
    if (said.includes('Nothing was missed')) promised.push(said);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""


def test_what_could_not_be_read_comes_by_itself_and_before_that_nothing_is_promised(
    run: Running, log_in: LogIn
) -> None:
    """Neither a list that is opened while the server is away, nor one that loses its connection."""
    job = run.api().create({"command": "true", "name": "heals", "tags": ["heals"], "requires": {"no": "such"}})
    tab = log_in("viewer", "/workers")
    tab.excuse("ERR_FAILED")
    page = tab.page
    links: list[WebSocketRoute] = []

    def pass_on(link: WebSocketRoute) -> None:
        link.connect_to_server()
        links.append(link)

    page.route_web_socket("**/ws", pass_on)
    page.route("**/api/jobs?*", lambda route: route.abort())
    page.goto(f"{run.url}/jobs?tag=heals")
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    page.unroute("**/api/jobs?*")
    row = page.locator(".job-row")
    expect(row).to_contain_text("queued")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.evaluate(NOTE_PROMISES)
    page.route("**/api/jobs?*", lambda route: route.abort())
    links[-1].close()
    expect(page.get_by_text("Connection lost")).to_be_visible()
    run.api().cancel(job["jobId"])
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    page.unroute("**/api/jobs?*")
    expect(row).to_contain_text("cancelled")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.evaluate("promised") == []


def test_an_address_with_filters_that_no_button_has_shows_them_and_lets_go_of_them(run: Running, log_in: LogIn) -> None:
    run.api().create({"command": "true", "name": "in time", "tags": ["chips"]})
    tab = log_in("viewer", "/jobs?tag=chips&from=-5h&status=bogus")
    tab.excuse("422")
    page = tab.page
    expect(page.get_by_role("alert")).to_contain_text("`status` must be one of")
    page.get_by_label("Do not filter by status bogus").click()
    expect(page.locator(".job-row")).to_have_count(1)
    page.get_by_label("Do not filter by from -5h").click()
    expect(page).to_have_url(f"{run.url}/jobs?tag=chips")
    search = page.get_by_label("Name, id or tag")
    search.press_sequentially("in ")
    expect(page).to_have_url(f"{run.url}/jobs?tag=chips&q=in")
    search.press_sequentially("time")
    expect(page).to_have_url(f"{run.url}/jobs?tag=chips&q=in+time")
    expect(page.locator(".job-row")).to_have_count(1)


def test_a_name_can_neither_turn_its_row_round_nor_hide(run: Running, log_in: LogIn) -> None:
    job = run.api().create(
        {"command": "true", "name": "gpj.\u202eexe\u200b", "tags": ["turns"], "runAt": "2099-01-01T03:00:00Z"}
    )
    page = log_in("operator", "/jobs?tag=turns").page
    row = page.locator(".job-row")
    expect(row).to_contain_text("gpj.⟨U+202E⟩exe⟨U+200B⟩")
    row.click()
    expect(page.get_by_role("heading", name="gpj.⟨U+202E⟩exe⟨U+200B⟩")).to_be_visible()
    expect(page).to_have_title("scheduled · gpj.⟨U+202E⟩exe⟨U+200B⟩ · cmdexec")
    expect(page.locator(".facts")).to_contain_text("1 Jan 2099 03:00")
    run.api().cancel(job["jobId"])


def test_a_command_whose_first_lines_are_empty_is_called_by_the_next(run: Running, log_in: LogIn) -> None:
    commands = {"titled": "\n  \n  echo deploy\necho more\n", "blank": " \n "}
    made = {tag: run.api().create({"command": line, "tags": [tag]})["jobId"] for tag, line in commands.items()}
    page = log_in("viewer", "/jobs?tag=titled&tag=blank").page
    expect(page.locator(f"[data-job='{made['titled']}'] .title")).to_have_text("echo deploy")
    expect(page.locator(f"[data-job='{made['blank']}'] .title")).to_have_text(made["blank"])
    page.locator(f"[data-job='{made['titled']}']").click()
    expect(page.get_by_role("heading", name="echo deploy")).to_be_visible()


def test_where_there_is_little_room_exact_times_leave_the_name_its_own(run: Running, log_in: LogIn) -> None:
    run.api().create({"command": "true", "name": "narrow but seen", "tags": ["narrow"]})
    page = log_in("viewer", "/jobs?tag=narrow", width=768).page
    name = page.locator(".job-row .name")
    expect(name).to_be_visible()
    page.keyboard.press("t")
    expect(page.locator(".exact")).to_be_visible()
    assert name.evaluate("(one) => one.clientWidth") >= 140


def test_a_clock_that_is_wrong_here_changes_no_time_of_the_servers(run: Running, log_in: LogIn) -> None:
    """Two hours ahead, what is new is of the last hour still, and has run since just now."""
    page = log_in("viewer", "/workers").page
    page.clock.install(time=time.time() + 7300)
    page.goto(f"{run.url}/jobs?tag=ahead&from=-1h")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    job = run.api().create({"command": "exec sleep 300", "tags": ["ahead"]})["jobId"]
    row = page.locator(f"[data-job='{job}']")
    expect(row).to_contain_text("running")
    expect(row.locator(".ran")).to_have_text(re.compile(r"^\d+(\.\d)? s$"))
    row.click()
    expect(page.locator(".sentence")).to_have_text(re.compile(r"^Running on build-01 for \d+(\.\d)? s"))
    run.api().cancel(job)
