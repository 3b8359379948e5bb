"""What the window's list says of what is logged: for people, not for machines."""

import asyncio

import pytest

from cmdexec.runtime import system_runtime
from cmdexec.worker.page.activity import Activity


@pytest.mark.parametrize(
    ("message", "about", "shown"),
    [
        ("ready to run jobs", {"mode": "warden", "limits": "cgroup1", "warden": 7}, "Ready to run jobs"),
        ("no jobs in containers", {"why": "no engine answers"}, "No jobs in containers: no engine answers"),
        ("ready to run jobs", {"no_cgroups": "it owns none"}, "Ready to run jobs: it owns none"),
        ("drained", {"running": 2, "message": "Somebody wants that."}, "Drained: Somebody wants that."),
        ("drained", {"running": 2, "message": None}, "Drained"),
        ("ending", {"jobs": 1}, "Ending"),
        ("refused", {"op": "x", "code": "y", "said": "Too late."}, "Refused: Too late."),
        ("not connected", {"error": "it broke", "wait_sec": 3}, "Not connected: it broke"),
        ("joined", {"server": "http://a.example", "worker": "w1"}, "Joined (server http://a.example)"),
    ],
)
async def test_a_reason_follows_its_sentence_and_what_only_machines_read_is_left_out(
    message: str, about: dict[str, object], shown: str
) -> None:
    runtime = system_runtime("worker", 1)
    activity = Activity(runtime.clock, 10)
    with activity.hears_the_log():
        runtime.log.warning(message, **about)
        await asyncio.sleep(0)
    runtime.threads.close()
    assert [entry.text for entry in activity.since(0)] == [shown]
