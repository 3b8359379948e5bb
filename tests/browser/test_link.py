"""The lines between a page and its server: few of them, and none that is dead is called live."""

from pathlib import Path

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.conftest import LogIn
from tests.browser.test_job import LINES, gated, lines
from tests.support.server import Running
from tests.support.waiting import until

HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_a_tab_that_nobody_looks_at_holds_no_stream_and_goes_on_at_the_byte(
    run: Running, log_in: LogIn, tmp_path: Path
) -> None:
    command, gates = gated(tmp_path, "seq 3", "seq 4 6", "seq 7 9")
    job = run.api().create({"command": command})
    tab = log_in("operator", f"/jobs/{job['jobId']}")
    page = tab.page
    gates[0].touch()
    expect(page.locator(LINES)).to_have_count(3)
    with page.expect_event("requestfailed", lambda request: "follow=1" in request.url):
        page.evaluate(HIDE, True)
    gates[1].touch()
    until(lambda: run.api().output(job["jobId"]).endswith(b"6\n"), "its output is stored")
    assert len(lines(page)) == 3
    page.evaluate(HIDE, False)
    expect(page.locator(LINES)).to_have_count(6)
    gates[2].touch()
    expect(page.get_by_text("Ended · 9 lines")).to_be_visible()
    assert lines(page) == [str(number) for number in range(1, 10)]


def test_a_server_that_says_nothing_is_not_called_live(run: Running, log_in: LogIn) -> None:
    """The socket stays open, as it does on a line that died without a word."""
    page = log_in("viewer", "/workers").page
    silent = [False]

    def carry(socket: WebSocketRoute) -> None:
        if silent[0]:
            socket.close()
            return
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(lambda told: None if silent[0] else socket.send(told))

    page.route_web_socket("**/ws", carry)
    page.clock.install()
    page.reload()
    expect(page.locator(".live")).to_have_text("Live")
    for _ in range(6):  # each of its questions is answered
        page.clock.fast_forward(6_000)
        page.evaluate("() => fetch('/api/auth/me')")
    expect(page.locator(".live")).to_have_text("Live")
    silent[0] = True
    for _ in range(4):
        page.clock.fast_forward(6_000)
    expect(page.get_by_text("Connection lost at")).to_be_visible()
    expect(page.locator(".live")).to_have_text("Connecting")


def test_an_address_without_a_job_is_no_outage(run: Running, log_in: LogIn) -> None:
    tab = log_in("viewer")
    tab.excuse("404|422")
    page = tab.page
    for name in ("abc", "x" * 300):
        page.goto(f"{run.url}/jobs/{name}")
        expect(page.get_by_role("heading", name="No job")).to_be_visible()
        expect(page.get_by_text("Connection lost")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.querySelector('main').scrollWidth <= document.querySelector('main').clientWidth")
