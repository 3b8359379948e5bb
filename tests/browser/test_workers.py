"""Workers: one is added by the line that the page shows, and changed by an admin alone."""

import shlex
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.browser.conftest import LogIn
from tests.support.api import Api
from tests.support.server import Running
from tests.support.system import Process, clean_environment, ends


def test_the_line_that_the_page_shows_makes_a_worker(run: Running, log_in: LogIn, tmp_path: Path) -> None:
    """It is seen to come, runs a job that asks for its label, is drained, goes on, is renamed, and is shut out."""
    page = log_in("admin", "/workers/add").page
    page.get_by_label("Labels").fill("desk=bo")
    page.get_by_role("button", name="Make it").click()
    program, *arguments = shlex.split(page.locator("[data-line]").inner_text())
    assert program == "cmdexec"
    expect(page.get_by_text("127.0.0.1 leads every machine to itself")).to_be_visible()
    expect(page.get_by_text("Waiting for it to call")).to_be_visible()
    process = Process(
        [*arguments, "--data-dir", str(tmp_path / "desk")],
        clean_environment(HOME=str(tmp_path), WORKER_NAME="desk-bo"), tmp_path / "desk.log",
    )  # fmt: skip
    with ends(process):
        process.spawn()
        expect(page.get_by_text("desk-bo joined")).to_be_visible(timeout=20_000)
        job = run.api().create({"command": "echo here", "requires": {"desk": "bo"}})
        assert run.api().wait_status(job["jobId"], "completed")["status"] == "completed"
        page.get_by_role("link", name="Open workers").click()
        card = page.locator(".worker").filter(has_text="desk-bo")
        expect(card).to_contain_text("desk=bo")
        card.get_by_role("button", name="Drain").click()
        expect(card).to_contain_text("Takes no new jobs")
        card.get_by_role("button", name="Resume").click()
        expect(card.get_by_role("button", name="Drain")).to_be_visible()
        card.get_by_role("button", name="Rename…").click()
        page.get_by_role("dialog").get_by_label("Name").fill("desk-anna")
        page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        card = page.locator(".worker").filter(has_text="desk-anna")
        expect(card).to_be_visible()
        card.get_by_role("button", name="Revoke…").click()
        dialog = page.get_by_role("dialog", name="Revoke desk-anna?")
        expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
        dialog.get_by_role("button", name="Revoke").click()
        expect(card).to_be_hidden()
        page.get_by_label("Show revoked ones").check()
        expect(card).to_contain_text("Shut out for good")


def test_a_card_names_what_runs_there_as_people_do(run: Running, log_in: LogIn) -> None:
    named = run.api().create({"command": "exec sleep 300", "name": "nightly index"})
    line = run.api().create({"command": "sleep 301; true"})
    for job in (named, line):
        run.api().wait_status(job["jobId"], "running")
    card = log_in("viewer", "/workers").page.locator(".worker").filter(has_text="build-01")
    expect(card.get_by_role("link", name="nightly index")).to_have_attribute("href", f"/jobs/{named['jobId']}")
    expect(card.get_by_role("link", name="sleep 301; true")).to_have_attribute("href", f"/jobs/{line['jobId']}")
    for job in (named, line):
        run.api().cancel(job["jobId"])


def test_a_viewer_sees_every_act_and_why_it_is_refused(run: Running, log_in: LogIn) -> None:
    job = run.api().create({"command": "true", "requires": {"no": "such"}})
    tab = log_in("viewer", "/workers")
    page = tab.page
    drain = page.locator(".worker").filter(has_text="build-01").get_by_role("button", name="Drain")
    expect(drain).to_have_attribute("aria-disabled", "true")
    drain.click(force=True)
    expect(page.get_by_text("Only admins can change workers.").first).to_be_visible()
    page.goto(f"{run.url}/workers/add")
    make = page.get_by_role("button", name="Make it")
    expect(make).to_have_attribute("aria-disabled", "true")
    make.click(force=True)
    expect(page.locator("[data-line]")).to_have_count(0)
    page.goto(f"{run.url}/jobs/{job['jobId']}")
    for name in ("Cancel…", "Edit and rerun"):
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Cancel…").click(force=True)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{run.url}/jobs/new")
    page.get_by_label("Command", exact=True).fill("true")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Viewers only look.").first).to_be_visible()
    assert page.url == f"{run.url}/jobs/new"
    run.api().cancel(job["jobId"])


def test_a_page_waits_for_nobody_once_its_token_is_revoked(log_in: LogIn) -> None:
    page = log_in("admin", "/workers/add").page
    page.get_by_label("How many workers").fill("1-2")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("This is no number.")).to_be_visible()
    page.get_by_label("How many workers").fill("2")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Waiting for it to call")).to_be_visible()
    page.get_by_role("button", name="Revoke this token").click()
    expect(page.get_by_text("The token is revoked")).to_be_visible()
    expect(page.get_by_text("Waiting for it to call")).to_have_count(0)


def test_a_token_that_has_expired_is_waited_for_no_longer(log_in: LogIn) -> None:
    page = log_in("admin", "/workers/add").page

    def shorter(route: Route) -> None:
        short = {"uses": 1, "expiresSec": 2, "labels": {}}
        route.continue_(post_data=short) if route.request.method == "POST" else route.continue_()

    page.route("**/api/join-tokens", shorter)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Waiting for it to call")).to_be_visible()
    expect(page.get_by_text("The token has expired")).to_be_visible()
    expect(page.get_by_text("Waiting for it to call")).to_have_count(0)
    page.unroute("**/api/join-tokens")


def test_a_token_that_is_good_can_be_revoked_by_whoever_comes_later(run: Running, log_in: LogIn) -> None:
    page = log_in("admin", "/workers/add").page
    page.get_by_label("How many workers").fill("7")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("[data-line]")).to_be_visible()
    page.reload()
    token = page.get_by_role("listitem").filter(has_text="For 7 workers")
    token.get_by_role("button", name="Revoke this token").click()
    expect(token).to_have_count(0)
    states = [one["state"] for one in run.api().ask("GET", "/api/join-tokens")["joinTokens"] if one["uses"] == 7]
    assert states in ([], ["revoked"])


def test_a_card_says_where_a_worker_was(run: Running, log_in: LogIn) -> None:
    """The last time at once, and those before it on demand."""
    began = 1_764_000_000_000
    absences = [
        {"since": began + 7_200_000, "until": began + 9_780_000, "cause": "slept"},
        {"since": began, "until": began + 60_000, "cause": "oom"},
    ]
    said = {"name": "sleepy", "absences": list(reversed(absences))}
    Api(run.url).ask("POST", "/api/workers/register", said, run.headers("worker"))
    card = log_in("viewer", "/workers").page.locator(".worker").filter(has_text="sleepy")
    expect(card).to_contain_text("for 43 min 00 s: machine slept.")
    earlier = card.get_by_text("worker killed by the kernel's OOM killer")
    expect(earlier).to_be_hidden()
    card.get_by_text("1 time before that").click()
    expect(earlier).to_be_visible()
