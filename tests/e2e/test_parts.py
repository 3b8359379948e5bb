"""A large job that waits for its part of the machine, between two workers: it is in nobody's way, and moves once."""

from pathlib import Path

from tests.support.api import Api
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until


def test_a_large_job_waits_without_a_cost_for_others_and_goes_where_its_part_comes_free(tmp_path: Path) -> None:
    server = Server(tmp_path / "place", RECALL_AFTER_SEC="50ms", STALL_AFTER_SEC="100ms")
    with ends(server):
        api = server.start().api()
        pair = [Worker(server, name, slots=2, LIMITS="watched", CPU_LIMIT="0.5") for name in ("one", "two")]
        _waits_and_moves(api, pair)


def _waits_and_moves(api: Api, pair: list[Worker]) -> None:
    with ends(*pair):
        busy: dict[str, str] = {}
        for worker in pair:
            worker.start(api)
            job_id = api.create({"command": "sleep 600", "cpu": 0.3})["jobId"]
            busy[api.wait_status(job_id, "running")["workerId"]] = job_id
        assert len(busy) == 2
        large = api.create({"command": "true", "cpu": 0.5})["jobId"]
        until(lambda: "of which 0.2 are free" in (api.job(large)["waitingFor"] or ""), "it is said what it waits for")
        for _ in range(4):
            ended = api.wait_ended(api.create_many([{"command": "sleep 0.1"}] * 2), 5)
            assert {job["status"] for job in ended} == {"completed"}
        waits = api.job(large)
        assert (waits["status"], waits["attempt"]) == ("assigned", 1)
        (other,) = busy.keys() - {waits["workerId"]}
        api.cancel(busy[other])
        (moved,) = api.wait_ended([large], 10)
        assert (moved["status"], moved["workerId"], moved["attempt"]) == ("completed", other, 2)
        wide = api.create({"command": "true", "cpu": 0.75})["jobId"]
        waits_for = api.job(wide)["waitingFor"]
        assert waits_for == "no worker has 0.75 cores; the largest, one, has 0.5"
