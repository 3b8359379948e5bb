"""The browser of the tests: the system's own Chromium, and pages of it that note whatever goes wrong in them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions"]
_VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) => {
  console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI}`);
});
"""


def executable() -> str:
    """Where Chromium is; skips the test where there is none (`tests/browser/tools` brings it)."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("needs Chromium: run tests/browser/tools as root, or set CHROMIUM to its path")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    path = executable()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@dataclass
class Tab:
    """A page, and all that its console and its policy had to say. `excused`: what may be said once a test has said so:
    a browser itself reports each answer that is a refusal, and each connection that is none."""

    page: Page
    said: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)

    def excuse(self, pattern: str) -> None:
        self.excused.append(pattern)

    def wrong(self) -> list[str]:
        """Errors and warnings of the console, faults of scripts, what the policy refused; but for what is excused."""
        return [one for one in self.said if not any(re.search(pattern, one) for pattern in self.excused)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")


@contextmanager
def tab(context: BrowserContext) -> Iterator[Tab]:
    """A page that must end without anything wrong in it."""
    opened = Tab(context.new_page())
    opened.page.add_init_script(_VIOLATIONS)
    opened.page.on("console", opened._console)
    opened.page.on("pageerror", lambda fault: opened.said.append(f"fault: {fault}"))
    opened.page.set_default_timeout(10_000)
    yield opened
    assert not opened.wrong(), "\n".join(opened.wrong())
    opened.page.close()
