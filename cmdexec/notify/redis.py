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

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, InvalidResponse, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cmdexec.notify.redis_address import FIELD, no_address, read
from cmdexec.runtime import Runtime

_CONNECTIONS = 20
_FIRST_RETRY_SEC = 0.05
_LOOK_SEC = 0.5
"""How often the listener sees whether a publisher found Redis away."""

_HELD_SEC = 5.0
"""A channel that was there for so long is no attempt any more."""

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

_MEND_TLS = "See to its options that begin with ssl_: they name files with certificates and keys (PEM)."

_OF_REDIS = (RedisError, OSError, TimeoutError)


class RedisLink:
    """`notify.shared.Link`, and counters. `name`: of the installation, whose servers hear each other; `answer_sec`: how
    long Redis may take to connect or answer; `retry_sec`: the most between two tries to reach it.

    Raises CmdexecError(`bad_settings`) for an address that is none. Blocks: it reads the certificates that are named.
    """

    def __init__(self, url: str, runtime: Runtime, *, name: str, answer_sec: float, retry_sec: float) -> None:
        self._where = read(url)
        self._tls = url.startswith("rediss://")
        self._runtime = runtime
        self._answer_sec = answer_sec
        self._retry_sec = retry_sec
        pool = self._pool(url, tries=1)
        number = pool.connection_kwargs.get("db", 0)
        self._prefix = f"cmdexec:{number}:{name}"
        self._client: Redis = Redis.from_pool(pool)
        self._listener: Redis = Redis.from_pool(self._pool(url, tries=0))
        self._script: Any = self._client.register_script(_COUNT)
        self._here = False
        self._fault: str | None = "It was not reached yet."
        self._reached = False
        self._told: set[str] = set()
        self._since: float | None = None
        self._breaks = False

    def _pool(self, url: str, tries: int) -> BlockingConnectionPool:
        """`tries`: how often the client may connect again on its own. The listener never: what was said meanwhile is
        lost, and that has to be known."""
        try:
            pool = BlockingConnectionPool.from_url(
                url, max_connections=_CONNECTIONS, timeout=self._answer_sec,
                retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), tries),
                socket_timeout=self._answer_sec, socket_connect_timeout=self._answer_sec,
            )  # fmt: skip
            untyped: Any = pool
            first = untyped.make_connection()
            if isinstance(first, SSLConnection):
                first.ssl_context.get()
        except ssl.SSLError as wrong:  # an OSError and a ValueError, too
            raise no_address("What this address says of TLS is not understood.", _MEND_TLS) from wrong
        except OSError as wrong:
            raise no_address(f"A file that this address names cannot be read: {wrong.strerror}.", _MEND_TLS) from wrong
        except (ValueError, TypeError, RedisError) as wrong:
            raise no_address() from wrong
        return pool

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
            self._since = None
            try:
                async with self._listener.pubsub() as channel:
                    await self._subscribe(channel, hello)
                    came()
                    await self._listen(channel, heard)
            except Exception as fault:
                self._away(fault)
            _heed_cancel()
            tries = 0 if self._held() else tries + 1
            self._breaks = not self._held() and (self._breaks or self._since is not None)
            pause = min(self._retry_sec, _FIRST_RETRY_SEC * 2 ** min(max(tries - 1, 0), 20))
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
        await self._listener.aclose()
        await self._client.aclose()

    async def _subscribe(self, channel: PubSub, hello: bytes) -> None:
        """Listen, and see that all else works as well."""
        await channel.subscribe(f"{self._prefix}:hints")
        async with asyncio.timeout(self._answer_sec):
            while (said := await channel.get_message(timeout=self._answer_sec)) is None or said["type"] != "subscribe":
                continue
        await self._client.publish(f"{self._prefix}:hints", hello)
        await self._script(keys=[f"{self._prefix}:rate:"], args=[1])
        self._here, self._fault, self._since = True, None, self._runtime.clock.elapsed()
        self._reached = True
        if not self._breaks:
            self._say_there()

    async def _listen(self, channel: PubSub, heard: Callable[[bytes], None]) -> None:
        messages = 0
        while self._here:
            if self._breaks and self._held():
                self._breaks = False
                self._say_there()
            said = await channel.get_message(ignore_subscribe_messages=True, timeout=_LOOK_SEC)
            if said is not None and isinstance(said["data"], bytes):
                heard(said["data"])
                messages += 1
                if messages % _AT_ONCE == 0:
                    await self._runtime.clock.sleep(0)

    def _held(self) -> bool:
        """Whether the channel was there for a while."""
        return self._since is not None and self._runtime.clock.elapsed() - self._since >= _HELD_SEC

    def _say_there(self) -> None:
        """Of a channel that breaks soon after it came that is said when one has held."""
        self._told.clear()
        self._runtime.log.info("Redis is there: servers hear of each other at once", redis=self._where)

    def _away(self, fault: BaseException) -> None:
        """Say so, once for each thing that is wrong."""
        self._here = False
        self._fault = sentence = self._sentence(fault)
        if sentence not in self._told:
            self._told.add(sentence)
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
        if isinstance(fault, RedisConnectionError) and cut and not (self._tls or self._reached):
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
