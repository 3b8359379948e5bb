"""Whoever cannot see, or uses no mouse: what axe-core finds in the window, in both themes, and the way of the focus."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_access import AXE, faults
from tests.desktop.conftest import Look
from tests.desktop.desk import Desk, joined
from tests.support.system import Server, ends


def wrong_in(page: Page) -> list[str]:
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if theme == "light" else "dark")
        page.evaluate(AXE.read_text())
        found += [f"{theme}: {fault}" for fault in faults(page)]
    return found


def test_no_state_shuts_anybody_out(server: Server, look: Look, tmp_path: Path) -> None:
    if not AXE.exists():
        pytest.skip("needs axe-core: run tests/desktop/tools")
    new, desk = Desk(tmp_path / "new"), joined(server, tmp_path / "desk", WORKER_NAME="desk-di")
    with ends(new, desk):
        page = look(new.start()).page
        expect(page.get_by_role("heading", level=1)).to_have_text("Not joined yet")
        wrong = wrong_in(page)
        page = look(desk).page
        job = {"command": "echo x >&2; exec sleep 300", "name": "seen", "requires": {"os": "linux"}}
        server.api().create(job)
        expect(page.get_by_role("region", name="Running here").get_by_text("seen")).to_be_visible()
        wrong += wrong_in(page)
        page.get_by_role("button", name="Output").click()
        expect(page.get_by_role("log")).to_contain_text("x")
        wrong += wrong_in(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Settings").click()
        expect(page.get_by_label("Jobs at once")).to_be_visible()
        wrong += wrong_in(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Cancel…").click()
        wrong += wrong_in(page)
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert not wrong, "\n".join(wrong)


def test_keys_alone_lead_into_the_settings_and_out_again(server: Server, look: Look, tmp_path: Path) -> None:
    desk = joined(server, tmp_path / "desk")
    with ends(desk):
        page = look(desk).page
        settings = page.get_by_role("button", name="Settings")
        expect(settings).to_be_visible()
        settings.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="Settings")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(settings).to_be_focused()
