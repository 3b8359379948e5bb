"""Frames doubled, out of order, with gaps, of older attempts, of attempts to come, of another worker's jobs: only what
is contiguous, current and its own is stored, each answer is the right one, and in the end the truth gets in.

Longer: `CMDEXEC_FRAMES=200000 python -m pytest tests/faults/test_frames.py`; with `CMDEXEC_FRAMES_FIRST=40001` too from
that seed on. A case that fails tells its seed and its story; both set to that seed run it alone.
"""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.support.frames.rounds import SETTINGS, pair
from tests.support.frames.script import Case
from tests.support.frames.verdict import judge
from tests.support.system import Server, ends

LAST = int(os.environ.get("CMDEXEC_FRAMES", "2000"))
FIRST = int(os.environ.get("CMDEXEC_FRAMES_FIRST", "1"))
EACH = 2000
"""Cases of one server's life."""
AT_ONCE = 500


async def say_all(server: Server, cases: list[Case]) -> int:
    """How many frames that were."""
    async with pair(server) as workers:
        for at in range(0, len(cases), AT_ONCE):
            part = cases[at : at + AT_ONCE]
            await workers.round(part, part[0].seed)
        return workers.frames


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(FIRST, LAST + 1, EACH))
def test_only_contiguous_current_data_of_its_own_jobs_is_stored(tmp_path: Path, first: int) -> None:
    cases = [Case(seed) for seed in range(first, min(first + EACH, LAST + 1))]
    server = Server(tmp_path, **SETTINGS).start()
    with ends(server):
        frames = asyncio.run(say_all(server, cases))
        asyncio.run(judge(server.data, cases))
        print(f"{len(cases)} cases, {frames} frames")
    shutil.rmtree(server.data)  # a long run has a hundred of them
    if len(cases) >= AT_ONCE:
        steps = [step for case in cases for step in case.told]
        assert {one.tell for step in steps for one in step.pieces} == {"ok", "resend", "stop", "again"}
        assert {one.tell for step in steps for one in step.asked} == {"go", "stop", "ok", "resend"}
