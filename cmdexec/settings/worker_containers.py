"""The worker's settings for jobs in containers."""

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.shared import DAY, GIB, MIB

_HERE: frozenset[Side] = frozenset({"worker"})

CONTAINERS: tuple[Setting, ...] = (
    Setting(
        "ALLOW_CONTAINERS", Kind.BOOLEAN, True, "Jobs may run in containers, where a container engine is found.",
        _HERE, flag="--allow-containers",
    ),
    Setting(
        "DOCKER_HOST", Kind.TEXT, None,
        "Where the container engine listens, as unix:///PATH or tcp://HOST:PORT; looked for when unset: Docker's own "
        "context, then the usual sockets of Docker and Podman.",
        _HERE, maximum=500,
    ),
    Setting(
        "DOCKER_CONTEXT", Kind.TEXT, None,
        "Docker's context that names the engine; the one in use for Docker's own command when unset.", _HERE,
        maximum=200,
    ),
    Setting(
        "ALLOW_CONTAINER_NETWORK", Kind.BOOLEAN, False,
        "Jobs in containers may ask for the engine's default network; without it they have none.", _HERE,
    ),
    Setting(
        "CONTAINER_USER", Kind.TEXT, "65534:65534",
        "Who a job in a container is that names nobody, as UID or UID:GID; the group is as the user when "
        "it is not said. Neither is 0, which is root.",
        _HERE, maximum=21,
    ),
    Setting(
        "CONTAINER_CPU", Kind.NUMBER, None,
        "The cores that a container may use whose job names no part; all that the worker's jobs may use when unset.",
        _HERE, minimum=0.01, maximum=10_000,
    ),
    Setting(
        "CONTAINER_RAM_BYTES", Kind.SIZE, None,
        "The memory of such a container; all that the worker's jobs may use when unset.",
        _HERE, unit="bytes", minimum=6 * MIB, maximum=1024 * GIB,
    ),
    Setting(
        "CONTAINER_PIDS", Kind.INTEGER, 1024, "The most processes and threads of a container.", _HERE,
        minimum=2, maximum=4_194_304,
    ),
    Setting(
        "CONTAINER_FILES_BYTES", Kind.SIZE, 256 * MIB,
        "The room in each of the two folders a job in a container may write to, /tmp and its own; it is memory of the "
        "container.",
        _HERE, unit="bytes", minimum=65_536, maximum=1024 * GIB,
    ),
    Setting(
        "CONTAINER_LOG_BYTES", Kind.SIZE, 256 * MIB,
        "How much of a container's newest output the engine keeps at least, at most twice as much, on its own disk "
        "while the container lives: what was written while no worker ran is read from there.",
        _HERE, unit="bytes", minimum=65_536, maximum=1024 * GIB,
    ),
    Setting(
        "ENGINE_CALLS", Kind.INTEGER, 4, "How many calls of the engine are under way at once.", _HERE,
        minimum=1, maximum=256,
    ),
    Setting(
        "ENGINE_CALL_SEC", Kind.DURATION, 60.0, "How long the engine may take to answer a call.", _HERE,
        unit="s", minimum=1, maximum=3600,
    ),
    Setting(
        "ENGINE_PROBE_SEC", Kind.DURATION, 2.0, "How long it may take to say that it is there.", _HERE,
        unit="s", minimum=0.05, maximum=60,
    ),
    Setting(
        "ENGINE_LOOK_SEC", Kind.DURATION, 10.0, "How often it is looked whether there is an engine, or another one.",
        _HERE, unit="s", minimum=0.1, maximum=DAY,
    ),
    Setting(
        "ENGINE_WAIT_SEC", Kind.DURATION, 300.0,
        "How long jobs in containers wait for an engine that has vanished, before they count as lost with it.", _HERE,
        unit="s", minimum=0, maximum=30 * DAY,
    ),
    Setting(
        "ENGINE_AGAIN_SEC", Kind.DURATION, 0.5, "How often such a job asks whether it is back, or a container over.",
        _HERE, unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "ENGINE_FOLLOW_SEC", Kind.DURATION, 10.0,
        "How long a container may write nothing before it is asked whether it is over: its connection may be dead.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "PULL_SILENCE_SEC", Kind.DURATION, 120.0,
        "How long nothing may be heard of an image that is on its way, before it counts as not to be had.", _HERE,
        unit="s", minimum=1, maximum=DAY,
    ),
    Setting(
        "PULL_TIMEOUT_SEC", Kind.DURATION, 1800.0, "How long an image may take to arrive.", _HERE,
        unit="s", minimum=1, maximum=7 * DAY,
    ),
)  # fmt: skip
