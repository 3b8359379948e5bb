"""What workers and people say over their sockets: decoded, bounded and handed on. Whoever speaks here is a program: one
that says what cannot be is cut off, with what would be right."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from cmdexec.errors import Refused
from cmdexec.link.socket import Close, Socket
from cmdexec.protocol.codec import Frame, answer, decode_items, list_decoder
from cmdexec.protocol.messages import OutputHeader, Registered
from cmdexec.protocol.operations import BY_NAME, FRAMES
from cmdexec.protocol.watching import UP
from cmdexec.server.edge.submitting import Submissions
from cmdexec.server.live import Watcher
from cmdexec.server.workers import WorkerLink

_SHOWN = 60

_OF_WORKERS = {op: list_decoder(BY_NAME[name].request) for op, name in FRAMES.items() if op != "output"}
_OF_PEOPLE = {op: list_decoder(kind) for op, kind in UP.items()}


class WorkerSays:
    """What a worker says."""

    def __init__(self, socket: Socket, link: WorkerLink, first_frame_sec: float) -> None:
        self._socket = socket
        self._link = link
        self._first_frame_sec = first_frame_sec
        self._deadline: asyncio.TimerHandle | None = None
        self._registered = False

    def expect(self) -> None:
        """Its `register` has to come in time."""
        self.expect_no_more()
        self._deadline = asyncio.get_running_loop().call_later(self._first_frame_sec, self._too_late)

    def expect_no_more(self) -> None:
        """It has come, or the socket has ended."""
        if self._deadline is not None:
            self._deadline.cancel()

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        said: list[tuple[str, int | None, Any]] = []
        registers = self._registered
        for frame in frames:
            op = frame.op or ""
            decoder = _OF_WORKERS.get(op)
            if decoder is None:
                raise _no_such_frame(op, "worker", _OF_WORKERS)
            items = decode_items(frame.items, decoder)
            if op == "register":
                if registers or len(items) != 1:
                    raise Refused("bad_request", "`register` is said once, with one item.", field="op")
                registers = True
                self.expect_no_more()
            said.append((op, frame.id, items))
        for told in await self._link.frames(said):
            if not self._registered:  # no other frame is answered at once
                self._welcome(told.items)
            self._socket.put(told)

    def _welcome(self, items: Sequence[Any]) -> None:
        """It is registered; or it could not be, and has as long again for another try."""
        self._registered = any(isinstance(item, Registered) for item in items)
        if self._registered:
            self.expect_no_more()
        else:
            self.expect()

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        await self._link.output(header, data)

    def _too_late(self) -> None:
        self._socket.close(Close.TOO_SLOW, "The first frame, `register`, did not come in time.")


class PersonSays:
    """What a person's program says."""

    def __init__(self, socket: Socket, watcher: Watcher, submissions: Submissions) -> None:
        self._socket = socket
        self._watcher = watcher
        self._submissions = submissions

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        said: list[tuple[str, int | None, Any]] = []
        for frame in frames:
            op = frame.op or ""
            decoder = _OF_PEOPLE.get(op)
            if decoder is None:
                raise _no_such_frame(op, "person", _OF_PEOPLE)
            if op == "submit" and frame.id is None:
                raise Refused("bad_request", "`submit` needs an `id`: it is answered.", field="id")
            said.append((op, frame.id, decode_items(frame.items, decoder)))
        for op, number, items in said:
            if op == "submit" and number is not None:
                await self._submissions.begin(number, items)
                continue
            async with self._submissions.ordered:
                answers = await self._watcher.watch(items) if op == "watch" else self._watcher.unwatch(items)
                if number is not None:
                    self._socket.put(answer(number, answers))
                self._watcher.go()

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        raise Refused("bad_request", "Only workers send binary messages: output.", mend="Send frames as text.")


def _no_such_frame(op: str, whose: str, known: Iterable[str]) -> Refused:
    one_of = f"Send one of {', '.join(f'`{one}`' for one in known)}."
    if op == "output" and whose == "worker":
        return Refused(
            "bad_request", "Output comes in binary messages.", field="op",
            mend="Send it so, or up to 4 KiB of it in `inline` of `done`.",
        )  # fmt: skip
    if not op:
        return Refused("bad_request", "This frame does not say what it is.", field="op", mend=one_of)
    shown = op if len(op) <= _SHOWN else f"{op[:_SHOWN]}…"
    return Refused("bad_request", f"No frame of a {whose} is called `{shown}`.", field="op", mend=one_of)


class Deaf:
    """Of whom nothing is heard: what it says has no meaning."""

    async def frames(self, frames: tuple[Frame, ...]) -> None: ...

    async def output(self, header: OutputHeader, data: memoryview) -> None: ...
