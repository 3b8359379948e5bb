"""Whoever cannot see, or uses no mouse: what axe-core finds on each page, in both themes, and the way of the focus."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn
from tests.support.server import Running

AXE = Path(__file__).parents[2] / ".tools/node_modules/axe-core/axe.min.js"
RUN = "() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] })"


def faults(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate(RUN)
    nodes = ((one["id"], node) for one in found["violations"] for node in one["nodes"])
    return [f"{name}: {node['html'][:200]} {node['any'][:1]}" for name, node in nodes]


def test_no_page_shuts_anybody_out(run: Running, log_in: LogIn) -> None:
    if not AXE.exists():
        pytest.skip("needs axe-core: run tests/browser/tools")
    job = run.api().create({"command": "printf '\\033[31mred\\033[0m\\n'; echo x >&2; exit 1", "name": "read by all"})
    run.api().wait_status(job["jobId"], "failed")
    waiting = run.api().create({"command": "true", "requires": {"no": "such"}, "name": "waits"})
    page = log_in("admin").page
    wrong: dict[str, list[str]] = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if theme == "light" else "dark")
        one, other = (f"/jobs/{found['jobId']}" for found in (job, waiting))
        for path in ("/jobs", one, other, "/jobs/new", "/workers", "/workers/add"):
            page.goto(run.url + path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            page.evaluate(AXE.read_text())
            wrong[f"{path} {theme}"] = faults(page)
    run.api().cancel(waiting["jobId"])
    assert not any(wrong.values()), "\n".join(f"{at}: {one}" for at, some in wrong.items() for one in some)


def test_a_job_is_submitted_by_keys_alone_and_the_focus_is_always_seen(log_in: LogIn) -> None:
    page = log_in("operator").page
    page.keyboard.press("c")
    expect(page.get_by_label("Command", exact=True)).to_be_focused()
    page.keyboard.type("echo by keys")
    seen = "getComputedStyle(document.activeElement).outlineStyle"
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate(seen) != "none"
        order.append(page.evaluate("document.activeElement.name"))
    assert order == ["cpu", "ram", "requires", "retries"]
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="echo by keys")).to_be_visible()
