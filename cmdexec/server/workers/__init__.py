"""Workers: who is connected, what each has, and giving them what waits."""

from cmdexec.server.workers.dispatch import Dispatch
from cmdexec.server.workers.fleet import Fleet
from cmdexec.server.workers.link import WorkerLink
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.polling import PollingMember
from cmdexec.server.workers.polls import Gone, Polls
from cmdexec.server.workers.presence import LiveWorker, Presence
from cmdexec.server.workers.said import Said
from cmdexec.server.workers.waiting import Waits

__all__ = [
    "Dispatch", "Fleet", "Gone", "LiveWorker", "Member", "Outbox", "PollingMember", "Polls", "Presence", "Said",
    "Waits", "WorkerLink",
]  # fmt: skip
