"""What a worker says over its socket, and what a person's program submits over its own. The answer is held back until
the effect is there; then the connection breaks, and the same is said over the next one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from cmdexec.admin.doctor.recorded.record import Call
from tests.support.cases.again.calls import LINES, Ref, ref, result, stored, wrote
from tests.support.cases.again.scene import Scene, waits_for
from tests.support.payload import expected_output
from tests.support.speaker import DEADLINE_SEC, Speaker, speaking
from tests.support.waiting import until

Say = Callable[[Speaker], Awaitable[None]]
Ask = Callable[[Speaker], Awaitable[Any]]
Look = Callable[[], object]


class Talker:
    """A worker with a socket by way of the proxy. `job`: the one for it alone; `holds`: it has that still."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.worker_id = scene.name("talker")
        self.job: Ref = {}
        self.holds = False
        self._connections = 0

    def me(self) -> dict[str, Any]:
        """What it says first over a connection, each time of a new one."""
        return {
            "slots": 1, "session": f"spool-{self.worker_id}", "instanceId": f"process-{self.worker_id}",
            "labels": {"only": self.worker_id}, "connection": self._connections,
        }  # fmt: skip

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Speaker]:
        self._connections += 1
        headers = self.scene.worker_token(self.worker_id)
        async with speaking(self.scene.far.url, headers) as speaker:
            yield speaker

    async def enters(self, speaker: Speaker) -> None:
        """Register, and name what it holds."""
        await speaker.ask("register", self.me())
        await speaker.ask("heartbeat", {"jobs": [self.job] if self.holds else []})

    async def takes(self, speaker: Speaker) -> None:
        """A job is assigned to it; that is stored a moment after it is told, perhaps."""
        await asyncio.to_thread(self.scene.admin.create_surely, [waits_for(self.worker_id)])
        (job,) = await speaker.told("assign")
        self.job, self.holds = ref(job), True
        await asyncio.to_thread(self.scene.admin.wait_status, job["jobId"], "assigned")

    async def starts(self, speaker: Speaker) -> None:
        (told,) = await speaker.ask("start", self.job)
        assert told["tell"] == "go", told
        wrote(self.scene.world.ledger, self.job, "begin")

    def stands(self) -> tuple[object, tuple[bytes, bytes]]:
        """How its job is, and its output."""
        return self.scene.stands(self.job["jobId"]), stored(self.scene, self.job)

    def shows(self) -> object:
        """What people see of it."""
        status, told = self.scene.looks("GET", f"/api/workers/{self.worker_id}")
        if status != 200:
            return status
        return told["state"], told["slots"], told["labels"], told["registeredAt"], (told["load"] or {}).get("load")

    async def again(self, op: str, speaker: Speaker, look: Look, say: Say, ask: Ask, *, first: bool = False) -> Any:
        """Say it over the connection that there is, lose the answer, and ask the same over the next one; what that is
        answered. `first`: nothing goes before it there."""
        seen = await lose(self.scene, op, speaker, look, say)
        async with self.connected() as other:
            if not first:
                await self.enters(other)
            told = await ask(other)
            self.scene.note(op, "frame", [*seen, await asyncio.to_thread(look)])
        return told

    async def ends(self, done: dict[str, Any]) -> None:
        """Its job has ended, as it says over one more connection."""
        wrote(self.scene.world.ledger, self.job, "end", LINES)
        async with self.connected() as speaker:
            await self.enters(speaker)
            (told,) = await speaker.ask("done", done)
            assert told["tell"] == "ok", told


async def lose(scene: Scene, op: str, speaker: Speaker, look: Look, say: Say) -> list[object]:
    """Say it, and break the connection before any answer has come, but after the effect; what was seen before and
    after. What is seen is asked for in several calls, so the first one that differs may be in between."""
    before = await asyncio.to_thread(look)
    scene.world.fault(f"the answer to the frame {op} is lost")
    scene.far.hold("back")
    await say(speaker)
    await asyncio.to_thread(until, lambda: look() != before, f"the effect of {op}", DEADLINE_SEC)
    after = await asyncio.to_thread(look)
    scene.far.cut()
    scene.far.resume()
    return [before, after]


async def register(scene: Scene) -> None:
    talker = Talker(scene)
    async with talker.connected() as speaker:
        (told,) = await talker.again(
            "register", speaker, talker.shows, lambda one: one.say({"op": "register", "id": 1, "items": [talker.me()]}),
            lambda one: one.ask("register", talker.me()), first=True,
        )  # fmt: skip
    assert (told["workerId"], told["session"]) == (talker.worker_id, f"spool-{talker.worker_id}")


