"""The only code that changes jobs. An event comes in, `model.decide` says what it means, the store writes it or not."""

from cmdexec.server.jobs.ask import Ask, Outcome
from cmdexec.server.jobs.due import due
from cmdexec.server.jobs.expire import expired, lease_over, lost
from cmdexec.server.jobs.held import missing, output, resume, resumed
from cmdexec.server.jobs.holder import Holder, again, told
from cmdexec.server.jobs.jobs import Jobs
from cmdexec.server.jobs.measure import Measure, StoredOutput
from cmdexec.server.jobs.release import Fleet, dead, release, released
from cmdexec.server.jobs.report import report, reported
from cmdexec.server.jobs.requeue import recall, requeue
from cmdexec.server.jobs.start import cannot_start, start, started

__all__ = [
    "Ask", "Fleet", "Holder", "Jobs", "Measure", "Outcome", "StoredOutput", "again", "cannot_start", "dead", "due",
    "expired", "lease_over", "lost", "missing", "output", "recall", "release", "released", "report", "reported",
    "requeue", "resume", "resumed", "start", "started", "told",
]  # fmt: skip
