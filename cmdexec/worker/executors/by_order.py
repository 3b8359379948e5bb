"""All ways to run jobs on this machine, as one executor: an order says by its container which of them it is for."""

from collections.abc import Sequence

from cmdexec.model.matching import CONTAINER, PROCESS
from cmdexec.protocol.messages import Assignment
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.executors.container_shape import refusal
from cmdexec.worker.executors.containers import ContainerExecutor
from cmdexec.worker.executors.contract import Container, Order, Sink
from cmdexec.worker.executors.process import ProcessExecutor


def container_of(assignment: Assignment) -> Container | None:
    """What the job runs in."""
    asked = assignment.container
    return None if asked is None else Container(asked.image, asked.network, asked.pull, asked.user)


class ByOrder:
    """Implements `contract.Executor`. The warden of the processes is there in any case: it also keeps the containers of
    leased jobs to their leases."""

    def __init__(self, processes: ProcessExecutor, containers: ContainerExecutor, settings: WorkerSettings) -> None:
        self.processes, self.containers = processes, containers
        self._settings = settings

    @property
    def names(self) -> tuple[str, ...]:
        """The ways that are open now, as servers know them."""
        ways = ((PROCESS, self._settings.allow_host), (CONTAINER, self.containers.ready))
        return tuple(name for name, is_open in ways if is_open)

    def refusal(self, assignment: Assignment) -> str | None:
        """Why this worker never runs such a job; None: it does."""
        container = container_of(assignment)
        if container is not None:
            return refusal(container, self._settings)
        return None if self._settings.allow_host else "this worker runs jobs in containers alone (ALLOW_HOST)"

    async def open(self) -> None:
        await self.processes.open()
        if self._settings.allow_containers:
            await self.containers.open()

    def start(self, orders: Sequence[tuple[Order, Sink]]) -> None:
        processes = [one for one in orders if one[0].container is None]
        if processes:
            self.processes.start(processes)
        if len(processes) < len(orders):
            self.containers.start([one for one in orders if one[0].container is not None])

    def stop(self, key: str, grace_sec: float) -> None:
        self.processes.stop(key, grace_sec)
        self.containers.stop(key, grace_sec)

    def withdraw(self) -> None:
        self.processes.withdraw()
        self.containers.withdraw()

    def renewed(self, until: float) -> None:
        self.containers.renewed(until)
        self.processes.renewed(until)

    def pause(self, key: str) -> None:
        self.processes.pause(key)
        self.containers.pause(key)

    def resume(self, key: str) -> None:
        self.processes.resume(key)
        self.containers.resume(key)

    async def close(self) -> None:
        await self.containers.close()
        await self.processes.close()
