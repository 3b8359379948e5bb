"""The worker's settings."""

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cmdexec.settings.declare import Kind, Relation, Setting, Side
from cmdexec.settings.shared import DAY, GIB, KIB, MIB, shared
from cmdexec.settings.worker_blackbox import BLACK_BOX
from cmdexec.settings.worker_containers import CONTAINERS
from cmdexec.settings.worker_window import WINDOW

_HERE: frozenset[Side] = frozenset({"worker"})


def default_slots(_side: Side) -> int:
    """Twice the cores, at least four: most jobs wait for something."""
    return max(4, 2 * (os.cpu_count() or 1))


def default_name(_side: Side) -> str:
    """The machine's name."""
    return platform.node()[:100] or "worker"


WORKER: tuple[Setting, ...] = (
    *shared("worker"),
    # Who it is
    Setting(
        "WORKER_ID", Kind.TEXT, None, "The id of this worker; made at the first start and kept when unset.",
        _HERE, minimum=1, maximum=100,
    ),
    Setting(
        "WORKER_NAME", Kind.TEXT, default_name, "The name that people see.", _HERE,
        flag="--name", minimum=1, maximum=100,
    ),
    Setting(
        "WORKER_CREDENTIAL_FILE", Kind.PATH, None, "The file that holds this worker's own credential.", _HERE,
    ),
    Setting(
        "JOIN_TOKEN", Kind.TEXT, None,
        "The token with which this worker joins a server, at its first start alone: it gets a credential of its own.",
        _HERE, secret=True, minimum=32, maximum=200,
        mend="Give the whole token, as `cmdexec join-token create` printed it, or name a file in JOIN_TOKEN_FILE.",
    ),
    Setting(
        "LABELS", Kind.LIST, (),
        "What jobs may require of this worker, as KEY=VALUE, beside its own `os`, `arch` and `hostname`.", _HERE,
        maximum=90,
    ),
    Setting(
        "WORKER_TOKEN_TTL_SEC", Kind.DURATION, DAY,
        "How long the tokens are good that the worker signs with WORKER_TOKEN_SECRET; servers accept a day at most.",
        _HERE, unit="s", minimum=60, maximum=DAY,
    ),
    Setting(
        "WORKER_TOKEN_SKEW_SEC", Kind.DURATION, 60.0,
        "How long ago these say that they were signed: a server refuses what its own clock has yet to come to.",
        _HERE, unit="s", minimum=0, maximum=DAY, relation=Relation("WORKER_TOKEN_TTL_SEC"),
    ),
    # What it runs
    Setting(
        "SLOTS", Kind.INTEGER, default_slots, "How many jobs run at once.", _HERE,
        minimum=1, maximum=10_000, flag="--slots",
    ),
    Setting(
        "ALLOW_HOST", Kind.BOOLEAN, False, "Jobs may run as processes of this machine, as the user the worker runs as.",
        _HERE, flag="--allow-host",
    ),
    Setting(
        "CPU_LIMIT", Kind.NUMBER, None, "The cores that all jobs together may use; all of the machine's when unset.",
        _HERE, minimum=0.01, maximum=10_000, flag="--cpu-limit",
    ),
    Setting(
        "RAM_LIMIT", Kind.INTEGER, None,
        "The memory that all jobs together may use, in MB of 2^20 bytes, or as 2GB; all the machine has when unset.",
        _HERE, unit="MB", minimum=1, maximum=2**31 - 1, flag="--ram-limit",
    ),
    Setting(
        "LIMITS", Kind.TEXT, "auto",
        "What holds jobs to their part: cgroups alone, watching (not enforced), or the better that works here.",
        _HERE, choices=("auto", "cgroup", "watched"), flag="--limits",
    ),
    Setting(
        "LIMITS_LOOK_MS", Kind.DURATION, 250.0,
        "How often it is looked how much memory jobs use that are watched, and with cgroups of version 1, whether the "
        "kernel killed a process of a job, of which the rest is ended then.",
        _HERE, unit="ms", minimum=10, maximum=60_000,
    ),
    Setting(
        "FIT_PATIENCE_SEC", Kind.DURATION, 30.0,
        "How long others with a part may go before a job whose part does not fit yet; then they wait for it, and so on "
        "by turns, each twice as long as the last.",
        _HERE, unit="s", minimum=0, maximum=DAY,
    ),
    Setting(
        "WORK_DIR", Kind.PATH, None, "The folder of the jobs' own folders; a tmpfs of this user with room when unset.",
        _HERE, flag="--work-dir",
    ),
    Setting(
        "JOB_PATH", Kind.TEXT, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "The PATH that a job sees; it inherits nothing else of the worker's environment.", _HERE,
        minimum=1, maximum=32 * KIB,
    ),
    Setting(
        "START_AHEAD_MAX", Kind.INTEGER, 96, "The most short jobs that may be started before a slot is free.",
        _HERE, minimum=0, maximum=10_000,
    ),
    Setting(
        "START_AHEAD_PATIENCE_MS", Kind.DURATION, 100.0,
        "Jobs started before a slot is free are given back when none comes free for so long.", _HERE,
        unit="ms", minimum=1, maximum=60_000,
    ),
    Setting(
        "START_PAUSE_SEC", Kind.DURATION, 5.0,
        "How long no job is started after this machine had no room for another process.", _HERE,
        unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "HEARTBEAT_STRETCH", Kind.NUMBER, 10.0,
        "So many times as long as a heartbeat's answer takes lies between two of them at least, but never more than a "
        "third of the lease: over a slow link they come less often.",
        _HERE, minimum=0, maximum=1000,
    ),
    Setting(
        "KNOWN_ATTEMPTS_MAX", Kind.INTEGER, 10_000,
        "How many attempts that are over are kept in mind, so that none is started again by an order that comes late.",
        _HERE, minimum=0, maximum=10_000_000,
    ),
    Setting(
        "MAX_JOBS", Kind.INTEGER, None, "The worker ends by itself after this many jobs; never when unset.",
        _HERE, minimum=1, maximum=1_000_000_000, flag="--max-jobs",
    ),
    Setting(
        "IDLE_TIMEOUT_SEC", Kind.DURATION, None,
        "The worker ends by itself when idle for so long, as a failure if its server was away; never when unset.",
        _HERE, unit="s", minimum=0.1, maximum=30 * DAY, flag="--idle-timeout",
    ),
    Setting(
        "DRAIN_SEC", Kind.DURATION, 2.0, "How long a background child of an ended job may hold its output open.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    Setting(
        "KILL_GRACE_SEC", Kind.DURATION, 10.0, "How long a job that is told to end has before it is killed.",
        _HERE, unit="s", minimum=0, maximum=DAY,
    ),
    Setting(
        "KILL_DEADLINE_SEC", Kind.DURATION, 10.0, "How long a killed job may take to vanish before its end names it.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "WARDEN_START_SEC", Kind.DURATION, 10.0,
        "How long the process that starts and ends jobs may take to be ready.", _HERE,
        unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "WARDEN_SWEEP_SEC", Kind.DURATION, 2.0,
        "How long of that it may end what earlier ones left, where both were killed at once.", _HERE,
        unit="s", minimum=0, maximum=3600, relation=Relation("WARDEN_START_SEC"),
    ),
    Setting(
        "WARDEN_END_SEC", Kind.DURATION, 2.0,
        "How much longer than its last jobs that process may take to end before it is killed.", _HERE,
        unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "WARDEN_HOLD_MS", Kind.DURATION, 2.0,
        "How long the news that a job was started may wait for the news of its end, which then comes along.", _HERE,
        unit="ms", minimum=0, maximum=1000,
    ),
    Setting(
        "WARDEN_LOOK_MS", Kind.DURATION, 500.0,
        "How often the processes of jobs that run side by side are noted, so that one that hides later is known.",
        _HERE, unit="ms", minimum=1, maximum=3_600_000,
    ),
    *CONTAINERS,
    # The connection
    Setting(
        "RECONNECT_MIN_SEC", Kind.DURATION, 0.25, "The range of the first wait before connecting again.",
        _HERE, unit="s", minimum=0.01, maximum=3600, relation=Relation("RECONNECT_MAX_SEC"),
    ),
    Setting(
        "RECONNECT_MAX_SEC", Kind.DURATION, 15.0, "The largest range of that wait; each wait is a random part of it.",
        _HERE, unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "REFUSED_MAX_SEC", Kind.DURATION, 300.0,
        "The longest wait before a server that refuses this worker is asked again, such as one that does not know its "
        "credential; the waits grow to that from RECONNECT_MAX_SEC on.",
        _HERE, unit="s", minimum=0.01, maximum=DAY,
    ),
    Setting(
        "SOCKET_RETRY_SEC", Kind.DURATION, 60.0,
        "How often a worker that polls over HTTP, since its WebSocket is blocked, tries whether that opens again.",
        _HERE, unit="s", minimum=0.1, maximum=DAY,
    ),
    Setting(
        "POLL_WAIT_SEC", Kind.DURATION, 30.0,
        "How long the server may wait before it answers a poll for jobs; less than what proxies bear.", _HERE,
        unit="s", minimum=0.1, maximum=60,
    ),
    Setting(
        "CALL_TIMEOUT_SEC", Kind.DURATION, 30.0,
        "How long an HTTP call of a worker that polls may take, beyond what the server waits on purpose.", _HERE,
        unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "CALL_TRIES", Kind.INTEGER, 4, "How often such a call is made before its connection counts as broken.", _HERE,
        minimum=1, maximum=1000,
    ),
    Setting(
        "HAND_OVER_SEC", Kind.DURATION, 2.0,
        "How long a call that is under way may take to end when a worker that polled goes back to its WebSocket.",
        _HERE, unit="s", minimum=0, maximum=60,
    ),
    Setting(
        "AGAIN_SEC", Kind.DURATION, 1.0, "How long before what the server could not take now is said again.",
        _HERE, unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "LEASE_MARGIN_SEC", Kind.DURATION, 10.0,
        "How long before its lease is over a silent worker ends its `requeue` jobs; at most a quarter of the lease.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    Setting(
        "LEASE_LOOK_SEC", Kind.DURATION, 1.0,
        "How often that moment is looked for: so soon after it wakes a machine that was suspended notices it.", _HERE,
        unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "HAND_BACK_SEC", Kind.DURATION, 10.0,
        "How long a worker told twice to end waits until the server knows all, and any worker that ends until the "
        "server has heard that it takes no more jobs; its spool keeps the rest.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    Setting(
        "DELIVER_SEC", Kind.DURATION, 600.0,
        "How long a worker that ends by itself, or was told to once, waits for a server that is away and does not know "
        "all yet; its spool keeps the rest.",
        _HERE, unit="s", minimum=0, maximum=30 * DAY,
    ),
    Setting(
        "FOLDER_WAIT_SEC", Kind.DURATION, 20.0,
        "How long to wait at the start until the jobs of an earlier process in the same folder are gone.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    Setting(
        "FOLDER_LOOK_MS", Kind.DURATION, 50.0, "How often it is looked whether they are.", _HERE,
        unit="ms", minimum=1, maximum=60_000,
    ),
    # Output and the spool
    Setting(
        "SPOOL_MAX_BYTES", Kind.SIZE, GIB, "The most that the spool keeps on disk; jobs are paused while it is full.",
        _HERE, unit="bytes", minimum=MIB, maximum=1024 * GIB,
    ),
    Setting(
        "OUTPUT_CAP_BYTES", Kind.SIZE, GIB, "The most output that is kept of one job: its head and its tail.",
        _HERE, unit="bytes", minimum=0, maximum=1024 * GIB,
    ),
    Setting(
        "OUTPUT_TAIL_BYTES", Kind.SIZE, MIB, "How much of the cap is kept for the end of the output.",
        _HERE, unit="bytes", minimum=0, maximum=GIB, relation=Relation("OUTPUT_CAP_BYTES"),
    ),
    Setting(
        "OUTPUT_WINDOW_BYTES", Kind.SIZE, 4 * MIB, "The most output that is under way and not yet acknowledged.",
        _HERE, unit="bytes", minimum=64 * KIB, maximum=GIB,
    ),
    Setting(
        "OUTPUT_DELAY_SEC", Kind.DURATION, 1.0,
        "How long output may be under way; less of it is sent at once on a line that carries it more slowly.", _HERE,
        unit="s", minimum=0.01, maximum=60,
    ),
    Setting(
        "OUTPUT_HOLD_MS", Kind.DURATION, 20.0,
        "The longest that a job's first output waits for the end of the job, to ride in its result.", _HERE,
        unit="ms", minimum=0, maximum=10_000,
    ),
    Setting(
        "SPOOL_READ_SEC", Kind.DURATION, 300.0,
        "For how long output that cannot be read from the spool is tried again before it counts as lost.", _HERE,
        unit="s", minimum=0, maximum=30 * DAY,
    ),
    Setting(
        "SPOOL_WRITE_SEC", Kind.DURATION, 0.25, "How long output that the server has not taken stays off the disk.",
        _HERE, unit="s", minimum=0.01, maximum=60,
    ),
    # What it records of itself
    *BLACK_BOX,
    # At a desktop
    *WINDOW,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What `load` gives the worker: a field for each declaration above, in its unit."""

    side: ClassVar[Side] = "worker"

    server_url: str | None
    data_dir: Path
    worker_token_secret: str | None = field(repr=False)
    heartbeat_sec: float
    max_frame_bytes: int
    flush_ms: float
    flush_items: int
    socket_queue_items: int
    socket_queue_bytes: int
    socket_send_timeout_sec: float
    socket_ping_sec: float
    connect_timeout_sec: float
    log_level: str
    log_format: str
    env: str
    worker_id: str | None
    worker_name: str
    worker_credential_file: Path | None
    join_token: str | None = field(repr=False)
    labels: tuple[str, ...]
    worker_token_ttl_sec: float
    worker_token_skew_sec: float
    slots: int
    allow_host: bool
    cpu_limit: float | None
    ram_limit: int | None
    limits: str
    limits_look_ms: float
    fit_patience_sec: float
    work_dir: Path | None
    job_path: str
    start_ahead_max: int
    start_ahead_patience_ms: float
    start_pause_sec: float
    heartbeat_stretch: float
    known_attempts_max: int
    max_jobs: int | None
    idle_timeout_sec: float | None
    drain_sec: float
    kill_grace_sec: float
    kill_deadline_sec: float
    warden_start_sec: float
    warden_sweep_sec: float
    warden_end_sec: float
    warden_hold_ms: float
    warden_look_ms: float
    allow_containers: bool
    docker_host: str | None
    docker_context: str | None
    allow_container_network: bool
    container_user: str
    container_cpu: float | None
    container_ram_bytes: int | None
    container_pids: int
    container_files_bytes: int
    container_log_bytes: int
    engine_calls: int
    engine_call_sec: float
    engine_probe_sec: float
    engine_look_sec: float
    engine_wait_sec: float
    engine_again_sec: float
    engine_follow_sec: float
    pull_silence_sec: float
    pull_timeout_sec: float
    reconnect_min_sec: float
    reconnect_max_sec: float
    refused_max_sec: float
    socket_retry_sec: float
    poll_wait_sec: float
    call_timeout_sec: float
    call_tries: int
    hand_over_sec: float
    again_sec: float
    lease_margin_sec: float
    lease_look_sec: float
    hand_back_sec: float
    deliver_sec: float
    folder_wait_sec: float
    folder_look_ms: float
    spool_max_bytes: int
    output_cap_bytes: int
    output_tail_bytes: int
    output_window_bytes: int
    output_delay_sec: float
    output_hold_ms: float
    spool_read_sec: float
    spool_write_sec: float
    black_box_sec: float
    black_box_records: int
    absence_sec: float
    auto_start: bool
    window_start_sec: float
    window_look_ms: float
    window_stats_sec: float
    window_output_bytes: int
    window_activity_items: int
