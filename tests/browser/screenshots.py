"""Pictures of every page in both themes, at 1440 and 390 px: `python -m tests.browser.screenshots OUT`.

A server with workers and jobs of every kind is made for them, and taken away again.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import browser
from tests.browser.conftest import site
from tests.support.api import Api
from tests.support.server import Running
from tests.support.system import EMAIL, Worker, ends
from tests.support.waiting import until

SIZES = {"wide": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")

COLOURS = """
printf '\\033[1mcollected 412 items\\033[0m\\n\\n'
for i in 1 2 3 4 5 6 7 8; do
  printf 'tests/api/test_%s.py \\033[32m..........................\\033[0m  [%3d%%]\\n' $i $((i*12))
done
printf '\\033[33mwarning\\033[0m: deprecated option \\033[36m--all\\033[0m\\n' >&2
printf '\\n\\033[31;1mFAILED\\033[0m tests/api/test_workers.py::test_output - assert chunk.offset == 4096\\n'
printf '\\033[7m 1 failed, 411 passed in 2.31s \\033[0m\\n'
echo 'AssertionError: expected 4096, got 4095' >&2
exit 1
"""

NONE = {"firstSec": 0, "maxSec": 0}

SHORT = {"LEASE_SEC": "3", "HEARTBEAT_SEC": "500ms", "LEASE_SWEEP_SEC": "100ms"}
"""Leases end soon, so that a worker is lost while somebody looks."""

ONLY_THERE = {
    "command": "echo begun; exec sleep 300", "name": "backup desk-anna", "tags": ["backup"],
    "requires": {"desk": "anna"},
}  # fmt: skip

JOBS = (
    {"command": COLOURS, "name": "api tests", "tags": ["ci"], "env": {"CI": "true"}, "cpu": 1, "ramMb": 256},
    {"command": "sleep 0.3; echo done", "name": "build docs", "tags": ["ci", "docs"]},
    {"command": ["python3", "-c", "print('frame 0412')"], "name": "render frame 0412"},
    {"command": "exec sleep 300", "name": "to be cancelled"},
    {"command": "echo flaky; exit 75", "name": "flaky upload", "maxRetries": 2, "backoff": NONE},
    {"command": "/nothing/here", "name": "no such program"},
    {"command": "exec sleep 60", "name": "too slow", "timeoutSec": 0.5},
    {"command": "kill -SEGV $$", "name": "native crash with quite a long name that has to be cut somewhere on the way"},
    {"command": "true", "name": "train resnet50", "requires": {"gpu": "a100"}, "tags": ["gpu"], "priority": 5},
    {"command": "true", "name": "needs much", "ramMb": 4_000_000},
    {"command": "true", "name": "tonight", "runAt": "2099-01-01T03:00:00Z"},
    {"command": "for i in $(seq 4000); do echo step $i of the long run; sleep 0.05; done", "name": "long run"},
)  # fmt: skip


def fill(api: Api) -> dict[str, str]:
    """Jobs of every kind, each as far as it is to be; their ids by name."""
    ids = {job["name"]: api.create(job)["jobId"] for job in JOBS}
    api.wait_status(ids["to be cancelled"], "running")
    api.cancel(ids["to be cancelled"])
    for name in ("api tests", "flaky upload", "too slow", "build docs"):
        api.wait_status(ids[name], "completed", "failed", within=40)
    return ids


@contextmanager
def scene() -> Iterator[tuple[Running, dict[str, str]]]:
    """The server with all that is to be seen."""
    with tempfile.TemporaryDirectory() as folder, site(Path(folder) / "site", **SHORT) as run:
        gone = Worker(run.process, "desk-anna", slots=2, LABELS="desk=anna")
        with ends(gone):
            gone.start(run.api())
            ids = fill(run.api())
            held = run.api().create(ONLY_THERE)
            ids["backup"] = held["jobId"]
            run.api().wait_status(held["jobId"], "running", within=30)
            gone.kill9()
            run.api().wait_status(held["jobId"], "unknown")
            yield run, ids


def shots(run: Running, ids: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Name, address, and what to press there."""
    yield "jobs", "/jobs", ""
    yield "jobs-filtered", "/jobs?status=failed", ""
    yield "jobs-none", "/jobs?tag=nothing-has-this", ""
    yield "job-failed", f"/jobs/{ids['api tests']}", ""
    yield "job-running", f"/jobs/{ids['long run']}", ""
    yield "job-queued", f"/jobs/{ids['needs much']}", ""
    yield "job-unknown", f"/jobs/{ids['backup']}", ""
    yield "job-requeue", f"/jobs/{ids['backup']}", "Requeue…"
    yield "job-runs", f"/jobs/{ids['flaky upload']}", ""
    yield "job-cancel", f"/jobs/{ids['long run']}", "Cancel…"
    yield "new", "/jobs/new", ""
    yield "new-fault", "/jobs/new", "Run"
    yield "workers", "/workers", ""
    yield "add", "/workers/add", ""
    yield "add-made", "/workers/add", "Make it"
    yield "missing", "/nothing", ""


def take(page: Page, run: Running, ids: dict[str, str], into: Path, kind: str) -> None:
    """All pages, as the admin."""
    page.goto(f"{run.url}/login")
    page.get_by_label("E-mail").wait_for()
    page.screenshot(path=into / f"login-{kind}.png")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(run.process.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{run.url}/jobs")
    for name, path, press in shots(run, ids):
        page.goto(run.url + path)
        page.locator("h1, h2").first.wait_for()
        page.wait_for_load_state("load")
        if press:
            page.get_by_role("button", name=press).first.click()
        page.wait_for_timeout(600)
        page.screenshot(path=into / f"{name}-{kind}.png")


def main(into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    with browser() as chromium, scene() as (run, ids):
        until(lambda: run.api().ask("GET", "/api/ready"), "the server is ready")
        for kind in (f"{size}-{theme}" for size in SIZES for theme in THEMES):
            page = opened(chromium, kind)
            take(page, run, ids, into, kind)
            page.context.close()


def opened(chromium: Browser, kind: str) -> Page:
    size, _, theme = kind.partition("-")
    width, height = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
    )
    return context.new_page()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
