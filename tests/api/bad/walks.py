"""What no job may ever do, and what a server can still do after whatever was said to it."""

from itertools import pairwise
from typing import Any

from cmdexec.model.job import HISTORY_MAX
from tests.support.server import Running
from tests.support.system import Worker, ends
from tests.unit.model.cells import CELLS, Becomes
from tests.unit.model.states import EVENTS, STATES

WALKS = {
    (STATES[state].status.value, EVENTS[event].name, outcome.status.value)
    for event, states in CELLS.items() for state, outcome in states.items() if isinstance(outcome, Becomes)
}  # fmt: skip
"""(status, event, status after), as the cells of the table say, which are written by hand."""


def odd_steps(job: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The steps of a job's history that no cell of the table has."""
    lines = job["history"]
    assert lines[-1]["status"] == job["status"]
    if len(lines) >= HISTORY_MAX:
        lines = lines[1:]  # what came after the first is not kept
    steps = [(line["status"], after["event"], after["status"]) for line, after in pairwise(lines)]
    return [step for step in steps if step not in WALKS and not (step[1] == "superseded" and step[0] == step[2])]


def runs_jobs(server: Running) -> None:
    """A worker of ours still does its work."""
    api = server.api("operator")
    worker = Worker(server.process, "ours")
    with ends(worker):
        worker.start(api)
        job_ids = api.create_many([{"command": f"echo {number}"} for number in range(5)])
        assert [job["status"] for job in api.wait_ended(job_ids, 20)] == ["completed"] * 5
        assert [api.output(job_id) for job_id in job_ids] == [f"{number}\n".encode() for number in range(5)]
        assert worker.stop() == 0
