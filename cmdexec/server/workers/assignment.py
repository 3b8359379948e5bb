"""What a worker is told of a job."""

from cmdexec.model.job import Job
from cmdexec.protocol.messages import Assignment, ContainerOrder


def assignment(job: Job) -> Assignment:
    """The newest attempt of `job`, for its worker."""
    spec = job.spec
    container = spec.container
    return Assignment(
        job_id=job.job_id,
        attempt=job.attempt,
        command=spec.command,
        env=spec.env,
        timeout_sec=spec.timeout_sec,
        kill_grace_sec=spec.kill_grace_sec,
        on_lost="requeue" if spec.on_lost == "requeue" else "hold",
        cpu=spec.cpu,
        ram_mb=spec.ram_mb,
        stdin=spec.stdin,
        name=spec.name,
        container=None if container is None else ContainerOrder(
            image=container.image, network=container.network, pull=container.pull, user=container.user,
        ),
    )  # fmt: skip
