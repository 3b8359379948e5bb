"""What a job's container is: nothing but what is said here, as the engine's API takes it.

It has no network unless asked and allowed, no rights of root, no way to get any, a root it cannot write to, two folders
in memory that it can (/tmp and its own), and bounds on memory, cores and processes. Nothing of the machine is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.capacity import Capacity
from cmdexec.worker.executors.contract import Container, Order

WORK_FOLDER = "/job"
"""Its own folder: HOME, and where it starts."""

OWNER = "cmdexec.owner"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Labels:
    """What is written on each container: whose it is. `owner` is of the data folder, which only one worker has."""

    owner: str
    server: str
    worker: str
    session: str

    def of(self, key: str) -> dict[str, str]:
        job_id, _, attempt = key.partition(".")
        return {
            OWNER: self.owner, "cmdexec.server": self.server, "cmdexec.worker": self.worker,
            "cmdexec.session": self.session, "cmdexec.job": job_id, "cmdexec.attempt": attempt,
        }  # fmt: skip


def name_of(key: str) -> str:
    """A container's name: an engine has no two of one, so no attempt is in two."""
    return f"cmdexec-{key}"


def refusal(container: Container, settings: WorkerSettings) -> str | None:
    """Why this worker never runs a job in that; None: it does."""
    if not settings.allow_containers:
        return "this worker runs no jobs in containers (ALLOW_CONTAINERS)"
    if container.network != "none" and not settings.allow_container_network:
        return "it asks for a network, and this worker gives containers none (ALLOW_CONTAINER_NETWORK)"
    if container.user is not None and not all(number.strip("0") for number in container.user.split(":")):
        return "it asks to be root, or of root's group, in its container, which this worker allows no job"
    return None


def config_of(
    order: Order, container: Container, labels: Labels, settings: WorkerSettings, capacity: Capacity
) -> dict[str, Any]:
    """The body of the call that makes it."""
    program, *arguments = order.argv
    return {
        "Image": container.image,
        "Entrypoint": [program],
        "Cmd": arguments,
        "Env": [f"{name}={value}" for name, value in order.env.items()],
        "WorkingDir": order.cwd,
        "User": ":".join(user_of(container, settings)),
        "Labels": labels.of(order.key),
        "Tty": False,
        "AttachStdin": bool(order.stdin), "OpenStdin": bool(order.stdin), "StdinOnce": bool(order.stdin),
        "AttachStdout": True, "AttachStderr": True,
        "NetworkDisabled": container.network == "none",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(order, container, settings, capacity),
    }  # fmt: skip


def user_of(container: Container, settings: WorkerSettings) -> tuple[str, str]:
    """Its UID and GID: without a group of its own an engine would give it root's."""
    uid, _, gid = (container.user or settings.container_user).partition(":")
    return uid, gid or uid


def memory_of(order: Order, settings: WorkerSettings, capacity: Capacity) -> int:
    """Its memory in bytes."""
    if order.ram_mb is not None:
        return order.ram_mb * _MIB
    return settings.container_ram_bytes or capacity.ram_mb * _MIB


def _host_config(
    order: Order, container: Container, settings: WorkerSettings, capacity: Capacity
) -> dict[str, Any]:  # fmt: skip
    memory = memory_of(order, settings, capacity)
    cpu = order.cpu or settings.container_cpu or capacity.cpu_limit or 0.0  # 0: all that the engine has
    uid, gid = user_of(container, settings)
    # Its owner, since engines give it the mode of the folder that the image has there, or of one that they made.
    room = f"rw,nosuid,nodev,mode=0700,uid={uid},gid={gid},size={settings.container_files_bytes}"
    log: Mapping[str, str] = {
        "max-size": str(settings.container_log_bytes), "max-file": "2", "compress": "false",
    }  # fmt: skip
    return {
        "NetworkMode": container.network,
        "Init": True,  # a first process that hands signals on and reaps; without it, TERM would be ignored
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"{room},noexec", WORK_FOLDER: f"{room},exec"},  # noqa: S108 - the container's own
        "IpcMode": "private",
        "PidsLimit": settings.container_pids,
        "Memory": memory, "MemorySwap": memory,  # the same: no swap
        "NanoCpus": int(cpu * 1_000_000_000),
        "LogConfig": {"Type": "local", "Config": dict(log)},  # the one that keeps bytes as they are
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no"},
    }  # fmt: skip
