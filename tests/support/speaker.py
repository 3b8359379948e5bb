"""A worker that says what a test wants, frame by frame, over a real socket: JSON by hand, nothing of our own worker."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

DEADLINE_SEC = 10.0


class Speaker:
    """One socket. `heard` keeps frames that nobody has waited for yet; `closed` is (code, reason) once it has ended."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self._number = 0

    async def say(self, *frames: dict[str, Any]) -> None:
        """Frames in one message."""
        await self.ws.send_str(json.dumps(list(frames)))

    async def ask(self, op: str, *items: dict[str, Any]) -> list[dict[str, Any]]:
        """A frame, and the items of its answer."""
        self._number += 1
        await self.say({"op": op, "id": self._number, "items": items})
        return await self.answered(self._number)

    async def answered(self, number: int) -> list[dict[str, Any]]:
        """The items of the answer to the frame that had this number."""
        answer = await self._until(lambda frame: frame.get("re") == number, f"the answer to {number}")
        items: list[dict[str, Any]] = answer["items"]
        return items

    async def told(self, op: str) -> list[dict[str, Any]]:
        """The items of the next frame `op`."""
        items: list[dict[str, Any]] = (await self._until(lambda frame: frame.get("op") == op, op))["items"]
        return items

    async def send_output(self, job: dict[str, Any], stream: str, offset: int, data: bytes) -> None:
        about = {"jobId": job["jobId"], "attempt": job["attempt"], "stream": stream, "offset": offset, "seq": 0}
        header = json.dumps(about).encode()
        await self.ws.send_bytes(struct.pack(">I", len(header)) + header + data)

    async def ended(self) -> tuple[int, str]:
        """How the server closes it."""
        async with asyncio.timeout(DEADLINE_SEC):
            while self.closed is None:
                await self._hear()
        return self.closed

    async def start_job(self, slots: int = 1) -> dict[str, Any]:
        """Register, say that nothing is held, take the next job and start it; the assignment."""
        await self.ask("register", {"slots": slots})
        await self.ask("heartbeat", {"jobs": []})
        (job, *_) = await self.told("assign")
        (answer,) = await self.ask("start", {"jobId": job["jobId"], "attempt": job["attempt"]})
        assert answer["tell"] == "go", answer
        return job

    async def hear(self) -> list[dict[str, Any]]:
        """All frames that have come and that nobody has waited for; one message more, if there are none."""
        while not self.heard:
            assert self.closed is None, f"closed with {self.closed}"
            await self._hear()
        frames, self.heard = self.heard, []
        return frames

    async def _until(self, fits: Any, what: str) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_SEC):
            while True:
                for frame in self.heard:
                    if fits(frame):
                        self.heard.remove(frame)
                        return frame
                assert self.closed is None, f"closed with {self.closed} while waiting for {what}"
                await self._hear()

    async def _hear(self) -> None:
        message = await self.ws.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            frames = json.loads(message.data)
            self.heard += frames if isinstance(frames, list) else [frames]
        elif message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
            # Where the server was gone before our answer to its close, the library's own code says "broken".
            told = message.data if message.type is aiohttp.WSMsgType.CLOSE else self.ws.close_code
            self.closed = (told or 0, message.extra or "")


@asynccontextmanager
async def speaking(url: str, headers: dict[str, str], protocol: str | None = "cmdexec.v1") -> AsyncIterator[Speaker]:
    """Open `/ws`."""
    async with aiohttp.ClientSession() as http:
        protocols = (protocol,) if protocol else ()
        async with http.ws_connect(f"{url}/ws", headers=headers, protocols=protocols, max_msg_size=0) as ws:
            yield Speaker(ws)
