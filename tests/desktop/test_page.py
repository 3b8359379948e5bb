"""The window's page in a browser: configure, join, run a job, lose the server and come back, pause, cancel, close."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.desktop.conftest import Look
from tests.desktop.desk import Desk, join_token, joined
from tests.support.system import Server, ends, workers
from tests.support.waiting import until

NEVER = {"RECONNECT_MIN_SEC": "3000s", "RECONNECT_MAX_SEC": "3000s"}
"""Whether it connects again is up to whoever sits there."""


def band(page: Page, text: str | re.Pattern[str]) -> None:
    """The band says so."""
    expect(page.locator(".band h1")).to_have_text(text)


def running(page: Page, name: str) -> None:
    expect(page.get_by_role("region", name="Running here").get_by_text(name)).to_be_visible()


def happened(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("region", name="Activity").get_by_text(text).first).to_be_visible()


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> Iterator[Desk]:
    """One that has joined."""
    made = joined(server, tmp_path / "desk", WORKER_NAME="desk-anna", KILL_GRACE_SEC="1s", **NEVER)
    with ends(made):
        yield made


def test_from_nothing_to_a_job(server: Server, look: Look, tmp_path: Path) -> None:
    """Configured with a fault at its field, joined with a wrong code first, seen at work with its output."""
    made = Desk(tmp_path / "desk")
    made.data.mkdir(mode=0o700)
    file = made.data / "cmdexec.toml"
    file.write_text("# mine\nlimits = 'auto'  # stays\n")
    with ends(made):
        page = look(made.start()).page
        band(page, "Not joined yet")
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("Name").fill("desk-bo")
        page.get_by_label("Jobs at once").fill("many")
        page.get_by_label("Memory limit").fill("2GB")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Jobs at once")).to_have_attribute("aria-invalid", "true")
        expect(page.locator(".fault")).to_contain_text("'many' is not a whole number. Write a whole number, from 1")
        assert file.read_text() == "# mine\nlimits = 'auto'  # stays\n", "nothing was written"
        page.get_by_label("Jobs at once").fill("3")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved. It counts now.")).to_be_visible()
        assert file.read_text().startswith("# mine\nlimits = 'auto'  # stays\n")
        assert set(file.read_text().splitlines()[2:]) == {'worker_name = "desk-bo"', "slots = 3", 'ram_limit = "2GB"'}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        page.get_by_label("Server").fill(server.url)
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text(re.compile(r"answers in \d+ ms and is healthy"))).to_be_visible()
        page.get_by_label("Join code").fill("K7QF-a-code-that-nobody-has-ever-made")
        page.get_by_label("Jobs may run on this machine").check()
        page.get_by_role("button", name="Join").click()
        expect(page.locator(".fault")).to_contain_text("This server knows no such join token. Have a new one made")
        expect(page.get_by_role("status").get_by_text("knows no such")).to_have_count(0)
        expect(page.get_by_label("Join code")).to_have_value("K7QF-a-code-that-nobody-has-ever-made")
        page.get_by_label("Join code").fill(join_token(server))
        page.get_by_role("button", name="Join").click()
        band(page, f"Connected to 127.0.0.1:{server.port}")
        expect(page.get_by_text("Taking jobs: 0 of 3 slots in use · worker desk-bo")).to_be_visible()
        api = server.api()
        gate = tmp_path / "gate"
        line = f"echo begun; echo badly >&2; until [ -e {gate} ]; do sleep 0.05; done; echo over"
        job = api.create({"command": line, "name": "nightly index"})
        running(page, "nightly index")
        page.get_by_role("button", name="Output").first.click()
        shown = page.get_by_role("log")
        expect(shown).to_contain_text("begun")
        expect(shown.locator(".err")).to_contain_text("badly")
        gate.touch()
        expect(shown).to_contain_text("over")
        expect(page.get_by_text("It has ended.")).to_be_visible()
        page.keyboard.press("Escape")
        happened(page, re.compile("Completed nightly index after"))
        assert api.wait_status(job["jobId"], "completed")["status"] == "completed"


def test_a_server_that_was_mistyped_is_exchanged_while_it_is_tried(server: Server, look: Look, tmp_path: Path) -> None:
    made = Desk(tmp_path / "desk", "--allow-host", CONNECT_TIMEOUT_SEC="1s")
    with ends(made):
        page = look(made.start()).page
        page.get_by_label("Server").fill("http://127.0.0.1:9")
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("cannot be reached: nothing answers there")).to_be_visible()
        page.get_by_label("Join code").fill(join_token(server))
        page.get_by_role("button", name="Join", exact=True).click()
        band(page, "Joining 127.0.0.1:9")
        expect(page.locator(".band")).to_contain_text("cannot be reached: nothing answers there")
        expect(page.get_by_role("region", name="Running here")).to_have_count(0)
        page.get_by_role("button", name="Another server").click()
        page.get_by_label("Server").fill(server.url)
        page.get_by_label("Join code").fill(join_token(server))
        page.get_by_role("button", name="Join", exact=True).click()
        band(page, re.compile("^Connected to"))


def test_a_server_with_a_shared_secret_needs_no_code(server: Server, look: Look, tmp_path: Path) -> None:
    made = Desk(tmp_path / "desk", WORKER_NAME="desk-cy")
    with ends(made):
        page = look(made.start()).page
        page.get_by_role("button", name="Settings").click()
        panel = page.get_by_role("dialog", name="Settings")
        panel.get_by_label("Server").fill(server.url)
        panel.get_by_label("Shared secret").fill(server.secret)
        panel.get_by_label("Jobs may run on this machine").check()
        panel.get_by_role("button", name="Save").click()
        band(page, re.compile("^Connected to"))
        page.get_by_role("button", name="Settings").click()
        expect(panel.get_by_text("One is set. Leave this empty to keep it.")).to_be_visible()
        assert server.secret not in page.content()


def test_the_server_is_cut_off_and_comes_back(server: Server, look: Look, desk: Desk, tmp_path: Path) -> None:
    """The countdown is seen, the job runs on, and what it wrote meanwhile arrives."""
    page, gate = look(desk).page, tmp_path / "gate"
    band(page, re.compile("^Connected to"))
    line = f"echo one; until [ -e {gate} ]; do sleep 0.05; done; echo two"
    job = server.api().create({"command": line, "name": "long run"})
    running(page, "long run")
    server.kill9()
    band(page, re.compile(r"^Disconnected\. Next try in \d+ s$"))
    first = page.locator(".band h1").inner_text()
    expect(page.get_by_text("Your 1 job runs on; its output is kept here.")).to_be_visible()
    expect(page.locator(".band h1")).not_to_have_text(first)
    running(page, "long run")
    gate.touch()
    happened(page, re.compile("Completed long run"))
    server.start()
    page.get_by_role("button", name="Try now").click()
    band(page, re.compile("^Connected to"))
    api = server.api()
    api.wait_status(job["jobId"], "completed")
    assert api.output(job["jobId"]) == b"one\ntwo\n"


def test_paused_it_takes_no_jobs_until_it_is_resumed(server: Server, look: Look, desk: Desk) -> None:
    page, api = look(desk).page, server.api()
    page.get_by_role("button", name="Pause").click()
    band(page, "Paused by you")
    mine = {"hostname": next(one for one in workers(api) if one["name"] == "desk-anna")["labels"]["hostname"]}
    job = api.create({"command": "echo hello", "name": "waits", "requires": mine})
    until(lambda: "drain" in str(api.job(job["jobId"])["waitingFor"]), "it waits since the worker takes none")
    page.get_by_role("button", name="Resume").click()
    band(page, re.compile("^Connected to"))
    api.wait_status(job["jobId"], "completed")
    happened(page, re.compile("Completed waits"))


def test_a_job_is_cancelled_at_this_machine(server: Server, look: Look, desk: Desk) -> None:
    page, api = look(desk).page, server.api()
    job = api.create({"command": "exec sleep 300", "name": "unwanted"})
    running(page, "unwanted")
    page.get_by_role("button", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name="Cancel unwanted?")
    expect(dialog.get_by_role("button", name="Leave it")).to_be_focused()
    dialog.get_by_role("button", name="Cancel").click()
    ended = api.wait_status(job["jobId"], "failed")
    assert ended["reason"] == "worker"
    assert ended["message"].endswith("gave it up: ended by the owner of that machine")
    happened(page, re.compile("unwanted: ended by you after"))


def test_what_is_saved_counts_when_what_runs_has_ended(server: Server, look: Look, desk: Desk, tmp_path: Path) -> None:
    page, api, gate = look(desk).page, server.api(), tmp_path / "gate"
    api.create({"command": f"until [ -e {gate} ]; do sleep 0.05; done", "name": "goes first"})
    running(page, "goes first")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("CPU limit").fill("0.5")
    page.get_by_label("Start when I log in").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It counts once 1 job has ended")).to_be_visible()
    band(page, "New settings count once 1 job has ended")
    gate.touch()
    band(page, re.compile("^Connected to"))
    expect(page.get_by_text("jobs may use 0.5 cores")).to_be_visible()
    (entry,) = (desk.folder / "config" / "autostart").iterdir()
    assert f'"worker" "--data-dir" "{desk.data}"' in entry.read_text()


def test_closing_the_window_asks_and_the_same_command_shows_it_again(server: Server, look: Look, desk: Desk) -> None:
    page = look(desk).page
    band(page, re.compile("^Connected to"))
    desk.press_close()
    page.get_by_role("dialog", name="Keep the worker running?").get_by_role("button", name="Keep it running").click()
    until(lambda: {"do": "close"} in desk.told_window(), "the window is told to close")
    before = desk.window_pid
    again = Desk(desk.folder)
    again.log = desk.folder / "second.log"
    again.spawn()
    assert again.wait() == 0
    assert f"runs in the data folder {desk.data} already. Its window is shown." in again.log.read_text()
    until(lambda: desk.window_pid != before, "another window is opened")
    happened(page, re.compile("The window is gone; this worker goes on"))
    desk.press_close()
    page.get_by_role("dialog").get_by_role("button", name="End the worker").click()
    assert desk.wait() == 0
    band(page, "The worker has ended")


def test_settings_that_cannot_be_used_are_mended_in_the_window(server: Server, look: Look, desk: Desk) -> None:
    """Written by hand into nonsense: nothing runs, nothing is lost, and all of it is told where it can be mended."""
    until((desk.data / "joined.json").exists, "it has joined")
    assert desk.stop() == 0
    file = desk.data / "cmdexec.toml"
    file.write_text('slots = "many"\n"we ird" = "red"\nlog_level = "loud"\n[worker]\nslots = 3\n')
    again = Desk(desk.folder, "--allow-host")
    with ends(again):
        page = look(again.start()).page
        band(page, "The settings cannot be used")
        expect(page.get_by_role("alert")).to_contain_text("we ird The worker has no such setting.")
        page.get_by_role("button", name="Correct them").click()
        expect(page.get_by_label("Jobs at once")).to_have_value("many")
        expect(page.get_by_label("Jobs at once")).to_have_attribute("aria-invalid", "true")
        for left in (3, 2, 1):
            expect(page.get_by_role("button", name="Take it out")).to_have_count(left)
            page.get_by_role("button", name="Take it out").first.click()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Jobs at once")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("Jobs at once").fill("2")
        page.get_by_role("button", name="Save").click()
        band(page, re.compile("^Connected to"))
        assert file.read_text() == "slots = 2\n"
        assert again.stop() == 0
        file.write_text("slots = = 2\n")
        page = look(again.start()).page
        page.get_by_role("button", name="Correct them").click()
        expect(page.get_by_text("Save puts it aside as cmdexec.toml.before and writes a new one")).to_be_visible()
        page.get_by_label("Jobs at once").fill("3")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The file that was there is now cmdexec.toml.before.")).to_be_visible()
        band(page, re.compile("^Connected to"))


def test_a_worker_revoked_in_the_background_shows_itself_and_ends_with_its_code(
    server: Server, look: Look, desk: Desk
) -> None:
    page, api = look(desk).page, server.api()
    band(page, re.compile("^Connected to"))
    desk.press_close()
    page.get_by_role("dialog").get_by_role("button", name="Keep it running").click()
    until(lambda: {"do": "close"} in desk.told_window(), "the window is told to close")
    before = desk.window_pid
    me = next(one for one in workers(api) if one["name"] == "desk-anna" and one["state"] == "online")
    api.ask("DELETE", f"/api/workers/{me['workerId']}")
    until(lambda: desk.window_pid != before, "another window is opened")
    band(page, "The worker has stopped")
    desk.press_close()
    assert desk.wait() == 4
    assert "This worker was revoked by admin@localhost." in desk.log.read_text()


def test_output_that_came_too_fast_is_missed_where_it_is_missing(server: Server, look: Look, tmp_path: Path) -> None:
    """What a job writes faster than the window reads is not there, and the window says so in its place."""
    made, gate = joined(server, tmp_path / "desk", WINDOW_OUTPUT_BYTES="64KiB", KILL_GRACE_SEC="1s"), tmp_path / "gate"
    with ends(made):
        page = look(made).page
        line = f"printf 'the first line\\n\\033[31mred and open'; until [ -e {gate} ]; do sleep 0.05; done; "
        server.api().create({"command": f"{line} seq -f 'flood %.0f' 200000; echo the last line", "name": "flood"})
        running(page, "flood")
        page.get_by_role("button", name="Output").first.click()
        shown = page.get_by_role("log")
        expect(shown).to_contain_text("red and open")
        gate.touch()
        expect(shown).to_contain_text("the last line")
        gaps = shown.get_by_text(re.compile(r"^\d\S* MB are not shown here; the server has them\.$"))
        expect(gaps.first).to_be_visible()
        expect(shown.locator(".plain-row", has_text="the first line")).to_have_text("the first line")
        expect(shown.locator(".plain-row", has_text="red and open")).to_have_text("red and open")
        expect(shown.locator(".plain-row", has_text="the last line").locator(".f-red")).to_have_count(0)


def test_a_worker_that_was_revoked_joins_again(server: Server, look: Look, desk: Desk) -> None:
    page, api = look(desk).page, server.api()
    band(page, re.compile("^Connected to"))
    me = next(one for one in workers(api) if one["name"] == "desk-anna" and one["state"] == "online")
    api.ask("DELETE", f"/api/workers/{me['workerId']}")
    band(page, "The worker has stopped")
    expect(page.get_by_text("This worker was revoked by admin@localhost.").first).to_be_visible()
    page.get_by_role("button", name="Join again").click()
    page.get_by_label("Join code").fill(join_token(server))
    page.get_by_role("button", name="Join", exact=True).click()
    band(page, re.compile("^Connected to"))
