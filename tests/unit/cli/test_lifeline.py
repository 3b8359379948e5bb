"""Who hangs on a lifeline learns that its holder is gone, and is seen to hang on it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cmdexec.cli.lifeline import FILE, Lifeline, abandoned, hanging_on
from cmdexec.errors import Refused
from tests.support.waiting import until

HOLD = """
import sys
from pathlib import Path
from cmdexec.cli.lifeline import Lifeline
held = Lifeline(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


async def test_kill_9_of_the_holder_is_noticed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    told = asyncio.Event()
    with hanging_on(tmp_path / FILE, told.set) as lost:
        await asyncio.sleep(0)
        assert not lost()
        holder.kill()
        await asyncio.wait_for(told.wait(), 10)
        assert lost()
    holder.wait(10)
    holder.stdin.close()
    holder.stdout.close()


async def test_who_comes_too_late_learns_it_at_once(tmp_path: Path) -> None:
    Lifeline(tmp_path).let_go()
    told = asyncio.Event()
    with hanging_on(tmp_path / FILE, told.set):
        await asyncio.wait_for(told.wait(), 10)


async def test_whoever_hangs_on_it_is_seen(tmp_path: Path) -> None:
    line = Lifeline(tmp_path)
    assert not line.anybody()
    with hanging_on(line.path, lambda: None):
        assert line.anybody()
    until(lambda: not line.anybody(), "nobody hangs on it")
    line.let_go()
    line.let_go()


async def test_looking_whether_anybody_is_there_wakes_nobody(tmp_path: Path) -> None:
    """It opens the lifeline for writing and closes it again, while the holder still holds it."""
    line = Lifeline(tmp_path)
    told = asyncio.Event()
    with hanging_on(line.path, told.set):
        for _ in range(100):
            line.anybody()
            await asyncio.sleep(0)
        assert not told.is_set()
        line.let_go()
        await asyncio.wait_for(told.wait(), 10)


async def test_a_lifeline_is_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "missing"):
        with pytest.raises(Refused, match="is no lifeline"), hanging_on(tmp_path / name, lambda: None):
            pass


def test_abandoned_is_what_nobody_holds(tmp_path: Path) -> None:
    line = Lifeline(tmp_path)
    assert not abandoned(line.path)
    line.let_go()
    assert abandoned(line.path)
    assert not abandoned(tmp_path / "missing")
