"""The server's settings, as the server gets them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cmdexec.settings.declare import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What `load` gives the server: a field for each declaration of `server_declared`, in its unit."""

    side: ClassVar[Side] = "server"

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
    log_level: str
    log_format: str
    env: str
    host: str
    port: int
    ws_port: int | None
    behind_tls_proxy: bool
    trusted_proxies: int
    hsts_sec: float
    insecure_http: bool
    allowed_hosts: tuple[str, ...]
    jwt_secret: str | None = field(repr=False)
    allow_shared_worker_secret: bool
    allow_plain_store: bool
    admin_email: str
    admin_password: str | None = field(repr=False)
    token_ttl_sec: float
    session_cache_sec: float
    login_tries: int
    login_wait_max_sec: float
    join_token_keep_sec: float
    lease_sec: float
    lease_sweep_sec: float
    lost_timeout_sec: float
    server_drain_sec: float
    max_body_bytes: int
    max_bodies_bytes: int
    max_header_bytes: int
    max_batch_jobs: int
    max_queued_per_user: int
    max_classes_per_user: int
    upgrade_timeout_sec: float
    body_timeout_sec: float
    keepalive_sec: float
    max_connections: int
    stream_ping_sec: float
    rate_limit_window_ms: float
    rate_limit_max_jobs: int
    rate_limit_max_register: int | None
    rate_limit_max_heartbeat: int | None
    cors_origins: tuple[str, ...]
    cors_keep_sec: float
    prefetch_max: int
    dispatch_check_sec: float
    recall_after_sec: float
    stall_after_sec: float
    heartbeat_rate_max: float
    clone_replacements: int
    clone_window_sec: float
    clone_told_sec: float
    suspect_after_sec: float
    suspect_trial_sec: float
    suspect_trial_max_sec: float
    priority_age_sec: float
    job_cache_bytes: int
    due_sweep_sec: float
    forget_sweep_sec: float
    sweep_items: int
    submit_key_ttl_sec: float
    list_scan_jobs: int
    list_look_jobs: int
    list_scan_bytes: int
    list_newest_jobs: int
    sockets_per_user: int
    person_queue_bytes: int
    people_queue_bytes: int
    live_check_sec: float
    live_rows_sec: float
    live_workers_sec: float
    local_worker_retry_sec: float
    local_worker_stop_sec: float
    follow_keep_bytes: int
    follow_check_sec: float
    output_queue_bytes: int
    output_hashes: int
    max_output_bytes: int
    disk_reserve_bytes: int
    disk_retry_sec: float
    store_queue_items: int
    store_queue_bytes: int
    store_log_bytes: int
    store_idle_sec: float
    store_check_bytes: int
    store_busy_sec: float
    mongodb_uri: str | None = field(repr=False)
    mongodb_pool_size: int
    mongodb_select_sec: float
    mongodb_connect_sec: float
    mongodb_answer_sec: float
    mongodb_confirm_sec: float
    redis_url: str | None = field(repr=False)
    redis_answer_sec: float
    redis_retry_sec: float
    redis_queue_bytes: int
    fleet_check_sec: float
    seen_save_sec: float

    @property
    def production(self) -> bool:
        """Whether conveniences that weaken security are off."""
        return self.env == "production"
