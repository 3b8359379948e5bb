"""The table of all cases. Names are those of the plan of fault tests that the project goes by."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.cases.cancelled import cancel_against_finish
from tests.support.cases.killed import server_killed, worker_killed
from tests.support.cases.parted import parted_for_a_moment, parted_for_long
from tests.support.cases.stopped import server_stopped, worker_stopped
from tests.support.cases.unanswered import replies_lost
from tests.support.cases.world import World


@dataclass(frozen=True)
class Kind:
    """One fault. `says`: what is done to the system."""

    name: str
    says: str
    run: Callable[[World], None]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("T1", "kill -9 of the server under submit, follow and cancel", server_killed),
        Kind("T2'", "kill -9 of a worker under the same", worker_killed),
        Kind("T5", "a worker is parted from its server for less than a lease, both ways or one", parted_for_a_moment),
        Kind("T6", "a worker is parted from its server for longer than a lease, `hold` and `requeue`", parted_for_long),
        Kind("T7", "SIGSTOP of a worker for longer than a lease", worker_stopped),
        Kind("T8", "SIGSTOP of the server for up to three leases", server_stopped),
        Kind("T11", "replies are lost after what was asked for was done", replies_lost),
        Kind("T16", "cancels within 50 ms of their jobs' ends", cancel_against_finish),
    )
}
