"""Who may take a worker's place, and what it finds there."""

from collections.abc import Callable

import msgspec

from cmdexec.clock import Clock
from cmdexec.errors import Refused
from cmdexec.model.job import Job
from cmdexec.protocol.messages import Register
from cmdexec.server.jobs import Holder
from cmdexec.server.workers.clones import Clones
from cmdexec.server.workers.holdings import Holdings
from cmdexec.server.workers.parts import known_as
from cmdexec.server.workers.rows import back, revoked, worker_row
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow

PROTOCOLS = frozenset({"cmdexec.v1"})
"""What this server speaks: every protocol younger than 12 months (promise 10)."""


class Admission:
    """`clones`: what is known of copies. `connected`: whether the worker has a connection to a server now."""

    def __init__(
        self, reads: Reads, holdings: Holdings, clock: Clock, settings: ServerSettings, connected: Callable[[str], bool]
    ) -> None:
        self._reads = reads
        self._holdings = holdings
        self._clock = clock
        self.clones = Clones(reads.workers, holdings, clock, settings, connected)

    async def admit(self, worker_id: str, message: Register) -> tuple[Holder, list[Job], WorkerRow]:
        """Write the worker down; what its spool is, what the store says that the worker holds, and its row. Raises
        CmdexecError if it may not work."""
        session, came_back = message.session or worker_id, back(worker_id, message, self._clock.now())
        holder = Holder(worker_id, session, known_as(worker_id, message), came_back)
        if message.worker_id not in (None, worker_id):
            raise Refused(
                "forbidden", f"This credential is that of worker {worker_id}, not of {message.worker_id}.",
                field="workerId", mend="Leave WORKER_ID unset: the credential says which worker it is.",
            )  # fmt: skip
        if message.protocol not in PROTOCOLS:
            raise Refused(
                "protocol_mismatch",
                f"This server speaks {', '.join(sorted(PROTOCOLS))}, the worker {message.protocol}.",
                mend="Update whichever of the two is older.",
            )
        (before,) = await self._reads.workers.get([worker_id])
        if before is not None and before.revoked:
            raise Refused("forbidden", revoked(before), mend="Let it join again, with a new join token.")
        elder = await self.clones.judge(before, message)
        credential = await self._reads.credentials.of(worker_id)
        beside = self.clones.beside(message)
        row = worker_row(holder, message, self._clock.now(), credential, before, elder, beside)
        before = await self._reads.workers.register(row)
        held = [job async for job in self._holdings.of(worker_id)]
        await self._holdings.bury(held, holder.session)
        return holder, held, row if before is None else msgspec.structs.replace(row, given=before.given)
