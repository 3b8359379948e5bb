"""The window holds what is long, much, small or gone."""

import json
import signal
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.desktop.conftest import Look
from tests.desktop.desk import Desk, joined
from tests.support.system import Server, ends
from tests.support.waiting import until

NAME = "w" * 95
JOBS = 40
IN_VIEW = """() => [...document.querySelectorAll("h1, h2, button, input, dd, .tile-value")].filter((one) => {
  const { left, right, width } = one.getBoundingClientRect();
  const cut = one.tagName !== "INPUT" && one.scrollWidth > one.clientWidth + 1;
  return width > 0 && (left < 0 || right > innerWidth || cut);
}).map((one) => `${one.tagName} ${one.textContent.slice(0, 40)}`)"""
"""What runs out of the window, or of its own box."""


@pytest.fixture(scope="module")
def desk(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One with a long name, whose jobs have long names, and which runs many."""
    folder = tmp_path_factory.mktemp("shape") / "desk"
    made = joined(server, folder, WORKER_NAME=NAME, SLOTS=str(JOBS), RAM_LIMIT="512MB", LABELS="shape=odd")
    with ends(made):
        until((made.data / "joined.json").exists, "it has joined")
        api = server.api()
        line = "while :; do echo x; sleep 0.1; done"
        job = {"command": line, "name": "y" * 90, "requires": {"shape": "odd"}}
        api.create_many([dict(job) for _ in range(JOBS)])
        until(lambda: len(told(made)[0]["jobs"]) == JOBS, "all of them run", 30)
        yield made


def told(desk: Desk, lines: int = 1) -> list[dict[str, object]]:
    """What a window is told, one after the other."""
    where = urlsplit(desk.where["url"])
    connection = HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.request("GET", "/api/state", headers={"Host": where.netloc, "X-Window-Token": desk.where["token"]})
    answer = connection.getresponse()
    heard = [json.loads(answer.readline()) for _ in range(lines)]
    connection.close()
    return heard


def test_jobs_that_only_write_are_told_once(desk: Desk) -> None:
    first, *others = told(desk, 3)
    assert len(first["jobs"]) == JOBS  # type: ignore[arg-type]
    assert [one["jobs"] for one in others] == [None, None]


def test_of_many_jobs_those_in_view_are_drawn_and_all_are_reached(look: Look, desk: Desk) -> None:
    page = look(desk).page
    rows = page.get_by_role("region", name="Running here").get_by_role("listitem")
    expect(rows.first).to_have_attribute("aria-setsize", str(JOBS))
    assert rows.count() < JOBS / 2
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    page.locator(".runs .rows").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    expect(rows.last).to_have_attribute("aria-posinset", str(JOBS))
    expect(rows.last).to_be_in_viewport()


@pytest.mark.parametrize("width", [880, 390])
def test_what_is_long_keeps_within_its_place(look: Look, desk: Desk, width: int) -> None:
    page = look(desk).page
    page.set_viewport_size({"width": width, "height": 700})
    expect(page.locator(".band")).to_contain_text(NAME)
    assert page.locator(".band").bounding_box()["height"] < 140  # type: ignore[index]
    assert page.evaluate(IN_VIEW) == []
    page.get_by_role("button", name="Cancel…").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("yyyyy")
    assert page.evaluate(IN_VIEW) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("definition").get_by_text(NAME)).to_be_visible()
    assert page.evaluate(IN_VIEW) == []


def test_at_twice_the_size_all_of_it_is_reached_by_the_wheel(look: Look, desk: Desk) -> None:
    page = look(desk).page
    page.set_viewport_size({"width": 440, "height": 300})
    find = page.get_by_role("searchbox", name="Find in it")
    expect(find).not_to_be_in_viewport()
    page.mouse.move(20, 60)
    page.mouse.wheel(0, 4000)
    expect(find).to_be_in_viewport()


def focus_leaves(page: Page, part: str) -> bool:
    """Whether as many steps as there are buttons lead out of it."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if not page.evaluate(f"document.activeElement === document.body || !!document.activeElement.closest('{part}')"):
            return True
    return False


def test_what_lies_over_the_rest_keeps_the_focus(look: Look, desk: Desk) -> None:
    page = look(desk).page
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("CPU limit")).to_be_visible()
    assert not focus_leaves(page, ".panel")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Settings")).to_be_focused()
    output = page.get_by_role("button", name="Output").first
    output.click()
    expect(page.get_by_role("log")).to_be_visible()
    assert not focus_leaves(page, ".over")
    page.keyboard.press("Escape")
    expect(output).to_be_focused()


def test_of_a_worker_that_was_killed_nothing_is_offered(server: Server, look: Look, tmp_path: Path) -> None:
    desk = joined(server, tmp_path / "desk", WORKER_NAME="desk-ed")
    with ends(desk):
        page = look(desk).page
        server.api().create({"command": "exec sleep 300", "name": "cut off", "requires": {"os": "linux"}})
        expect(page.get_by_role("region", name="Running here").get_by_text("cut off")).to_be_visible()
        desk.send(signal.SIGKILL)
        expect(page.locator("h1")).to_have_text("The worker has ended")
        ran = page.get_by_role("region", name="Ran here when it ended")
        expect(ran.get_by_text("cut off")).to_be_visible()
        expect(ran.get_by_role("button")).to_have_count(0)
        expect(page.locator(".band").get_by_role("button")).to_have_count(0)
        expect(page.locator(".tile")).to_have_count(0)
