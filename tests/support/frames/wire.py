"""One scripted worker's socket: much is said at once, and all that comes back is sorted by what it answers."""

import asyncio
import json
import random
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from tests.support.frames.script import Asked, Piece
from tests.support.speaker import Speaker

WITHIN_SEC = 120.0

Key = tuple[str, int]
"""(job, attempt)"""


class Wire:
    """`acks`: the newest of each attempt since they were last taken; `given`: assignments that nobody has seen yet;
    `beat`: the last answer to a heartbeat. `news` is set whenever something came."""

    def __init__(self, name: str, speaker: Speaker, news: asyncio.Event) -> None:
        self.name = name
        self.frames = 0
        self.acks: dict[Key, dict[str, Any]] = {}
        self.given: list[dict[str, Any]] = []
        self.beat: dict[str, Any] = {}
        self._speaker, self._news = speaker, news
        self._open: dict[int, list[Asked]] = {}
        self._number = 1_000
        self._wrong: list[str] = []
        self._mark: dict[str, Any] = {}
        self._marked = self._mark_seen = 0
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def begin(self, mark: dict[str, Any]) -> None:
        """`mark`: an attempt of its own that runs as long as the connection, whose output tells how far it is."""
        self._mark = mark
        await self.ask([Asked(self.name, "start", mark, "go")])

    async def end(self) -> None:
        """The mark's attempt ends as well."""
        output = {"stdout": {"bytes": self._marked}, "stderr": {"bytes": 0}}
        await self.ask([Asked(self.name, "done", self._mark | {"exitCode": 0, "output": output}, "ok")])

    async def holds(self, held: Sequence[Key], wrong: Sequence[Key]) -> None:
        """Name all that is held, and some that is not: of that alone it is told, to end it."""
        jobs = [self._mark, *({"jobId": job_id, "attempt": n} for job_id, n in (*held, *wrong))]
        await self.ask([Asked(self.name, "heartbeat", {"jobs": jobs}, "")])
        told = {(one["jobId"], one["attempt"], one["tell"]) for one in self.beat.get("held", ())}
        assert told == {(*key, "stop") for key in wrong}, f"{self.name} named {wrong} as held, and was told {told}"

    async def ask(self, asked: Iterable[Asked]) -> None:
        """Say it, and see that it is answered as it must be."""
        await self._send([], list(asked))
        await self.settled()

    async def say(self, blocks: Iterable[tuple[list[Piece], list[Asked]]], rng: random.Random) -> None:
        """All of it, block by block: the output of each before what asks. A mark at the end, behind all output."""
        for pieces, asked in blocks:
            await self._send(pieces, asked)
        self._marked += 1
        await self._speaker.ws.send_bytes(packed(self._mark, "stdout", self._marked - 1, b".", rng.randrange(9)))

    async def settled(self) -> None:
        """All is answered, and all output was judged."""
        await self.until(lambda: not self._open and self._mark_seen >= self._marked, "all is answered")
        assert not self._wrong, "\n".join(self._wrong[:10])

    async def until(self, fact: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(WITHIN_SEC):
                while not fact():
                    if self._reading.done():
                        await self._reading
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} waits in vain: {what}; open: {list(self._open.values())[:3]}") from None

    async def _send(self, pieces: list[Piece], asked: list[Asked]) -> None:
        for one in pieces:
            about = {"jobId": one.job_id, "attempt": one.attempt}
            await self._speaker.ws.send_bytes(packed(about, one.stream, one.offset, one.data, one.seq))
        frames = []
        for op, items in _runs(asked):
            self._number += 1
            self._open[self._number] = items
            frames.append({"op": op, "id": self._number, "items": [one.item for one in items]})
        if frames:
            await self._speaker.say(*frames)
        self.frames += len(pieces) + len(frames)

    async def _read(self) -> None:
        try:
            while True:
                for frame in await self._speaker.hear():
                    self._heard(frame)
                self._news.set()
        finally:
            self._news.set()

    def _heard(self, frame: dict[str, Any]) -> None:
        if "re" in frame:
            for one, told in zip(self._open.pop(frame["re"]), frame["items"], strict=True):
                if one.op == "heartbeat":
                    self.beat = told
                elif told.get("tell") != one.tell:
                    self._wrong.append(f"{one} was answered {told}")
        elif frame["op"] == "ack":
            self.acks.update({(item["jobId"], item["attempt"]): item for item in frame["items"]})
            mark = self.acks.pop((self._mark["jobId"], self._mark["attempt"]), None)
            if mark is not None:
                self._mark_seen = mark["stdout"]
        elif frame["op"] == "assign":
            self.given += frame["items"]
        else:
            self._wrong.append(f"{self.name} was told {frame}")


def _runs(asked: list[Asked]) -> list[tuple[str, list[Asked]]]:
    """Those that follow each other and are of one kind share a frame."""
    runs: list[tuple[str, list[Asked]]] = []
    for one in asked:
        if not runs or runs[-1][0] != one.op:
            runs.append((one.op, []))
        runs[-1][1].append(one)
    return runs


def packed(about: dict[str, Any], stream: str, offset: int, data: bytes, seq: int) -> bytes:
    """A binary message."""
    header = json.dumps(about | {"stream": stream, "offset": offset, "seq": seq}).encode()
    return struct.pack(">I", len(header)) + header + data


def by_key(pieces: Iterable[Piece]) -> dict[tuple[str, Key], list[Piece]]:
    """Those of each worker and attempt."""
    found: dict[tuple[str, Key], list[Piece]] = defaultdict(list)
    for one in pieces:
        found[one.by, (one.job_id, one.attempt)].append(one)
    return found
