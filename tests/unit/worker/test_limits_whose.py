"""Whom the kernel ends when memory runs out, and whose limit it is told to be."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.worker.warden.descent import SPARED_TAGS, TAGS, DescentContainment, DescentTree
from tests.support.executor import PYTHON, begin, held_by

GROW = "import time; held = bytearray({} << 20); print('grown', flush=True); time.sleep(600)"
CACHE_THEN_GROW = """
import os, time
file = os.open({!r}, os.O_RDWR | os.O_CREAT)
for _ in range(80):
    os.write(file, bytes(1 << 20))
os.fsync(file)
print("filled", flush=True)
while not os.path.exists({!r}):
    time.sleep(0.01)
held = bytearray(48 << 20)
time.sleep(600)
"""
FILL = "file = open('f', 'wb')\nfor _ in range(100): file.write(bytes(1 << 20))\n"


@pytest.fixture
def in_memory() -> Iterator[Path]:
    folder = tempfile.mkdtemp(dir="/dev/shm")
    yield Path(folder)
    shutil.rmtree(folder)


async def test_a_large_job_within_its_part_stays_and_who_named_none_goes() -> None:
    """By far the larger one, and nevertheless spared."""
    async with held_by("cgroup", ram_limit=256, limits_look_ms=20.0) as executor:
        named = begin(executor, *PYTHON, GROW.format(215), ram_mb=240)
        await named.says(b"grown")
        end = await begin(executor, *PYTHON, GROW.format(80)).end(within=20)
        assert end.oom is not None
        assert "more than the worker's 256 MB of memory (RAM_LIMIT)" in end.oom
        assert not named.ends


async def test_who_filled_its_part_with_file_cache_is_told_the_limit_that_it_is_killed_for(tmp_path: Path) -> None:
    """The cache brought it to its own limit, where nothing is killed for it; then all together are at theirs."""
    file, go = tmp_path / "file", tmp_path / "go"
    async with held_by("cgroup", ram_limit=70, limits_look_ms=20.0) as executor:
        job = begin(executor, *PYTHON, CACHE_THEN_GROW.format(str(file), str(go)), ram_mb=64)
        await job.says(b"filled")
        beside = begin(executor, *PYTHON, GROW.format(20), ram_mb=30)
        await beside.says(b"grown")
        go.touch()
        end = await job.end(within=20)
        assert end.oom is not None
        assert "more than the worker's 70 MB of memory (RAM_LIMIT)" in end.oom
        assert not beside.ends
        own = await begin(executor, *PYTHON, GROW.format(60), ram_mb=20).end(within=20)
        assert own.oom == "it used more than its 20 MB of memory"


async def test_files_in_memory_are_named_where_they_fill_the_part(in_memory: Path) -> None:
    async with held_by("cgroup", limits_look_ms=20.0) as executor:
        end = await begin(executor, *PYTHON, FILL, cwd=str(in_memory), ram_mb=64).end(within=20)
        assert end.oom is not None
        assert end.oom.startswith("it used more than its 64 MB of memory; ")
        assert end.oom.endswith(" MB of it are files that were written into memory: the working folder or /dev/shm")


def test_scores_that_spare_are_far_below_the_others_and_the_farthest_go_first() -> None:
    containment = DescentContainment()

    def take(spared: bool) -> DescentTree:
        tree = containment.take(spared=spared)
        assert isinstance(tree, DescentTree)
        return tree

    named, free = [take(True) for _ in range(101)], [take(False) for _ in range(500)]
    assert [tree.oom_score for tree in named] == [*SPARED_TAGS, SPARED_TAGS[-1] + 1]
    assert [tree.oom_score for tree in free] == [*reversed(TAGS), 500]
    assert named[-1].tag is free[-1].tag is None
    for tree in (free[3], free[1], named[5], named[2]):
        containment.give_back(tree, clean=True)
    assert (take(False).tag, take(True).tag) == (free[1].oom_score, named[2].oom_score)
