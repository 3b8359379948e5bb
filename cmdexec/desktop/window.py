"""The window's own process: a web view over the worker's page, on the main thread, as its library wants it.

Its worker tells it by lines of JSON on standard input where the page is, to come to the front, and to close. Where that
input ends without the latter, the worker was killed: the window stays, since its page says so, until it is closed.
On standard output it says in the same way that it is open, or why it cannot be, and that its close button was pressed.
The token of the page is told by that pipe alone, and goes on in the address's fragment, which no request carries.
"""

import json
import logging
import os
import sys
import threading
from typing import Any

from cmdexec.desktop import display

OPEN, CANNOT, CLOSE_ASKED = "open", "cannot", "closeAsked"
"""What it says, as `event`."""

TITLE = "cmdexec worker"
SIZE, LEAST = (880, 600), (640, 480)


def main() -> int:
    """Show the window until it is closed."""
    said = _own_output()
    try:
        where = json.loads(sys.stdin.readline())
        address = f"{where['url']}/#{where['token']}"
    except (ValueError, KeyError):
        return 2
    why, webview = _library()
    if webview is None:
        _say(said, CANNOT, why=why)
        return 1
    window = webview.create_window(TITLE, address, width=SIZE[0], height=SIZE[1], min_size=LEAST, text_select=True)
    leaving = threading.Event()

    def closing() -> bool:
        """Whether it may close: the worker decides, unless it did."""
        if not leaving.is_set():
            _say(said, CLOSE_ASKED)
        return leaving.is_set()

    def heed() -> None:
        """What the worker says, to its end."""
        _say(said, OPEN)
        for line in sys.stdin:
            if '"show"' in line:
                window.restore()
                window.show()
            elif '"close"' in line:
                leaving.set()
                window.destroy()
                return
        leaving.set()

    window.events.closing += closing
    window.events.shown += lambda: threading.Thread(target=heed, daemon=True).start()
    webview.start()
    return 0


def _library() -> tuple[str, Any]:
    """The library, ready to show a window, or why there can be none."""
    if (why := display.unreachable()) is not None:
        return why, None
    display.make_ready()
    try:
        import webview
        from webview.guilib import initialize
    except ImportError:
        return "pywebview is not installed (pip install 'cmdexec[desktop]')", None
    logging.getLogger("pywebview").setLevel(logging.CRITICAL)  # it logs tracebacks of what is merely not there
    try:
        initialize()
    except webview.WebViewException:
        return "there is no web view: on Debian and Ubuntu, install python3-gi and gir1.2-webkit2-4.1", None
    webview.settings["OPEN_EXTERNAL_LINKS_IN_BROWSER"] = False
    return "", webview


def _own_output() -> int:
    """Standard output for ourselves: what libraries print goes where errors go."""
    own = os.dup(1)
    os.dup2(2, 1)
    return own


def _say(to: int, event: str, **more: str) -> None:
    try:
        os.write(to, json.dumps({"event": event, **more}).encode() + b"\n")
    except OSError:
        return  # the worker is gone; the end of our input says so as well
