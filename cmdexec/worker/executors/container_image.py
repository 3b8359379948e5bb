"""Getting the image of a job's container, and telling how far that has come."""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import quote

from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_stream import EngineRefusedError, EngineStream, open_stream

_STEP = 5
"""Percent between one word about a pull and the next."""
_LINE_BYTES = 1024 * 1024
_WORDS_MAX = 1000


class ImageError(Exception):
    """It cannot be had; the message says why."""


class Progress:
    """What a pull says of itself, a JSON document a line: the bytes of each layer, and what went wrong."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.failure: str | None = None
        self._told = told
        self._rest = b""
        self._layers: dict[str, tuple[int, int]] = {}
        self._said = -1

    def take(self, data: bytes) -> None:
        """The next bytes of it."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_BYTES:
            raise ConnectionError("the engine says too much of a pull")
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                self._hear(said)

    def _hear(self, said: dict[str, object]) -> None:
        if isinstance(wrong := said.get("error"), str):
            self.failure = wrong
        detail, layer, status = said.get("progressDetail"), said.get("id"), said.get("status")
        if not isinstance(layer, str) or not isinstance(detail, dict):
            return
        current, total = detail.get("current"), detail.get("total")
        if status == "Downloading" and isinstance(current, int) and isinstance(total, int) and total > 0:
            self._layers[layer] = (min(current, total), total)
        elif status in ("Download complete", "Pull complete") and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        self._tell()

    def _tell(self) -> None:
        total = sum(size for _, size in self._layers.values())
        percent = 100 * sum(done for done, _ in self._layers.values()) // total if total else 0
        step = percent - percent % _STEP
        if step != self._said:
            self._said = step
            self._told(f"pulling its image, {step} %")


class _Silence:
    """Ends a pull of which nothing was heard for `longest_sec`. `over`: it has."""

    def __init__(self, longest_sec: float) -> None:
        self.over = False
        self._longest_sec = longest_sec
        self._bound: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, bound: asyncio.Timeout) -> None:
        """From now on, by letting `bound` be over."""
        self._bound = bound
        self.broken()

    def broken(self) -> None:
        """Something was heard."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._longest_sec, self._end)

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        if self._bound is not None and not self._bound.expired():
            self.over = True
            self._bound.reschedule(0.0)  # long ago


class Pull:
    """One pull, which can be broken off."""

    def __init__(self, works: Works, engine: EngineCalls, image: str, told: Callable[[str], None]) -> None:
        self._works, self._engine, self._image, self._told = works, engine, image, told
        self._stream: EngineStream | None = None
        self._broken_off = False

    async def run(self) -> None:
        """Until the engine has it. Raises ImageError, or OSError when the engine is gone or it was broken off."""
        image, engine, settings = self._image, self._engine, self._works.settings
        self._told("pulling its image")
        progress, silence = Progress(self._told), _Silence(settings.pull_silence_sec)
        name, tag = split(image)
        path = f"/v{engine.engine.api}/images/create?fromImage={quote(name, safe='')}&tag={quote(tag, safe='')}"

        def take(data: bytes) -> None:
            silence.broken()
            progress.take(data)

        try:
            async with asyncio.timeout(settings.pull_timeout_sec) as bound:
                silence.begin(bound)
                credentials = await self._works.call(lambda: engine.registry_credentials(image))
                headers = {} if credentials is None else {"X-Registry-Auth": credentials}
                stream = self._stream = await open_stream(
                    engine.engine.place.url, "POST", path, take, headers=headers,
                    timeout_sec=settings.pull_timeout_sec,
                )  # fmt: skip
                if self._broken_off:
                    stream.close()
                await stream.over()
        except EngineRefusedError as refused:
            raise ImageError(words_about(image, refused.words)) from refused
        except TimeoutError as wrong:
            words = f"it did not arrive within {settings.pull_timeout_sec:g} s (PULL_TIMEOUT_SEC)"
            if silence.over:
                words = f"nothing was heard of it for {settings.pull_silence_sec:g} s (PULL_SILENCE_SEC)"
            raise ImageError(words_about(image, words)) from wrong
        finally:
            silence.stop()
            if self._stream is not None:
                self._stream.close()
        if progress.failure is not None:
            raise ImageError(words_about(image, progress.failure))
        if self._broken_off:
            raise ConnectionAbortedError("the pull was broken off")

    def break_off(self) -> None:
        """It is not wanted any more."""
        self._broken_off = True
        if self._stream is not None:
            self._stream.close()


def split(image: str) -> tuple[str, str]:
    """Its name, and its tag or digest: what an engine would take for all tags is `latest`."""
    name, at, digest = image.partition("@")
    if at:
        return name, digest
    place = image.rfind(":")
    return (image[:place], image[place + 1 :]) if place > image.rfind("/") else (image, "latest")


def words_about(image: str, words: str) -> str:
    """What stood in its way, for people."""
    return f"{image}: {words}"[:_WORDS_MAX]
