"""The real window, on a display made for it; and a worker where there can be none."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cmdexec.desktop import display_linux
from tests.desktop.desk import Desk, ask, joined
from tests.desktop.x11 import press_close
from tests.support.proc import alive, children, said_of
from tests.support.system import Server, ends
from tests.support.waiting import until

OPEN = "the window is open"


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a display that nobody sees."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("needs Xvfb: run tests/desktop/tools as root")
    probe = subprocess.run(
        [sys.executable, "-c", "from cmdexec.desktop import display_linux as d; d.make_ready();"
         " import gi; gi.require_version('WebKit2', '4.1')"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if probe.returncode:
        pytest.skip(f"needs GTK and WebKit for this Python: run tests/desktop/tools as root ({probe.stderr[-200:]})")
    told, tell = os.pipe()
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(tell), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[tell], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(tell)
    with os.fdopen(told) as number:
        yield f":{number.readline().strip()}"
    server.terminate()
    server.wait(10)


def window_of(desk: Desk) -> int:
    """The process of its window."""
    (found,) = (pid for pid in children(desk.pid) if b"--show-window" in said_of(pid))
    return found


def asked(desk: Desk) -> int:
    """How often its close button was pressed, as its page is told."""
    return int(json.loads(ask(desk, "GET", "/api/state?once=1")[1])["closeAsked"])


def opened(desk: Desk) -> int:
    return len(re.findall(OPEN, desk.log.read_text()))


def test_the_window_opens_over_the_page_and_may_die_without_harm(server: Server, screen: str, tmp_path: Path) -> None:
    """Its page asks the worker, which says so. Killed, the worker goes on, and the same command opens it again."""
    desk = joined(server, tmp_path / "desk", real=True, DISPLAY=screen)
    with ends(desk):
        until(lambda: opened(desk) == 1, "its page has asked for the state", 30)
        api = server.api()
        gate = tmp_path / "gate"
        job = api.create({"command": f"until [ -e {gate} ]; do sleep 0.05; done"})
        api.wait_status(job["jobId"], "running")
        os.kill(window_of(desk), signal.SIGKILL)
        until(lambda: "the window is gone; this worker goes on" in desk.log.read_text(), "it is noticed")
        gate.touch()
        api.wait_status(job["jobId"], "completed")
        again = Desk(desk.folder, real=True, DISPLAY=screen)
        again.log = tmp_path / "again.log"
        again.spawn()
        assert again.wait() == 0
        until(lambda: opened(desk) == 2, "another window has asked", 30)
        window = window_of(desk)
        for times in (1, 2):  # twice, since it is still there
            assert press_close(screen)
            until(lambda times=times: asked(desk) == times, "its worker has its page ask what that is to mean")
        assert ask(desk, "POST", "/api/close", b"{}")[0] == 200
        until(lambda: not alive(window), "it closes as its worker says")
        again.spawn()
        assert again.wait() == 0
        until(lambda: opened(desk) == 3, "it is there once more", 30)
        window = window_of(desk)
        assert desk.stop() == 0
        until(lambda: not alive(window), "the window ends with its worker")


def test_when_its_worker_is_killed_the_window_stays_until_it_is_closed(screen: str, tmp_path: Path) -> None:
    """It says that the worker has ended; nothing but its own close button is left to end it."""
    desk = Desk(tmp_path / "desk", real=True, DISPLAY=screen)
    with ends(desk):
        desk.start()
        until(lambda: opened(desk) == 1, "its page has asked for the state", 30)
        window, port = window_of(desk), urlsplit(desk.where["url"]).port
        desk.kill9()
        try:
            with socket.create_server(("127.0.0.1", port)) as asked:
                asked.settimeout(10)
                for _ in range(6):  # it asks twice a second; a window that closes is gone after one
                    asked.accept()[0].close()
            assert press_close(screen), "it is still shown"
            until(lambda: not alive(window), "its close button ends it")
        finally:
            if alive(window):
                os.kill(window, signal.SIGKILL)


def test_closed_before_there_is_a_worker_it_ends(screen: str, tmp_path: Path) -> None:
    """There is nothing to be kept running, so nothing is asked."""
    desk = Desk(tmp_path / "desk", real=True, DISPLAY=screen)
    with ends(desk):
        desk.start()
        until(lambda: opened(desk) == 1, "its page has asked for the state", 30)
        until(lambda: b'"phase":"new"' in ask(desk, "GET", "/api/state?once=1")[1], "it knows that it has never joined")
        assert press_close(screen)
        assert desk.wait() == 0


def test_without_a_display_it_says_so_and_works_all_the_same(server: Server, tmp_path: Path) -> None:
    arguments, secret = ("--allow-host", "--server", server.url), server.secret
    desk = Desk(tmp_path / "desk", *arguments, real=True, WORKER_TOKEN_SECRET=secret, AUTO_START="true")
    with ends(desk):
        desk.spawn()
        until(lambda: "connected by=" in desk.log.read_text(), "it works", 30)
        first = desk.log.read_text().splitlines()[0]
        assert first.startswith("cmdexec: No window: neither DISPLAY nor WAYLAND_DISPLAY is set")
        (entry,) = (desk.folder / "config" / "autostart").iterdir()
        assert str(desk.data) in entry.read_text(), "AUTO_START is heeded all the same"
        assert desk.stop() == 0
        again = Desk(desk.folder, "--headless", *arguments, real=True, WORKER_TOKEN_SECRET=secret, AUTO_START="false")
        with ends(again):
            again.spawn()
            until(lambda: not entry.exists(), "and so is that it is not wanted any more")
        assert desk.stop() == 0


def test_a_display_that_is_not_there_is_said_and_what_is_missing_too(tmp_path: Path) -> None:
    """As a double click without any display: nothing configured, so there is nothing that it could do."""
    desk = Desk(tmp_path / "desk", real=True, DISPLAY=":4711")
    with ends(desk):
        desk.spawn()
        assert desk.wait() == 1
    said = desk.log.read_text()
    assert "No window: the display :4711 cannot be opened." in said
    assert "SERVER_URL: This worker does not know its server." in said


def test_the_systems_gtk_is_taken_only_where_it_is_made_for_this_python(tmp_path: Path) -> None:
    own, other = tmp_path / "own" / "gi", tmp_path / "other" / "gi"
    for folder in (own, other):
        folder.mkdir(parents=True)
    (other / "_gi.cpython-37m-x86_64-linux-gnu.so").touch()
    (own / f"_gi{display_linux.EXTENSION_SUFFIXES[0]}").touch()
    assert display_linux._with_gi([other.parent]) is None
    assert display_linux._with_gi([other.parent, own.parent]) == own.parent
