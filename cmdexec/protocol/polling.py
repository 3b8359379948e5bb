"""What a worker without a socket asks and is answered, beside what every worker says (`messages`)."""

from typing import Annotated, Literal

from msgspec import Meta

from cmdexec.protocol.messages import ContainerOrder, JobId, Told
from cmdexec.protocol.requests import Request, View


class GivenJob(View, frozen=True):
    """A job to run. `cpu` in cores, `ram_mb` in MB of 2^20 bytes: the part of the machine that it shall get."""

    job_id: str
    attempt: int
    command: str | tuple[str, ...]
    env: dict[str, str]
    timeout_sec: float | None
    kill_grace_sec: float | None
    on_lost: str
    cpu: float | None
    ram_mb: int | None
    stdin: bytes | None
    container: ContainerOrder | None


class Named(View, frozen=True):
    """An attempt."""

    job_id: str
    attempt: int


class GivenJobs(View, frozen=True):
    """What a worker without a socket is given. `stop`: all attempts that are to be ended, as in `BeatView`; `cancel`:
    those of them that were cancelled: report how they ended."""

    jobs: tuple[GivenJob, ...]
    stop: tuple[Named, ...]
    cancel: tuple[Named, ...]


class BeatView(View, frozen=True):
    """The answer to a heartbeat. `stop`: all attempts that are to be ended, whether they were cancelled (`cancel` names
    them too: report how they ended) or are this worker's no more. Each `start` and `released` is answered in its order.
    """

    lease_sec: float
    heartbeat_sec: float
    stop: tuple[Named, ...]
    cancel: tuple[Named, ...]
    held: tuple[Told, ...]
    start: tuple[Told, ...]
    released: tuple[Told, ...]


class AttemptQuery(Request, frozen=True):
    """An attempt, named in the query."""

    job_id: JobId
    attempt: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class CheckView(View, frozen=True):
    """Whether to end the attempt. `reason`: `cancelled` (report how it ended), or `stale` (forget it)."""

    stop: bool
    reason: Literal["cancelled", "stale"] | None


class OffsetsView(View, frozen=True):
    """How far each stream is stored, in bytes."""

    stdout: int
    stderr: int


class TakenView(View, frozen=True):
    """What of the output is on stable storage."""

    acknowledged: OffsetsView
