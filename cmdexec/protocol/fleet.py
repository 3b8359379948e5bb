"""What people ask about single workers, and change of them."""

from typing import Annotated

from msgspec import Meta

from cmdexec.protocol.messages import Key, ShortText
from cmdexec.protocol.requests import Request


class WorkerId(Request, frozen=True):
    worker_id: Key


class ChangeWorker(WorkerId, frozen=True):
    """What is left out stays. `labels` are people's own: they stand beside those that the worker names, and over them,
    and beside those that people gave before. An empty value hides a label of the worker or of its token; null takes
    back what people gave."""

    draining: bool | None = None
    name: ShortText | None = None
    labels: Annotated[dict[Key, Annotated[str, Meta(max_length=200)] | None], Meta(max_length=100)] | None = None