async def heartbeat(scene: Scene) -> None:
    talker = Talker(scene)
    async with talker.connected() as speaker:
        await talker.enters(speaker)
        await talker.takes(speaker)
        await talker.starts(speaker)
        beat = {"jobs": [talker.job], "stats": {"load": 3.25}, "draining": True}
        (told,) = await talker.again(
            "heartbeat", speaker, lambda: (talker.shows(), talker.stands()),
            lambda one: one.say({"op": "heartbeat", "id": 99, "items": [beat]}),
            lambda one: one.ask("heartbeat", beat),
        )  # fmt: skip
    assert told["leaseSec"] == scene.world.lease_sec
    await talker.ends(result(talker.job))


async def start(scene: Scene) -> None:
    talker = Talker(scene)
    async with talker.connected() as speaker:
        await talker.enters(speaker)
        await talker.takes(speaker)
        (told,) = await talker.again(
            "start", speaker, talker.stands, lambda one: one.say({"op": "start", "id": 99, "items": [talker.job]}),
            lambda one: one.ask("start", talker.job),
        )  # fmt: skip
    assert told["tell"] == "go", told
    wrote(scene.world.ledger, talker.job, "begin")
    await talker.ends(result(talker.job))


async def released(scene: Scene) -> None:
    talker = Talker(scene)
    async with talker.connected() as speaker:
        await talker.enters(speaker)
        await talker.takes(speaker)
        talker.holds = False
        given_up = talker.job | {"why": "declined", "message": "Not here."}
        (told,) = await talker.again(
            "released", speaker, talker.stands, lambda one: one.say({"op": "released", "id": 99, "items": [given_up]}),
            lambda one: one.ask("released", given_up),
        )  # fmt: skip
    assert told["tell"] in ("ok", "stop"), "it has it no more, either way"
    assert scene.admin.job(talker.job["jobId"])["reason"] == "rejected"


async def output(scene: Scene) -> None:
    talker = Talker(scene)
    async with talker.connected() as speaker:
        await talker.enters(speaker)
        await talker.takes(speaker)
        await talker.starts(speaker)
        out, err = expected_output(talker.job["jobId"], talker.job["attempt"], LINES)

        async def taken(one: Speaker) -> Any:
            await one.send_output(talker.job, "stdout", 0, out)
            return await one.told("ack")

        (told,) = await talker.again(
            "output", speaker, talker.stands, lambda one: one.send_output(talker.job, "stdout", 0, out), taken
        )
    assert (told["jobId"], told["stdout"]) == (talker.job["jobId"], len(out))
    ended = result(talker.job)
    await talker.ends(ended | {"inline": {"stderr": ended["inline"]["stderr"]}})
    assert talker.stands()[1] == (out, err)


async def done(scene: Scene) -> None:
    talker = Talker(scene)
    async with talker.connected() as speaker:
        await talker.enters(speaker)
        await talker.takes(speaker)
        await talker.starts(speaker)
        ended = result(talker.job)
        wrote(scene.world.ledger, talker.job, "end", LINES)
        (told,) = await talker.again(
            "done", speaker, talker.stands, lambda one: one.say({"op": "done", "id": 99, "items": [ended]}),
            lambda one: one.ask("done", ended),
        )  # fmt: skip
    assert told["tell"] == "ok", told


async def submit(scene: Scene) -> None:
    """A person's program submits a job over its socket."""
    key, recorder = scene.name("submit"), scene.world.recorder
    name = f"{key}/0"
    item = {"job": waits_for("nobody") | {"name": name}, "key": key}
    headers = {"Authorization": f"Bearer {scene.world.token}"}

    def look() -> list[str]:
        _, page = scene.looks("GET", f"/api/jobs?q={name}")
        return sorted(job["jobId"] for job in page["jobs"])

    def note(status: int | None, *jobs: str) -> None:
        recorder.write(
            Call(at=recorder.now(), op="jobs.create", caller="socket", key=key, names=(name,), jobs=jobs, status=status)
        )

    async with speaking(scene.far.url, headers) as speaker:
        seen = await lose(
            scene, "submit", speaker, look, lambda one: one.say({"op": "submit", "id": 1, "items": [item]})
        )
    note(None)
    async with speaking(scene.far.url, headers) as speaker:
        (told,) = await speaker.ask("submit", item)
    note(200, told["job"]["jobId"])
    scene.note("submit", "person's frame", [*seen, look()])
    assert [told["job"]["jobId"]] == look()
