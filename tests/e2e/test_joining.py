"""A machine becomes a worker with a token, goes on without, and ends when it is revoked: the command, as a person has
it."""

import json
from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.system import FAST, Process, Server, clean_environment, ends, workers
from tests.support.waiting import until

REFUSED, REVOKED = 3, 4


def machine(server: Server, *arguments: str, **settings: str) -> Process:
    """`cmdexec worker` on another machine: a folder of its own, and no secret."""
    folder = server.folder / "machine"
    folder.mkdir(exist_ok=True)
    environment = clean_environment(HOME=str(folder), WORKER_NAME="machine", **FAST | settings)
    command = ["worker", "--headless", "--allow-host", "--data-dir", str(folder / "data"), *arguments]
    return Process(command, environment, folder / "log")


def token(api: Api, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.ask("POST", "/api/join-tokens", more)
    return answer


def state(api: Api) -> list[tuple[str, str]]:
    return [(worker["name"], worker["state"]) for worker in workers(api)]


def ran(api: Api, **job: Any) -> str:
    created = api.create({"command": "echo hello"} | job)
    (ended,) = api.wait_ended([created["jobId"]])
    assert ended["status"] == "completed", ended
    return str(ended["workerId"])


def test_a_machine_joins_works_goes_on_by_itself_and_ends_when_it_is_revoked(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    made: list[Process] = []
    with ends(server):
        api = server.api()
        joining = token(api, labels={"zone": "b"})
        first = machine(server, "--server", server.url, "--join", joining["token"], "--label", "gpu=a100")
        made.append(first)
        with ends(*made):
            first.spawn()
            until(lambda: state(api) == [("machine", "online")], "it has joined")
            worker_id = ran(api, requires={"os": "linux", "gpu": "a100", "zone": "b"})
            assert api.ask("GET", "/api/join-tokens")["joinTokens"][0]["workers"] == [worker_id]
            assert first.stop() == 0
            assert joining["token"] not in first.log.read_text()
        kept = json.loads((server.folder / "machine/data/joined.json").read_text())
        assert kept == {"server": server.url, "workerId": worker_id}
        again = machine(server)
        with ends(again):
            again.spawn()
            until(lambda: state(api) == [("machine", "online")], "it needs nothing to come back")
            assert ran(api) == worker_id
            changed = api.ask("PATCH", f"/api/workers/{worker_id}", {"draining": True})
            assert changed["draining"]
            waits = api.create({"command": "echo later"})["jobId"]
            until(lambda: "drained: no job is begun" in again.log.read_text(), "it says that it is drained")
            assert api.job(waits)["status"] == "queued"
            api.ask("PATCH", f"/api/workers/{worker_id}", {"draining": False})
            assert api.wait_ended([waits])[0]["workerId"] == worker_id
            assert "resumed: jobs are begun again" in again.log.read_text()
            api.ask("DELETE", f"/api/workers/{worker_id}")
            assert again.wait(10) == REVOKED
            said = again.log.read_text().splitlines()[-1]
            assert "cmdexec: This worker was revoked by admin@localhost. With a new token, " in said
            assert "cmdexec worker --headless --allow-host --rejoin --join TOKEN" in said
        once_more = machine(server)
        once_more.spawn()
        assert once_more.wait(10) == REVOKED, "nor does it come back"
        assert once_more.log.read_text().splitlines()[-1].count("--rejoin") == 1, "what to do is said once"
        anew = machine(server, "--rejoin", JOIN_TOKEN=token(api)["token"])
        with ends(anew):
            anew.spawn()
            until(lambda: ("machine", "online") in state(api), "it has joined again")
            assert ran(api) != worker_id, "as another worker"
            assert anew.stop() == 0


def test_a_token_that_is_refused_is_told_in_one_sentence(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    with ends(server):
        api = server.api()
        used = token(api)
        api.ask("DELETE", f"/api/join-tokens/{used['joinTokenId']}")
        worker = machine(server, "--server", server.url, JOIN_TOKEN=used["token"])
        worker.spawn()
        assert worker.wait(10) == REFUSED
        (line,) = worker.log.read_text().splitlines()
        assert line.startswith("cmdexec: ")
        assert "revoked" in line
        assert not state(api)
        assert not [path for path in (server.folder / "machine/data").iterdir() if "credential" in path.name]
