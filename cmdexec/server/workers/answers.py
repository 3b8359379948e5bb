"""Answers to frames that name many attempts: what does not fit into one message is said more briefly."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from cmdexec.errors import Refused
from cmdexec.protocol.codec import answer, ask
from cmdexec.protocol.messages import Beat, CancelOrder, StopOrder, Told
from cmdexec.server.workers.outbox import Outbox


def send_answer(outbox: Outbox, number: int, items: Sequence[Any]) -> None:
    """Answer the frame of that number.

    Where the answer is larger than a message, the words for people are left out, and what a heartbeat is told of what
    it held goes before it, in frames of its own. That fits if the frame was no larger than half a message; else it
    raises Refused("too_large").
    """
    try:
        outbox.put(answer(number, items))
    except Refused:
        beats = [item for item in items if isinstance(item, Beat)]
        _put(
            outbox, "stop", [StopOrder(job_id=told.job_id, attempt=told.attempt) for one in beats for told in one.held]
        )
        _put(outbox, "cancel", [order for one in beats for order in one.cancel])
        try:
            outbox.put(answer(number, [_brief(item) for item in items]))
        except Refused as still:
            raise Refused(
                "too_large", "The answer to this frame is larger than a message may be.",
                mend="Ask about fewer at once: the answer to half a message fits.",
            ) from still  # fmt: skip


def _put(outbox: Outbox, op: str, orders: Sequence[StopOrder | CancelOrder]) -> None:
    if orders:
        outbox.put(ask(op, orders))


def _brief(item: Any) -> Any:
    if isinstance(item, Told):
        return msgspec.structs.replace(item, message=None)
    if isinstance(item, Beat):
        start, released = _briefly(item.start), _briefly(item.released)
        return msgspec.structs.replace(item, held=(), cancel=(), start=start, released=released)
    return item


def _briefly(tolds: Iterable[Told]) -> tuple[Told, ...]:
    return tuple(msgspec.structs.replace(told, message=None) for told in tolds)
