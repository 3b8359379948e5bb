"""Somebody who overhears what servers tell each other over Redis, and says it again when it is no longer so."""

import random
import threading
from contextlib import closing, suppress
from types import TracebackType

import redis

_KEPT = 500
_WAIT_SEC = 0.2


class Eavesdropper:
    """Listens in its block, also over restarts of Redis. `heard`: the messages, each with its channel."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self.heard: list[tuple[bytes, bytes]] = []

    def __enter__(self) -> "Eavesdropper":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def say_again(self, rng: random.Random, times: int = 2) -> int:
        """All of it, in any order, and something that is no message; how many were said."""
        said = [*self.heard[-_KEPT:]] * times
        rng.shuffle(said)
        if said:
            said.append((said[0][0], rng.randbytes(100)))
        with closing(redis.Redis.from_url(self._url)) as client:
            for channel, data in said:
                client.publish(channel, data)
        return len(said)

    def _listen(self) -> None:
        while not self._stop.is_set():
            with suppress(redis.RedisError, OSError), closing(redis.Redis.from_url(self._url)) as client:
                with closing(client.pubsub()) as channel:
                    channel.psubscribe("cmdexec:*:hints")
                    while not self._stop.is_set():
                        message = channel.get_message(ignore_subscribe_messages=True, timeout=_WAIT_SEC)
                        if message is not None:
                            self.heard.append((message["channel"], message["data"]))
            self._stop.wait(_WAIT_SEC)
