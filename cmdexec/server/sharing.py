"""What servers share beside the store: hints and counters, over the Redis that the settings name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdexec.notify.contract import Notify
from cmdexec.notify.local import LocalNotify
from cmdexec.runtime import Runtime
from cmdexec.server.ratelimit import Counters, MemoryCounters
from cmdexec.settings.server import ServerSettings

if TYPE_CHECKING:
    from cmdexec.notify.redis import RedisLink
    from cmdexec.notify.shared import SharedNotify

_DATABASE = "cmdexec"


@dataclass(frozen=True, slots=True)
class Sharing:
    """`server`: the id of this one, which it has until it ends. `services`: what has to run for it. `checks`: the state
    of what is shared, `ok` or a sentence, by name."""

    server: str
    notify: Notify
    counters: Counters
    services: "tuple[SharedNotify, ...]" = ()
    checks: "Mapping[str, RedisLink]" = field(default_factory=dict)


async def open_sharing(settings: ServerSettings, runtime: Runtime) -> Sharing:
    """Nothing is sent yet. Raises CmdexecError for an address that is none."""
    server, url = runtime.ids.new(), settings.redis_url
    if url is None:
        return Sharing(server, LocalNotify(runtime.log), MemoryCounters(runtime.clock))
    name = _name(settings.mongodb_uri) or server

    def load() -> "RedisLink":
        from cmdexec.notify.redis import RedisLink

        return RedisLink(
            url, runtime, name=name, answer_sec=settings.redis_answer_sec, retry_sec=settings.redis_retry_sec
        )

    from cmdexec.notify.shared import SharedNotify
    from cmdexec.server.ratelimit.shared import SharedCounters

    link = await runtime.threads.run(load)
    notify = SharedNotify(link, runtime.log, server=server, queue_bytes=settings.redis_queue_bytes)
    return Sharing(server, notify, SharedCounters(link, runtime.clock), (notify,), {"redis": link})


def _name(mongodb_uri: str | None) -> str | None:
    """The database that servers share, and so the installation; None where a server has its store for itself."""
    if mongodb_uri is None:
        return None
    return urlsplit(mongodb_uri).path.strip("/") or _DATABASE
