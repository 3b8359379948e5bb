"""What workers say over HTTP; over a socket the same operations come in turns (`server.workers.link`)."""

from collections.abc import Sequence
from typing import Any

from cmdexec.errors import Refused
from cmdexec.protocol.messages import Chunks, Heartbeat, OutputHeader, Register
from cmdexec.protocol.requests import AttemptQuery, CheckView, OffsetsView, TakenView
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.workers import Presence, Said


class AttemptsApi:
    """`workers.register`, `workers.heartbeat` and `attempts.*`."""

    def __init__(self, presence: Presence) -> None:
        self._said = Said(presence.desk)

    def handlers(self) -> Handlers:
        return {
            "workers.register": self.register,
            "workers.heartbeat": self.heartbeat,
            "attempts.start": self.start,
            "attempts.release": self.release,
            "attempts.claim": self.claim,
            "attempts.check": self.check,
            "attempts.output": self.output,
            "attempts.done": self.done,
        }

    async def register(self, call: Call) -> Reply:
        message: Register = call.request
        return Reply(await self._said.register(_worker(call), message))

    async def heartbeat(self, call: Call) -> Reply:
        beat: Heartbeat = call.request
        return Reply(await self._said.heartbeat(_worker(call), beat))

    async def start(self, call: Call) -> Reply:
        return _listed(call, await self._said.start(_worker(call), call.request))

    async def release(self, call: Call) -> Reply:
        return _listed(call, await self._said.release(_worker(call), call.request))

    async def claim(self, _call: Call) -> Reply:
        return Reply(status=204)

    async def check(self, call: Call) -> Reply:
        asked: AttemptQuery = call.request
        stop = await self._said.stops(_worker(call), asked.job_id, asked.attempt)
        return Reply(CheckView(stop=stop is not None, reason=stop))

    async def output(self, call: Call) -> Reply:
        said: Chunks = call.request
        ack = None
        for chunk in said.chunks:
            header = OutputHeader(
                job_id=said.job_id, attempt=said.attempt, stream=chunk.stream, offset=chunk.offset, seq=chunk.seq
            )  # fmt: skip
            ack = await self._said.output(_worker(call), header, chunk.data)
        stored = OffsetsView(stdout=ack.stdout if ack else 0, stderr=ack.stderr if ack else 0)
        return Reply(TakenView(acknowledged=stored))

    async def done(self, call: Call) -> Reply:
        return _listed(call, await self._said.done(_worker(call), call.request))


def _worker(call: Call) -> str:
    if call.who.id is None:
        raise Refused("unauthorized", "This is for workers.", mend="Send the worker's token as `x-worker-token`.")
    return call.who.id


def _listed(call: Call, answers: Sequence[Any]) -> Reply:
    return Reply(list(answers) if call.listed else answers[0])
