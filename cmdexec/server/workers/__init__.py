"""Workers: who is connected, what each has, and giving them what waits."""

from cmdexec.server.workers.dispatch import Dispatch
from cmdexec.server.workers.link import WorkerLink
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.presence import LiveWorker, Presence
from cmdexec.server.workers.said import Said

__all__ = [
    "Dispatch", "LiveWorker", "Outbox", "Presence", "Said", "WorkerLink",
]  # fmt: skip
