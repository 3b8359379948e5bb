"""The table of all cases. Names are those of the plan of fault tests that the project goes by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.cases import slowly, vanished
from tests.support.cases.again import table
from tests.support.cases.again.table import every_reply_lost
from tests.support.cases.cancelled import cancel_against_finish
from tests.support.cases.clocked import a_machine_sleeps, wall_clocks_jump
from tests.support.cases.failing import failovers
from tests.support.cases.homes import InSetOfThree, InSharedSet, Makes
from tests.support.cases.killed import server_killed, worker_killed
from tests.support.cases.machines import Machines
from tests.support.cases.parted import parted_for_a_moment, parted_for_long
from tests.support.cases.race import RACING, claim_race
from tests.support.cases.slowly import far_and_broken
from tests.support.cases.stopped import server_stopped, worker_stopped
from tests.support.cases.unanswered import replies_lost
from tests.support.cases.vanished import peers_vanish
from tests.support.cases.world import LEASE_SEC, World


@dataclass(frozen=True)
class Kind:
    """One fault. `says`: what is done to the system; `world`: in which one, which `run` is given; `home`: the store
    where alone it can be; `lease_sec`: LEASE_SEC; `settings`: more of its servers'."""

    name: str
    says: str
    run: Callable[[Any], None]
    lease_sec: float = LEASE_SEC
    settings: Mapping[str, str] = field(default_factory=dict)
    world: type[World] = World
    home: Makes | None = None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("T1", "kill -9 of the server under submit, follow and cancel", server_killed),
        Kind("T2'", "kill -9 of a worker under the same", worker_killed),
        Kind("T5", "a worker is parted from its server for less than a lease, both ways or one", parted_for_a_moment),
        Kind("T6", "a worker is parted from its server for longer than a lease, `hold` and `requeue`", parted_for_long),
        Kind("T7", "SIGSTOP of a worker for longer than a lease", worker_stopped),
        Kind("T8", "SIGSTOP of the server for up to three leases", server_stopped),
        Kind("T9", "half-open TCP: an end is gone, and the other is not told", peers_vanish, vanished.LEASE_SEC,
             vanished.SERVER),
        Kind("T10", "a line up to 2 s late, in slices of 64 bytes, 8 KB a second, that breaks in the midst of replies",
             far_and_broken, slowly.LEASE_SEC),
        Kind("T11", "the reply to each operation and frame that changes something is lost after the effect",
             every_reply_lost, table.LEASE_SEC, table.SERVER),
        Kind("T11'", "replies are lost under load, of people's calls, of a worker's, and of its socket", replies_lost),
        Kind("T15", "wall clocks jump by hours and days, and flicker", wall_clocks_jump, world=Machines),
        Kind("T15'", "a worker's machine sleeps, and may wake with a wrong clock", a_machine_sleeps, world=Machines),
        Kind("T16", "cancels within 50 ms of their jobs' ends", cancel_against_finish),
        Kind("T17", "64 workers of two servers want the same 1,000 jobs", claim_race,
             settings=RACING, home=InSharedSet),
        Kind("T27", "the primary of three MongoDBs goes, in five ways, and the Redis beside", failovers,
             home=InSetOfThree),
    )
}  # fmt: skip
