"""Logging in and out, and addresses that have no page."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.chromium import Tab
from tests.browser.conftest import PEOPLE, LogIn
from tests.support.server import Running


def test_a_wrong_password_is_told_and_nothing_typed_is_lost(run: Running, opened: Callable[..., Tab]) -> None:
    tab = opened()
    tab.excuse("401")
    page = tab.page
    page.goto(f"{run.url}/workers")
    expect(page).to_have_url(f"{run.url}/login?next=%2Fworkers")
    page.get_by_label("E-mail").fill(PEOPLE["operator"])
    page.get_by_label("Password").fill("not this one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value(PEOPLE["operator"])
    page.get_by_label("Password").fill(run.process.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{run.url}/workers")
    expect(page.get_by_text("operator · v")).to_be_visible()


def test_a_browser_that_keeps_no_login_is_told_of(run: Running, opened: Callable[..., Tab]) -> None:
    tab = opened()
    tab.excuse("401")
    page = tab.page
    page.add_init_script("const ask = fetch; fetch = (path, how) => ask(path, { ...how, credentials: 'omit' });")
    page.goto(f"{run.url}/login")
    page.get_by_label("E-mail").fill(PEOPLE["operator"])
    page.get_by_label("Password").fill(run.process.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("cookies are off for this address")
    expect(page.get_by_label("E-mail")).to_have_value(PEOPLE["operator"])


def test_next_never_leads_away_from_this_server(run: Running, opened: Callable[..., Tab]) -> None:
    page = opened().page
    page.goto(f"{run.url}/login")
    safe = """async (path) => {
      const at = document.querySelector('script[type=module]').src.replace('main.js', '');
      return (await import(`${at}router.js`)).safeNext(path);
    }"""
    away = ["//evil.example/x", "/\\evil", "/\t/evil.example", "https://evil.example", "/api/jobs", "/login?next=/"]
    for path in away:
        assert page.evaluate(safe, path) == "/jobs", path
    assert page.evaluate(safe, "/jobs?status=failed") == "/jobs?status=failed"
    page.goto(f"{run.url}/login?next=/%09/evil.example/x")
    page.get_by_label("E-mail").fill(PEOPLE["viewer"])
    page.get_by_label("Password").fill(run.process.password)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{run.url}/jobs")


def test_after_logging_out_the_pages_are_shut(run: Running, log_in: LogIn) -> None:
    page = log_in("operator").page
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto(f"{run.url}/workers")
    expect(page.get_by_label("Password")).to_be_visible()
    answer = page.request.get(f"{run.url}/api/auth/me")
    assert answer.status == 401


def test_a_login_that_ended_asks_again_over_the_page_and_keeps_what_was_typed(run: Running, log_in: LogIn) -> None:
    tab = log_in("operator", "/jobs/new")
    tab.excuse("401")
    tab.excuse("WebSocket")
    page = tab.page
    page.get_by_label("Command", exact=True).fill("echo kept")
    page.context.clear_cookies()
    page.get_by_role("button", name="Run").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("You were logged out.")).to_be_visible()
    dialog.get_by_label("Password").fill(run.process.password)
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("Command", exact=True)).to_have_value("echo kept")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="echo kept")).to_be_visible()


def test_whoever_logs_out_of_a_login_that_ended_is_out(log_in: LogIn) -> None:
    tab = log_in("operator")
    tab.excuse("401")
    tab.page.context.clear_cookies()
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page).to_have_url(re.compile("/login"))
    expect(tab.page.get_by_role("dialog")).to_have_count(0)
    expect(tab.page.get_by_label("Password")).to_be_visible()


def test_no_key_loses_the_question_to_log_in(run: Running, log_in: LogIn) -> None:
    """Browsers close a dialog at the second Escape, whatever the page says to the first."""
    tab = log_in("operator", "/jobs/new")
    tab.excuse("401")
    tab.excuse("WebSocket")
    page = tab.page
    page.get_by_label("Command", exact=True).fill("echo kept")
    page.context.clear_cookies()
    page.get_by_role("button", name="Run").click()
    dialog = page.get_by_role("dialog")
    password = dialog.get_by_label("Password")
    for _ in range(4):
        expect(password).to_be_focused()
        page.keyboard.press("Escape")
    password.fill(run.process.password)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("Command", exact=True)).to_have_value("echo kept")


def test_a_login_that_ends_elsewhere_takes_no_page_away_and_another_tab_brings_it_back(
    run: Running, log_in: LogIn, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = run.api().create({"command": f"echo begun; until [ -e {gate} ]; do sleep 0.02; done; echo done"})
    tab = log_in("operator", f"/jobs/{job['jobId']}")
    tab.excuse("401")
    tab.excuse("ERR_INCOMPLETE_CHUNKED_ENCODING")
    following = tab.page
    expect(following.locator(".log-row").filter(has_text="begun")).to_be_visible()
    typing, leaving = following.context.new_page(), following.context.new_page()
    typing.goto(f"{run.url}/jobs/new")
    typing.get_by_label("Command", exact=True).fill("echo kept")
    leaving.goto(f"{run.url}/workers")
    leaving.get_by_role("button", name="Log out").click()
    for page in (following, typing):
        expect(page.get_by_role("dialog").get_by_text("You were logged out.")).to_be_visible()
    gate.touch()
    run.api().wait_status(job["jobId"], "completed")
    leaving.get_by_label("E-mail").fill(PEOPLE["operator"])
    leaving.get_by_label("Password").fill(run.process.password)
    leaving.keyboard.press("Enter")
    for page in (following, typing):
        expect(page.get_by_role("dialog")).to_have_count(0)
    expect(typing.get_by_label("Command", exact=True)).to_have_value("echo kept")
    expect(following.locator(".log-row").filter(has_text="done")).to_be_visible()
    expect(following.locator(".sentence")).to_contain_text("Completed")


def test_what_one_person_typed_is_never_shown_to_another(run: Running, log_in: LogIn) -> None:
    """Neither where the other logs in in another tab, nor where it is the same tab."""
    tab = log_in("operator", "/jobs/new")
    tab.excuse("401")
    tab.excuse("WebSocket")
    typing = tab.page
    command = typing.get_by_label("Command", exact=True)
    command.fill("deploy --token=secret")
    other = typing.context.new_page()
    other.goto(f"{run.url}/workers")
    other.get_by_role("button", name="Log out").click()
    expect(typing.get_by_role("dialog")).to_be_visible()
    other.get_by_label("E-mail").fill(PEOPLE["viewer"])
    other.get_by_label("Password").fill(run.process.password)
    other.keyboard.press("Enter")
    expect(typing.get_by_text("viewer · v")).to_be_visible()
    expect(command).to_have_value("")
    command.fill("of the viewer")
    typing.context.clear_cookies()
    typing.reload()
    typing.get_by_label("E-mail").fill(PEOPLE["operator"])
    typing.get_by_label("Password").fill(run.process.password)
    typing.keyboard.press("Enter")
    expect(typing.get_by_text("operator · v")).to_be_visible()
    expect(command).to_have_value("")


def test_an_address_without_a_page_says_so(run: Running, log_in: LogIn) -> None:
    tab = log_in()
    tab.excuse("404")
    tab.page.goto(f"{run.url}/nothing/here")
    expect(tab.page.get_by_role("heading", name="No such page")).to_be_visible()
    tab.page.goto(f"{run.url}/jobs/01936f0e-4f2a-7001-9c3f-00000000dead")
    expect(tab.page.get_by_role("heading", name="No job")).to_be_visible()
    tab.page.get_by_role("link", name="All jobs").click()
    expect(tab.page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    tab.page.goto(f"{run.url}/workers/")
    expect(tab.page.get_by_role("heading", name="Workers", exact=True)).to_be_visible()


def test_a_chosen_theme_stays(log_in: LogIn) -> None:
    page = log_in().page
    page.emulate_media(color_scheme="light")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    dark = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(dark) == "rgb(14, 16, 19)"
    page.reload()
    page.get_by_role("navigation", name="Pages").wait_for()
    assert page.evaluate(dark) == "rgb(14, 16, 19)"
