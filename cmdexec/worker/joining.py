"""Becoming a worker of a server, with a join token.

The worker makes its credential by itself, and keeps it before it tells the server its hash. So a reply that is lost
costs nothing: the same hash, told again, is answered the same; and nobody but this machine ever had the credential.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.http import session
from cmdexec.model.backoff import reconnect_wait
from cmdexec.protocol import accounts
from cmdexec.protocol.codec import encode
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.joined import RANDOM_BYTES, Joined, give_up, hash_of, keep, pending_credential
from cmdexec.worker.polling_calls import Calls, Lost

_ANSWER = msgspec.json.Decoder(accounts.Joined)


def tell_aside(spool: Path, runtime: Runtime) -> None:
    """Say where the spool of the worker before is now."""
    runtime.log.warning("what the worker before it had not delivered yet is put aside", folder=spool)


class Joining:
    """One worker's joining of the server at `url`, in the data folder `folder`, which is ours."""

    def __init__(
        self, url: str, folder: Path, *, settings: WorkerSettings, runtime: Runtime,
        waits: Callable[[CmdexecError], None] | None = None,
    ) -> None:  # fmt: skip
        self._url, self._folder, self._waits = url, folder, waits
        self._settings, self._runtime = settings, runtime
        self._said = ""
        self._mend: str | None = None

    async def join(self, token: str, told: Callable[[], Coroutine[Any, Any, None]]) -> Joined | None:
        """Join, however long the server is away, unless the worker may be idle for so long only. None: `told` returned
        before it answered. Raises Unavailable then, and CmdexecError if it refuses: then nothing is left of it."""
        call, runtime, folder = self._runtime.threads.run, self._runtime, self._folder
        secret = runtime.secret_bytes(RANDOM_BYTES)
        credential = await call(partial(pending_credential, folder, self._url, secret))
        body = encode(
            accounts.Join(token=token, credential_hash=hash_of(credential), name=self._settings.worker_name)
        )  # fmt: skip
        try:
            answer = await self._asked_unless(told, body)
        except Unavailable:  # a server may know of it
            raise
        except CmdexecError:
            await call(partial(give_up, folder))
            raise
        if answer is None:
            return None
        joined = Joined(self._url, answer.worker_id)
        if (aside := await call(partial(keep, folder, joined))) is not None:
            tell_aside(aside, runtime)
        labels = ", ".join(f"{key}={value}" for key, value in answer.labels.items())
        given = {"labels": labels} if labels else {}
        runtime.log.info("joined", server=self._url, worker=joined.worker_id, **given)
        return joined

    async def _asked_unless(
        self, told: Callable[[], Coroutine[Any, Any, None]], body: bytes
    ) -> accounts.Joined | None:  # fmt: skip
        """The answer; None when `told` returns before it. Whoever ends it has to wait while the folder is written."""
        answers: list[accounts.Joined] = []
        faults: list[CmdexecError] = []

        async def ask() -> None:
            try:
                answers.append(await self._asked(body))
            except CmdexecError as wrong:
                faults.append(wrong)

        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(ask()), tasks.create_task(told())]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
        if faults:
            raise faults[0]
        return answers[0] if answers else None

    async def _asked(self, body: bytes) -> accounts.Joined:
        settings, runtime, failures = self._settings, self._runtime, 0
        began = runtime.clock.elapsed()
        async with session(connect_timeout_sec=settings.connect_timeout_sec) as http:
            calls = Calls(http, self._url, _nothing, settings=settings, runtime=runtime)
            while True:
                failures += 1
                wait = reconnect_wait(
                    failures, runtime.rng.random(), settings.reconnect_min_sec, settings.reconnect_max_sec
                )
                try:
                    return _ANSWER.decode(await calls.call("workers.join", body))
                except Lost as lost:
                    self._tell(lost.away)
                except Unavailable as wrong:
                    wait = max(wait, wrong.retry_after)
                    self._tell(wrong)
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    self._tell(Unavailable("server_away", f"The answer of {self._url} is none of a cmdexec server."))
                await runtime.clock.sleep(self._within(began, wait))

    def _within(self, began: float, wait: float) -> float:
        """How much of `wait` is left to a worker that was idle since then. Raises Unavailable when nothing is."""
        settings = self._settings
        if settings.idle_timeout_sec is None:
            return wait
        bound = max(settings.idle_timeout_sec, settings.connect_timeout_sec)  # a connection takes its time
        left = began + bound - self._runtime.clock.elapsed()
        if left <= 0:
            message = f"Idle, and not joined for {bound:g} s, this worker ends. {self._said}"
            raise Unavailable("server_away", message, mend=self._mend)
        return min(wait, left)

    def _tell(self, wrong: CmdexecError) -> None:
        """What is waited for: each reason once."""
        if wrong.message != self._said:
            self._said, self._mend = wrong.message, wrong.mend
            if self._waits is not None:
                self._waits(wrong)
            self._runtime.log.warning("cannot join yet; it goes on trying", error=str(wrong))


async def _nothing() -> dict[str, str]:
    """Who joins has nothing to show but its token."""
    return {}
