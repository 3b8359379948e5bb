"""A window whose process is a loader, as in a bundle: it ends with all that it started, however stubborn that is."""

import asyncio
import sys
from pathlib import Path

from cmdexec.desktop.process import WindowProcess
from cmdexec.worker.page.first import Where
from tests.support.proc import alive
from tests.support.waiting import becomes

STUBBORN = """
import subprocess, sys
inner = subprocess.Popen(["sleep", "600"])
open(sys.argv[1], "w").write(str(inner.pid))
print('{"event": "open"}', flush=True)
inner.wait()
"""
"""It hears nothing, and what it started holds its pipe."""


async def test_a_window_that_hears_nothing_ends_with_what_it_started(tmp_path: Path) -> None:
    noted = tmp_path / "inner"
    window = WindowProcess([sys.executable, "-c", STUBBORN, str(noted)], 30)
    await window.open(Where("http://127.0.0.1:1", "token"))
    inner = int(noted.read_text())
    async with asyncio.timeout(15):
        assert await window.end() == "signal 9 ended it"
    await becomes(lambda: not alive(inner), "what it started is gone")
