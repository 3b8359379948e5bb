"""Pictures of the worker's window in each of its states, in both themes: `python -m tests.desktop.screenshots OUT`.

A server and workers are made for them, and taken away again. A browser of the tests stands for the window.
"""

import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import browser
from tests.desktop.desk import Desk, joined
from tests.support.system import FAST, Server, ends

SIZES = {"": (880, 600), "-least": (640, 480)}
THEMES = ("light", "dark")

BUILD = r"""
printf '\033[1mbuilding frame 0412\033[0m\n'
for i in $(seq 14); do printf 'tile %2d of 14  \033[32mok\033[0m\n' $i; done
echo 'warning: texture sky_04.exr is larger than 4096 px' >&2
exec sleep 300
"""
QUICK = (
    {"command": "sleep 0.2", "name": "render frame 0410"}, {"command": "sleep 0.2", "name": "render frame 0411"},
    {"command": "echo no; exit 3", "name": "upload thumbnails"}, {"command": "/nothing/here", "name": "old script"},
)  # fmt: skip
SLOW = {"RECONNECT_MIN_SEC": "14s", "RECONNECT_MAX_SEC": "15s", "SLOTS": "4", "WORKER_NAME": "desk-anna"}


class Camera:
    """Takes a page in all sizes and both themes."""

    def __init__(self, chromium: Browser, into: Path) -> None:
        self._chromium, self._into = chromium, into

    @contextmanager
    def shows(self, desk: Desk) -> Iterator[Page]:
        wide, high = SIZES[""]
        context = self._chromium.new_context(viewport={"width": wide, "height": high}, reduced_motion="reduce")
        page = context.new_page()
        page.goto(desk.address)
        page.locator("h1").wait_for()
        yield page
        context.close()

    def take(self, page: Page, name: str, *, least: bool = False) -> None:
        page.wait_for_timeout(400)
        for suffix, (width, height) in SIZES.items():
            if suffix and not least:
                continue
            page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                page.screenshot(path=self._into / f"{name}{suffix}-{theme}.png")
        page.set_viewport_size(dict(zip(("width", "height"), SIZES[""], strict=True)))  # type: ignore[arg-type]


def title(page: Page, text: str) -> None:
    """Wait until the band says so."""
    page.locator(".band h1", has_text=text).wait_for(timeout=30_000)


def before_joining(camera: Camera, server: Server, folder: Path) -> None:
    desk = Desk(folder / "new")
    with ends(desk), camera.shows(desk.start()) as page:
        title(page, "Not joined yet")
        camera.take(page, "new", least=True)
        page.get_by_role("button", name="Join").click()
        page.get_by_label("Server").fill(server.url)
        page.get_by_label("Join code").fill("K7QF-not-a-code-that-this-server-made")
        page.get_by_label("Jobs may run on this machine").check()
        page.get_by_role("button", name="Join").click()
        page.get_by_text("join token").first.wait_for()
        camera.take(page, "new-refused")
        page.get_by_label("Server").fill("http://127.0.0.1:9")
        page.get_by_role("button", name="Join").click()
        title(page, "Joining")
        camera.take(page, "joining")
    wrong = {"WORKER_TOKEN_SECRET": secrets.token_urlsafe(40)}
    refused = Desk(folder / "refused", "--allow-host", "--server", server.url, **SLOW, **wrong)
    with ends(refused), camera.shows(refused.start()) as page:
        title(page, "Refused by")
        camera.take(page, "refused")
    broken = Desk(folder / "broken")
    broken.data.mkdir(mode=0o700)
    (broken.data / "cmdexec.toml").write_text('slots = "many"\ncpu_limit = -1\ncolour = "red"\n')
    with ends(broken), camera.shows(broken.start()) as page:
        title(page, "cannot be used")
        camera.take(page, "faulty")
        page.get_by_role("button", name="Correct them").click()
        page.get_by_label("Jobs at once").wait_for()
        camera.take(page, "faulty-settings")


def at_work(camera: Camera, server: Server, desk: Desk) -> None:
    api = server.api()
    with camera.shows(desk) as page:
        title(page, "Connected")
        camera.take(page, "idle")
        api.wait_ended(api.create_many([dict(job) for job in QUICK]))
        for name in ("render frame 0412", "nightly index of all that has changed since yesterday, with its previews"):
            api.wait_status(api.create({"command": BUILD, "name": name})["jobId"], "running")
        page.get_by_text("render frame 0412").wait_for()
        camera.take(page, "connected", least=True)
        page.get_by_role("button", name="Output").first.click()
        page.get_by_text("tile 14 of 14").wait_for()
        camera.take(page, "output")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Cancel…").first.click()
        camera.take(page, "cancel")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("Memory limit").wait_for()
        camera.take(page, "settings", least=True)
        page.get_by_label("Memory limit").fill("lots")
        page.get_by_role("button", name="Save").click()
        page.locator(".fault").first.wait_for()
        camera.take(page, "settings-fault")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Pause").click()
        title(page, "Paused by you")
        camera.take(page, "paused")
        page.get_by_role("button", name="Resume").click()
        title(page, "Connected")
        desk.press_close()
        page.get_by_role("dialog").wait_for()
        camera.take(page, "closing")
        page.get_by_role("button", name="Stay here").click()


def in_trouble(camera: Camera, server: Server, desk: Desk) -> None:
    api = server.api()
    me = next(one for one in api.ask("GET", "/api/workers/list")["workers"] if one["name"] == "desk-anna")
    with camera.shows(desk) as page:
        api.ask("PATCH", f"/api/workers/{me['workerId']}", {"draining": True})
        title(page, "Draining")
        camera.take(page, "draining")
        server.kill9()
        title(page, "Disconnected")
        camera.take(page, "disconnected", least=True)
        server.start()
        page.get_by_role("button", name="Try now").click()
        page.locator(".band h1", has_text="Draining").wait_for(timeout=30_000)
        server.api().ask("DELETE", f"/api/workers/{me['workerId']}")
        title(page, "stopped")
        camera.take(page, "revoked")
        page.get_by_role("button", name="Join again").click()
        camera.take(page, "join-again")


def at_its_end(camera: Camera, server: Server, folder: Path) -> None:
    desk = joined(server, folder / "ending", **SLOW | {"WORKER_NAME": "desk-bo"})
    with ends(desk), camera.shows(desk) as page:
        title(page, "Connected")
        api = server.api()
        api.wait_status(api.create({"command": "exec sleep 300", "name": "long run"})["jobId"], "running")
        page.get_by_text("long run").wait_for()
        desk.send(signal.SIGTERM)
        title(page, "Ending")
        camera.take(page, "ending")
        desk.kill9()
        title(page, "has ended")
        camera.take(page, "gone")


def main(into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chromium = stack.enter_context(browser())
        server = Server(folder / "site", **FAST)
        stack.enter_context(ends(server))
        server.start()
        camera = Camera(chromium, into)
        before_joining(camera, server, folder)
        desk = joined(server, folder / "desk", **SLOW)
        stack.enter_context(ends(desk))
        at_work(camera, server, desk)
        in_trouble(camera, server, desk)
        at_its_end(camera, server, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
