"""Redis as what lies between servers: a channel for their hints, and counters that they share. Only this file knows the
client, and it is loaded only where REDIS_URL is set.

Nothing here is on the way of a job: while Redis is away hints stay where they are said, and each server counts alone.
Names in Redis begin with a prefix, so that several installations can share one.
"""

import asyncio
import ssl
from collections.abc import Callable
from socket import gaierror
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, InvalidResponse, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime

FIELD = "REDIS_URL"
_MEND = "Write it as rediss://:PASSWORD@HOST:6379/0, or with redis:// where no TLS is wanted."
_CONNECTIONS = 20
_FIRST_RETRY_SEC = 0.05
_LOOK_SEC = 0.5
"""How often the listener sees whether a publisher found Redis away."""

_AT_ONCE = 100
"""Messages that are heard before all others have their turn."""

_COUNT = """
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
end
return {count, left}
"""
"""One step: count, and begin a window where there is none."""

_OF_REDIS = (RedisError, OSError, TimeoutError)


class RedisLink:
    """`notify.shared.Link`, and counters. `name`: of the installation, whose servers hear each other; `answer_sec`: how
    long Redis may take to connect or answer; `retry_sec`: the most between two tries to reach it.

    Raises CmdexecError(`bad_settings`) for an address that is none.
    """

    def __init__(self, url: str, runtime: Runtime, *, name: str, answer_sec: float, retry_sec: float) -> None:
        self._where = _where(url)
        self._tls = url.startswith("rediss://")
        self._runtime = runtime
        self._answer_sec = answer_sec
        self._retry_sec = retry_sec
        try:
            pool = BlockingConnectionPool.from_url(
                url, max_connections=_CONNECTIONS, timeout=answer_sec,
                retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 1),
                socket_timeout=answer_sec, socket_connect_timeout=answer_sec,
            )  # fmt: skip
        except (ValueError, TypeError, RedisError) as wrong:
            raise _no_address() from wrong
        number = pool.connection_kwargs.get("db", 0)
        self._prefix = f"cmdexec:{number}:{name}"
        self._client: Redis = Redis.from_pool(pool)
        self._script: Any = self._client.register_script(_COUNT)
        self._here = False
        self._fault: str | None = "It was not reached yet."

    @property
    def here(self) -> bool:
        return self._here

    @property
    def state(self) -> str:
        """`ok`, or a sentence that says what is wrong."""
        return self._fault or "ok"

    async def run(self, heard: Callable[[bytes], None], came: Callable[[], None], hello: bytes) -> None:
        tries = 0
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await self._subscribe(channel, hello)
                    tries = 0
                    came()
                    await self._listen(channel, heard)
            except Exception as fault:
                self._away(fault)
            _heed_cancel()
            pause = min(self._retry_sec, _FIRST_RETRY_SEC * 2 ** min(tries, 20))
            tries += 1
            await self._runtime.clock.sleep(pause * (0.5 + self._runtime.rng.random() / 2))

    async def publish(self, data: bytes) -> bool:
        try:
            await self._client.publish(f"{self._prefix}:hints", data)
        except Exception as fault:
            self._away(fault)
            return False
        finally:
            _heed_cancel()
        return True

    async def count(self, key: str, window_ms: int) -> tuple[int, int] | None:
        """Count once under `key`: how often in its window, and how many milliseconds are left of that. None while Redis
        is away."""
        if not self._here:
            return None
        try:
            count, left = await self._script(keys=[f"{self._prefix}:rate:{key}"], args=[window_ms])
        except Exception as fault:
            self._away(fault)
            return None
        finally:
            _heed_cancel()
        return int(count), int(left)

    async def close(self) -> None:
        self._here = False
        await self._client.aclose()

    async def _subscribe(self, channel: PubSub, hello: bytes) -> None:
        """Listen, and see that all else works as well."""
        await channel.subscribe(f"{self._prefix}:hints")
        async with asyncio.timeout(self._answer_sec):
            while (said := await channel.get_message(timeout=self._answer_sec)) is None or said["type"] != "subscribe":
                continue
        await self._client.publish(f"{self._prefix}:hints", hello)
        await self._script(keys=[f"{self._prefix}:rate:"], args=[1])
        if self._fault is not None:
            self._runtime.log.info("Redis is there: servers hear of each other at once", redis=self._where)
        self._here, self._fault = True, None

    async def _listen(self, channel: PubSub, heard: Callable[[bytes], None]) -> None:
        messages = 0
        while self._here:
            said = await channel.get_message(ignore_subscribe_messages=True, timeout=_LOOK_SEC)
            if said is not None and isinstance(said["data"], bytes):
                heard(said["data"])
                messages += 1
                if messages % _AT_ONCE == 0:
                    await self._runtime.clock.sleep(0)

    def _away(self, fault: BaseException) -> None:
        """Say so, once for each thing that is wrong."""
        self._here = False
        sentence = self._sentence(fault)
        if sentence != self._fault:
            self._fault = sentence
            self._runtime.log.warning("Redis is away: servers hear of each other later", why=sentence)

    def _sentence(self, fault: BaseException) -> str:
        where, causes = self._where, list(_causes(fault))
        if isinstance(fault, InvalidResponse) or not isinstance(fault, _OF_REDIS):  # the client chokes on some answers
            return f"What answers at {where} is no Redis, or none that can be understood. See to {FIELD}."
        told = " ".join(str(one) for one in causes).lower()
        if any(isinstance(one, gaierror) for one in causes):
            return f"The host of {where} is not known. See to the name in {FIELD}, and to the DNS."
        if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
            return (
                f"The certificate of Redis at {where} is not trusted. Add ?ssl_ca_certs=FILE to {FIELD}, or name the "
                "host as the certificate does."
            )
        if any(isinstance(one, ssl.SSLError) for one in causes):
            return f"Redis at {where} speaks no TLS as we do. See to rediss:// in {FIELD}, and to its port."
        if isinstance(fault, NoPermissionError):
            return (
                f"The user of {FIELD} may not do what is needed at {where}. Give it the commands +@pubsub +@scripting "
                f"+@write +@read, and the channels and keys {self._prefix}:*."
            )
        if isinstance(fault, AuthenticationError) or "wrongpass" in told or "noauth" in told:
            return f"Redis at {where} refuses the user or the password of {FIELD}, or wants one."
        if isinstance(fault, ResponseError):
            return f"Redis at {where} refused a command. See to its log, and to the number at the end of {FIELD}."
        if isinstance(fault, RedisTimeoutError | TimeoutError):
            see = f"runs, and whether it speaks TLS as {FIELD} says" if self._tls else "runs"
            return f"Redis at {where} has not answered in time. See whether it {see}; REDIS_ANSWER_SEC says how long."
        cut = "closed by server" in told or any(isinstance(one, ConnectionResetError) for one in causes)
        if isinstance(fault, RedisConnectionError) and cut and not self._tls:
            return f"Redis at {where} closed the connection. If it wants TLS, write rediss:// in {FIELD}."
        return f"Redis at {where} does not answer. See whether it runs, and to {FIELD}."


def _heed_cancel() -> None:
    """End a task that was cancelled. The client waits by `asyncio.wait_for`, which loses a cancel that comes when it is
    just done (Python before 3.12)."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _causes(fault: BaseException | None) -> list[BaseException]:
    """It, and what led to it."""
    found: list[BaseException] = []
    while fault is not None and fault not in found:
        found.append(fault)
        fault = fault.__cause__ or fault.__context__
    return found


def _where(url: str) -> str:
    """Host and port, or the socket's path: without user and password."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as wrong:
        raise _no_address() from wrong
    if parts.scheme == "unix" and parts.path:
        return parts.path
    number = parts.path.strip("/")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not (number == "" or number.isdecimal()):
        raise _no_address()
    return f"{parts.hostname}:{port}"


def _no_address() -> CmdexecError:
    return CmdexecError("bad_settings", f"{FIELD} is no address of a Redis.", field=FIELD, mend=_MEND)
