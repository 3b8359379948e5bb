"""What the window asks and orders, as ways in to `Door`."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from cmdexec.errors import CmdexecError, Refused
from cmdexec.link.http import away, failure, session
from cmdexec.settings.load import DECLARED
from cmdexec.settings.parse import parse, wanted
from cmdexec.worker.page.configuration import Problem
from cmdexec.worker.page.door import Call, Stream
from cmdexec.worker.page.host import Host
from cmdexec.worker.page.state import Meter, state_of

_OUTPUT_PIECE = 64 * 1024
_NUMBER_DIGITS = 15
_HEALTH_BYTES = 64 * 1024


class Save(msgspec.Struct, rename="camel"):
    """Settings by key of the settings file; None takes one out."""

    values: dict[str, str | bool | None]


class Test(msgspec.Struct, rename="camel"):
    """Which server to try."""

    server: str


class Join(msgspec.Struct, rename="camel"):
    """`server` None: the one that is known."""

    token: str
    server: str | None = None
    allow_host: bool = False


class Pause(msgspec.Struct, rename="camel"):
    """Whether to take no jobs."""

    paused: bool


class Cancel(msgspec.Struct, rename="camel"):
    """Which attempt."""

    key: str


class Nothing(msgspec.Struct, rename="camel"):
    """Nothing more is said."""


class Heeded(msgspec.Struct, rename="camel"):
    """`problems`: what is wrong, so that nothing was done; `jobs`: how many have to end before it counts; `aside`: as
    what a settings file that could not be read was put aside."""

    problems: list[Problem] = []
    jobs: int = 0
    aside: str | None = None


class Tested(msgspec.Struct, rename="camel"):
    """How a try went, in a sentence."""

    ok: bool
    text: str


class Calls:
    """All of them.

    close_asked  how often the window was asked to close, which its page has to answer
    watching     how many pages look
    """

    def __init__(self, host: Host, *, show: Callable[[], None], close: Callable[[], None]) -> None:
        self.close_asked = self.watching = 0
        self._host, self._settings = host, host.base
        self._clock = host.runtime.clock
        self._show, self._close = show, close

    def table(self) -> Mapping[tuple[str, str], Call | Stream]:
        """By method and path."""
        return {
            ("GET", "/api/state"): Stream(self._states),
            ("GET", "/api/output"): Stream(self._output),
            ("GET", "/api/configuration"): Call(None, self._configuration),
            ("POST", "/api/save"): Call(Save, self._save),
            ("POST", "/api/test"): Call(Test, self._test),
            ("POST", "/api/join"): Call(Join, self._join),
            ("POST", "/api/pause"): Call(Pause, self._pause),
            ("POST", "/api/cancel"): Call(Cancel, self._cancel),
            ("POST", "/api/try"): Call(Nothing, self._act(self._host.try_now)),
            ("POST", "/api/again"): Call(Nothing, self._act(self._host.start_again)),
            ("POST", "/api/end"): Call(Nothing, self._act(self._host.end)),
            ("POST", "/api/show"): Call(Nothing, self._act(self._show)),
            ("POST", "/api/close"): Call(Nothing, self._act(self._close)),
        }  # fmt: skip

    @staticmethod
    def _act(act: Callable[[], object]) -> Callable[[Nothing], Any]:
        async def done(_nothing: Nothing) -> Heeded:
            act()
            return Heeded()

        return done

    async def _states(self, asked: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """The state whenever it is another one, with what happened since entry `after`; `once=1`: only as it is now."""
        seen, last, jobs = _number(asked, "after"), b"", None
        meter = Meter(self._clock, self._settings.window_stats_sec)
        self.watching += 1
        if self.watching == 1:
            self._host.runtime.log.info("the window is open")
        try:
            while True:
                state = state_of(self._host, self.close_asked)
                jobs, same = state.jobs, state.jobs == jobs
                state = msgspec.structs.replace(
                    state, jobs=None if same else jobs, machine=meter.look(self._host),
                    activity=self._host.activity.since(seen),
                )  # fmt: skip
                seen = max([seen, *(entry.number for entry in state.activity)])
                said = msgspec.json.encode(state)
                if said != last or state.next_try_ms is not None:
                    last = said
                    yield said
                else:
                    yield b""  # whether somebody is still there
                if asked.get("once"):
                    return
                await self._clock.sleep(self._settings.window_look_ms / 1000)
        finally:
            self.watching -= 1

    async def _output(self, asked: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """What the attempt `key` wrote from the place `from` on: `{start, end, pieces, over}`, until that is over."""
        key, place, tails = asked.get("key", ""), _number(asked, "from"), self._host.jobs.tails
        while True:
            part = tails.read(key, place, _OUTPUT_PIECE)
            if part is None:
                return
            if part.pieces or part.over:
                place = part.end
                yield msgspec.json.encode(part)
                if part.over:
                    return
                continue
            yield b""
            await self._clock.sleep(self._settings.window_look_ms / 1000)

    async def _configuration(self) -> object:
        host = self._host
        fields, aside = await host.runtime.threads.run(host.shown)
        return {"fields": fields, "file": str(host.configuration.path(host.base)), "aside": aside}

    async def _save(self, save: Save) -> Heeded:
        return Heeded(*await self._host.save(save.values))

    async def _join(self, join: Join) -> Heeded:
        server = (join.server or "").strip() or None
        return Heeded(*await self._host.join(server, join.token.strip(), allow_host=join.allow_host))

    async def _pause(self, pause: Pause) -> Heeded:
        self._host.pause(pause.paused)
        return Heeded()

    async def _cancel(self, cancel: Cancel) -> Heeded:
        self._host.cancel(cancel.key)
        return Heeded()

    async def _test(self, test: Test) -> Tested:
        """Whether a server of ours answers there."""
        setting = next(one for one in DECLARED["worker"] if one.name == "SERVER_URL")
        try:
            url = str(parse(setting, test.server))
        except ValueError as wrong:
            return Tested(False, f"{wrong} {wanted(setting)}")
        began, bound = self._clock.elapsed(), self._settings.connect_timeout_sec
        try:
            async with (
                session(connect_timeout_sec=bound, total_sec=bound) as http,
                http.get(f"{url}/api/health") as answer,
            ):
                if answer.status >= 400:
                    raise await failure(answer)
                health = msgspec.json.decode(await answer.content.read(_HEALTH_BYTES), type=dict[str, Any])
        except (aiohttp.ClientError, OSError, TimeoutError) as wrong:
            return Tested(False, str(away(url, wrong)))
        except CmdexecError as wrong:
            return Tested(False, str(wrong))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Tested(False, f"What answers at {url} is no cmdexec server.")
        took = round((self._clock.elapsed() - began) * 1000)
        return Tested(True, f"{url} answers in {took} ms and is {health.get('status', 'there')}.")


def _number(asked: Mapping[str, str], name: str) -> int:
    """A number behind the `?`, 0 where there is none. Raises Refused."""
    raw = asked.get(name, "0")
    if not raw.isascii() or not raw.isdigit() or len(raw) > _NUMBER_DIGITS:
        raise Refused("bad_request", f"`{name}` is no number.")
    return int(raw)
