"""Parts of a worker for tests: settings with small bounds, a runtime that runs threads inline, ids of jobs."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cmdexec.clock import SystemClock
from cmdexec.ids import Ids
from cmdexec.log import Log
from cmdexec.protocol.messages import OutputDone
from cmdexec.runtime import Inline, Runtime
from cmdexec.settings.load import make
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.spool.output import STREAMS, AttemptOutput
from cmdexec.worker.spool.recovery import Found, open_spool
from cmdexec.worker.spool.spool import Spool

BOOT = b"\x01" * 16
OTHER_BOOT = b"\x02" * 16


def job_id(number: int) -> str:
    """The id of a test's nth job."""
    return f"01936f0e-4f2a-7001-9c3f-{number:012d}"


def inline_runtime() -> Runtime:
    """Real but for its threads: blocking calls run where they are made."""
    clock, rng = SystemClock(), random.Random(7)
    return Runtime(clock, rng, Ids(clock, rng.randbytes), Log("cmdexec.test"), Inline(), rng.randbytes)


def worker_settings(folder: Path, **values: object) -> WorkerSettings:
    """A worker's settings; those named here may be outside of the bounds that a user is held to."""
    settings = make(WorkerSettings, data_dir=folder)
    return replace(settings, **values)  # type: ignore[arg-type]


def spool_in(folder: Path, boot: bytes = BOOT, **values: object) -> tuple[Spool, list[Found]]:
    """The spool of that folder, opened as by a new process; small bounds unless named."""
    small: dict[str, object] = {
        "output_window_bytes": 4_000, "spool_max_bytes": 10**9, "output_cap_bytes": 10**9, "output_tail_bytes": 1_000,
        "spool_write_sec": 0.005,
    }  # fmt: skip
    settings = worker_settings(folder, **(small | values))
    return open_spool(folder / "spool", boot, settings=settings, runtime=inline_runtime())


async def read_out(spool: Spool, output: AttemptOutput, limit: int = 700) -> dict[str, bytes]:
    """All that has not been sent, in the order it would be, as if it were sent."""
    read: dict[str, bytes] = {}
    for name in STREAMS:
        stream, pieces = output.stream(name), list[bytes]()
        while stream.unsent:
            piece = await spool.read(stream, limit)
            assert piece, f"{name} is lost from {stream.sent} of {stream.end} on"
            pieces.append(piece)
            stream.sent += len(piece)
        read[name] = b"".join(pieces)
    return read


def lengths(done: OutputDone) -> tuple[int | None, int | None]:
    """How long both streams are."""
    return done.stdout.bytes, done.stderr.bytes


def recorded(into: list[str], name: str) -> Callable[[], None]:
    """A callback that notes its name."""
    return lambda: into.append(name)
