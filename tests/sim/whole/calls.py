"""HTTP without a network: what a worker that polls calls, carried to the server's operations and back."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from multidict import CIMultiDict

from cmdexec.errors import CmdexecError
from cmdexec.protocol.operations import ROUTES
from tests.sim.whole.server import Answered, Process

_OPERATIONS = {(route.method, route.path): route.operation for route in ROUTES}


class _Content:
    """The body of an answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self, _size: int = -1) -> bytes:
        body, self._body = self._body, b""
        return body


class _Answer:
    """As much of an answer as `cmdexec.worker.polling_calls` asks for."""

    def __init__(self, told: Answered) -> None:
        self.status, self.headers, body = told
        self.content = _Content(body)


class _Exchange:
    """One request, from `async with` on."""

    def __init__(self, http: "Http", operation: str, body: bytes | None, query: Any, headers: Any) -> None:
        self._http, self._operation = http, operation
        self._body, self._query, self._headers = body, query, headers

    async def __aenter__(self) -> _Answer:
        return _Answer(await self._http.exchange(self._operation, self._body, self._query, self._headers))

    async def __aexit__(self, *_: object) -> None:
        """It has been read."""


class Http:
    """One worker's session of the library."""

    def __init__(self, world: Any, name: str) -> None:
        self._world, self._name = world, name

    async def __aenter__(self) -> "Http":
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    def request(
        self, method: str, url: str, *, params: Mapping[str, str] | None, data: bytes | None,
        headers: Mapping[str, str], allow_redirects: bool,
    ) -> _Exchange:  # fmt: skip
        assert not allow_redirects
        path = "/" + url.split("/", 3)[3]
        return _Exchange(self, _OPERATIONS[method, path], data, list((params or {}).items()), headers)

    async def exchange(self, operation: str, body: bytes | None, query: Any, headers: Mapping[str, str]) -> Answered:
        """Raises ClientError when the connection breaks; never comes back where nothing passes."""
        world, network = self._world, self._world.network
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        network.calls.setdefault(self._name, []).append(answer)

        async def do(process: Process) -> None:
            try:
                told = await process.carry(operation, body, query, CIMultiDict(headers))
            except CmdexecError:
                return network.later(self._name, network.hang_up, answer)
            return network.later(self._name, _settle, answer, told)

        def arrive() -> None:
            process: Process | None = world.server.process
            if self._name in network.cut:
                return
            if process is None:
                network.hang_up(answer)
            else:
                world.tell(f"{self._name} → server", f"calls {operation} {(body or b'').decode()[:110]} {query}")
                process.node.spawn(do(process), operation)

        network.later(self._name, arrive)
        try:
            return await answer
        finally:
            network.calls[self._name].remove(answer)


def _settle(answer: "asyncio.Future[Answered]", told: Answered) -> None:
    if not answer.done():
        answer.set_result(told)
