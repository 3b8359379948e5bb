"""What a server has stored, judged by the rules of `cmdexec doctor --verify` when a test is over."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cmdexec.admin.doctor.recorded.verify import judge
from cmdexec.admin.doctor.verify import Verified, verify
from cmdexec.runtime import system_runtime
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.sqlite.engine import FILE
from cmdexec.store.sqlite.inspection import inspect_sqlite


def must_be_well(data: Path) -> None:
    """Fail unless every rule holds for the store in that data folder, if there is one; a test that has damaged it takes
    it away."""
    if not (data / FILE).exists():
        return
    runtime = system_runtime("verify", 2)
    try:
        store = inspect_sqlite(data, runtime)
        with ThreadPoolExecutor(1) as elsewhere:  # a test may have a loop of its own in this thread
            found = elsewhere.submit(lambda: asyncio.run(_verified(store))).result()
    finally:
        runtime.threads.close()
    wrong = {one.name: one.told for one in found.found if one.wrong}
    assert not wrong, f"what is stored in {data} breaks the rules of `doctor --verify`: {wrong}"


def must_be_as_promised(history: Path) -> None:
    """Fail unless every rule holds for what was recorded there."""
    wrong = {one.name: one.told for one in judge([history]).found if one.wrong}
    assert not wrong, f"what is recorded in {history} breaks the rules of `doctor --verify --history`: {wrong}"


async def _verified(store: Inspection) -> Verified:
    try:
        return await verify(store)
    finally:
        await store.close()
