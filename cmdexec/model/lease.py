"""When the lease of a session is over. All times are seconds of one clock that counts suspended time (promise 9)."""

from collections.abc import Iterable, Mapping

import msgspec


class Watch(msgspec.Struct, frozen=True):
    """What the loop that judges leases knows of itself.

    turned_at    its last turn
    judged_from  no lease is judged before (amnesty)
    """

    turned_at: float
    judged_from: float


def watch(now: float, lease_sec: float) -> Watch:
    """The watch of a server that has just started: its workers have one lease to be heard of."""
    return Watch(now, now + lease_sec)


def turned(before: Watch, now: float, wrote_at: float, lease_sec: float, gap_sec: float) -> Watch:
    """The watch at a new turn of the loop.

    No lease is judged for one lease after a gap of more than `gap_sec` in the loop or in successful writes to the
    store: whoever could not be heard, or whose renewal could not be kept, is not to blame (promise 8).

    wrote_at   the last successful write; the loop makes one itself in each turn when nothing else was written
    """
    if now - before.turned_at > gap_sec or now - wrote_at > gap_sec:
        return Watch(now, now + lease_sec)
    return Watch(now, before.judged_from)


def overdue(
    stamps: Mapping[str, float] | Iterable[tuple[str, float]], now: float, lease_sec: float, w: Watch
) -> list[str]:
    """The sessions whose last renewal is more than a lease old; none during an amnesty."""
    if now < w.judged_from:
        return []
    pairs = stamps.items() if isinstance(stamps, Mapping) else stamps
    return [session for session, renewed_at in pairs if now - renewed_at > lease_sec]


def own_deadline(sent_at: float, lease_sec: float, margin_sec: float) -> float:
    """When a worker ends its `requeue` attempts by itself, before the server gives them away (promise 2).

    sent_at   when the last renewal that was acknowledged was *sent*: the server counts from later, never from earlier
    """
    return sent_at + max(0.0, lease_sec - margin_sec)
