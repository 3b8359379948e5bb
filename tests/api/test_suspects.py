"""A worker that lives and begins nothing, as people see it, in its job's words, and when it is trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import Fleet
from tests.support.server import Running, running
from tests.support.waiting import becomes

SOON = {
    "LEASE_SEC": "60s", "HEARTBEAT_SEC": "20s", "DISPATCH_CHECK_SEC": "100ms", "SUSPECT_AFTER_SEC": "400ms",
    "SUSPECT_TRIAL_SEC": "1s", "SUSPECT_TRIAL_MAX_SEC": "1s",
}  # fmt: skip


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, **SOON) as run:
        yield run


async def test_it_is_shown_as_suspect_until_it_begins_its_trial(quick: Running) -> None:
    async with Fleet(quick, "idle") as fleet:
        sim = await fleet.worker("w", slots=2)
        jobs = [fleet.submit() for _ in range(2)]
        taken = [await sim.take(), await sim.take()]
        shown: dict[str, Any] = {}

        def is_suspect() -> bool:
            shown.update(fleet.look("w"))
            return shown["state"] == "suspect"

        await becomes(is_suspect, "it is suspect")
        assert shown["warning"]["code"] == "suspect"
        assert "start it anew" in shown["warning"]["mend"]
        assert shown["jobs"] == []
        job = fleet.waits(jobs[0], "the one worker, w, begins nothing that it is given")
        assert (job["waitingMend"], job["run"]) == ("Look after w and start it anew, or add a worker.", 0)
        trial = await sim.run()
        assert (trial["attempt"], trial["jobId"]) == (2, taken[0]["jobId"]), "one job, after a while"
        await sim.done(trial)
        await becomes(lambda: fleet.look("w")["state"] == "online", "it is trusted")
        assert fleet.look("w")["warning"] is None
        await sim.done(await sim.run())
        assert [fleet.api.job(job_id)["status"] for job_id in jobs] == ["completed", "completed"]
