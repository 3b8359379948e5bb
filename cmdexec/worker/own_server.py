"""Where the server is now that started this worker: a worker outlives its server, and the next one in the same folder
may listen elsewhere."""

import os
from pathlib import Path

import msgspec

from cmdexec.system.files import is_shared

_MAX_BYTES = 64 * 1024


class _Running(msgspec.Struct):
    url: str


def url_in(path: Path) -> str | None:
    """The URL that a running server has written into `path`, its `runtime.json`; None where there is nothing of the
    kind, or others could have written it: it decides where the worker's credential is sent. Blocking."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES)
        running = msgspec.json.decode(content, type=_Running)
    except (OSError, UnicodeError, msgspec.MsgspecError, RecursionError):
        return None
    if is_shared(status):
        return None
    return running.url
