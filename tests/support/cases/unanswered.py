"""Replies that are lost after what was asked for was done: of people's calls, of a worker's over HTTP, and, within its
frames, of a worker's socket."""

from contextlib import suppress

from tests.support.api import ApiError
from tests.support.cases.load import Load, planned
from tests.support.cases.world import World, must_be, whole
from tests.support.cutting import cutting
from tests.support.payload import slow_job
from tests.support.proxy import Proxy
from tests.support.recorder import SILENCE
from tests.support.system import workers
from tests.support.waiting import until

_ASKED_BY_A_WORKER = {
    "/api/workers/register": 1, "/api/workers/heartbeat": 2, "/api/jobs/get-job": 3, "/api/jobs/stream-output": 2,
    "/api/jobs/submit-result": 2,
}  # fmt: skip
_ASKED_BY_PEOPLE = {"/api/jobs/create": 4, "/api/jobs/cancel": 2}
"""How many replies to each are lost."""

_ALWAYS = {"/api/workers/register", "/api/jobs/get-job", "/api/jobs/submit-result", "/api/jobs/create"}
"""Those of which that many are surely asked for."""

CUTS = 5

_POLLING = {"SOCKET_RETRY_SEC": "60s", "CONNECT_TIMEOUT_SEC": "500ms"}


def replies_lost(world: World) -> None:
    """The same again changes nothing, or is answered as before: nothing is done twice."""
    rng = world.rng
    lengths = [int(2 ** rng.uniform(0, 12)) for _ in range(200)]
    plan = planned(world, 14, over=3.0, cancels=0.4)
    people, worker = world.proxy(), world.proxy()
    people.spoil = {path: ["cut"] * count for path, count in _ASKED_BY_PEOPLE.items()}
    worker.spoil = {path: ["cut"] * count for path, count in _ASKED_BY_A_WORKER.items()}
    worker.block("refuse 403")
    with cutting(world.server.port) as cut:
        world.worker("polls", url=worker.url, **_POLLING)
        world.worker("socket", url=cut.url)
        with Load(world, plan, people.url):
            until(world.ledger.entries, "a job runs")
            world.fault("replies are lost")
            cut.cut_from_now_on(lambda: lengths.pop() if lengths else 1 << 20)
            _another_run(world, people)
            until(lambda: cut.cuts >= CUTS, f"sockets were cut {CUTS} times", within=30)
        cut.cut_from_now_on(lambda: 1 << 30)
        until(lambda: all(one["state"] == "online" for one in workers(world.api("looker"))), "both are back")
        stored = world.settle()
    left = sum(len(more) for proxy in (people, worker) for more in proxy.spoil.values())
    world.faults = cut.cuts + sum((*_ASKED_BY_A_WORKER.values(), *_ASKED_BY_PEOPLE.values(), 1)) - left
    lost = {path for proxy in (people, worker) for path, more in proxy.spoil.items() if not more}
    assert lost >= _ALWAYS, f"no reply was lost to {_ALWAYS - lost}"
    must_be(stored, lambda job: len(job.ran) <= 1, "none ran twice")
    must_be(stored, whole, "all output of what ended by itself is there")


def _another_run(world: World, proxy: Proxy) -> None:
    """It is asked for, and the answer lost: it is there at most once."""
    api = world.api("again", proxy.url)
    job_id = api.create_surely([slow_job(world.ledger, 1, exit_code=0)])[0]
    until(lambda: api.job(job_id)["status"] == "completed", "it has ended", within=30)
    path = f"/api/jobs/{job_id}/rerun"
    proxy.spoil[path] = ["cut"]
    with suppress(*SILENCE, ApiError):
        api.ask("POST", path)
