"""The server's settings, declared."""

from cmdexec.settings.declare import Kind, Relation, Setting, Side
from cmdexec.settings.server_fleet import FLEET
from cmdexec.settings.server_limits import LIMITS
from cmdexec.settings.shared import DAY, GIB, KIB, MIB, SECRET_MIN_BYTES, shared

_HERE: frozenset[Side] = frozenset({"server"})

ADMIN_EMAIL = "admin@localhost"
"""The first admin where nobody says otherwise."""

SERVER: tuple[Setting, ...] = (
    *shared("server"),
    # Where it listens and to whom
    Setting(
        "CMDEXEC_HOST", Kind.TEXT, "127.0.0.1", "The address to listen on.",
        _HERE, minimum=1, maximum=255, flag="--host",
        empty="Write 0.0.0.0 or :: for every address of this machine, or leave out --host for this machine alone.",
    ),
    Setting(
        "PORT", Kind.INTEGER, 3000, "The port to listen on; 0 lets the system choose one.",
        _HERE, minimum=0, maximum=65535, flag="--port",
    ),
    Setting(
        "WS_PORT", Kind.INTEGER, None,
        "A second port, on which workers' sockets are at / as they are at /ws of PORT; 0 lets the system choose one.",
        _HERE, minimum=0, maximum=65535,
    ),
    Setting(
        "BEHIND_TLS_PROXY", Kind.BOOLEAN, False, "A proxy in front of this server ends TLS: other hosts may connect.",
        _HERE, flag="--behind-tls-proxy",
    ),
    Setting(
        "TRUSTED_PROXIES", Kind.INTEGER, 1,
        "How many proxies a request goes through where one ends TLS. Each must add whom it was asked by to"
        " X-Forwarded-For; failed logins are counted by the place that is so named. Where none is, they are counted by"
        " no place, and new workers (RATE_LIMIT_MAX_REGISTER) all together. Only the proxies may reach the port: who"
        " reaches it past them names whatever place he likes.",
        _HERE, minimum=1, maximum=10,
    ),
    Setting(
        "HSTS_SEC", Kind.DURATION, 30 * 86400.0,
        "How long a browser that got a page where BEHIND_TLS_PROXY is set asks that host over TLS alone, at whatever"
        " port; 0: it is not told to.",
        _HERE, unit="s", minimum=0, maximum=730 * 86400,
    ),
    Setting(
        "INSECURE_HTTP", Kind.BOOLEAN, False, "Other hosts may connect without TLS: passwords and tokens go in clear.",
        _HERE, flag="--insecure-http",
    ),
    Setting(
        "ALLOWED_HOSTS", Kind.LIST, (), "The host names, besides the own addresses, that requests may be addressed to.",
        _HERE, maximum=100,
    ),
    # Who may do what
    Setting(
        "JWT_SECRET", Kind.TEXT, None, "The key that signs login tokens; made at the first start when unset.",
        _HERE, secret=True, minimum=SECRET_MIN_BYTES, maximum=4 * KIB,
    ),
    Setting(
        "ALLOW_SHARED_WORKER_SECRET", Kind.BOOLEAN, False,
        "Lets workers sign their own tokens with WORKER_TOKEN_SECRET in production too.", _HERE,
    ),
    Setting(
        "ALLOW_PLAIN_STORE", Kind.BOOLEAN, False,
        "Lets MongoDB and Redis on other machines be used without TLS in production too, as over a network of their"
        " own.", _HERE,
    ),
    Setting(
        "CMDEXEC_ADMIN_EMAIL", Kind.TEXT, ADMIN_EMAIL, "The first admin, made when there is no user yet.",
        _HERE, minimum=3, maximum=254,
    ),
    Setting(
        "CMDEXEC_ADMIN_PASSWORD", Kind.TEXT, None,
        "The first admin's password; made and printed once when unset. Later it counts only where the file first_admin "
        "in the data folder was deleted while the server was stopped: then that admin gets it.",
        _HERE, secret=True, minimum=12, maximum=1024,
    ),
    Setting(
        "TOKEN_TTL_SEC", Kind.DURATION, DAY, "How long a login token is good.",
        _HERE, unit="s", minimum=1, maximum=DAY,
    ),
    Setting(
        "SESSION_CACHE_SEC", Kind.DURATION, 5.0, "How long a revoked token may still be taken for good.",
        _HERE, unit="s", minimum=0, maximum=5, relation=Relation("TOKEN_TTL_SEC"),
    ),
    Setting(
        "LOGIN_TRIES", Kind.INTEGER, 5,
        "How often a login may fail in a row before each further try has to wait; of one place, and of workers that"
        " join from there, four times as often.",
        _HERE, minimum=1, maximum=1000,
    ),
    Setting(
        "LOGIN_WAIT_MAX_SEC", Kind.DURATION, 300.0, "The longest that a login has to wait; from 1 s on it doubles.",
        _HERE, unit="s", minimum=0, maximum=DAY,
    ),
    Setting(
        "JOIN_TOKEN_KEEP_SEC", Kind.DURATION, 30 * DAY, "How long a join token that has expired is still listed.",
        _HERE, unit="s", minimum=0, maximum=3650 * DAY,
    ),
    # Leases
    Setting(
        "LEASE_SEC", Kind.DURATION, 60.0,
        "How long a worker may be silent before its jobs count as unknown. Where it is made shorter, the longer leases"
        " that were granted before count until they are over.",
        _HERE, unit="s", minimum=0.3, maximum=DAY, relation=Relation("LOST_TIMEOUT_SEC"),
    ),
    Setting(
        "LEASE_SWEEP_SEC", Kind.DURATION, 1.0, "How often leases are judged.",
        _HERE, unit="s", minimum=0.01, maximum=600, relation=Relation("LEASE_SEC"),
    ),
    Setting(
        "LOST_TIMEOUT_SEC", Kind.DURATION, DAY, "How long a job may be unknown before it counts as lost.",
        _HERE, unit="s", minimum=0.1, maximum=365 * DAY,
    ),
    Setting(
        "SERVER_DRAIN_SEC", Kind.DURATION, 15.0, "How long requests and workers may take to end after SIGTERM.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    # Bounds on requests
    Setting(
        "MAX_BODY_BYTES", Kind.SIZE, 8 * MIB, "The largest request body.", _HERE,
        unit="bytes", minimum=KIB, maximum=GIB, relation=Relation("MAX_BODIES_BYTES"),
    ),
    Setting(
        "MAX_BODIES_BYTES", Kind.SIZE, 64 * MIB,
        "How many bytes of all request bodies together are read at once; beyond 16 KiB, a body that finds no room is"
        " refused with 503.", _HERE, unit="bytes", minimum=KIB, maximum=16 * GIB,
    ),
    Setting(
        "MAX_HEADER_BYTES", Kind.SIZE, 16 * KIB, "The largest header line of a request.",
        _HERE, unit="bytes", minimum=KIB, maximum=MIB,
    ),
    Setting(
        "MAX_BATCH_JOBS", Kind.INTEGER, 1000, "The most jobs in one submission.", _HERE, minimum=1, maximum=1000,
    ),
    Setting(
        "MAX_QUEUED_PER_USER", Kind.INTEGER, 100_000, "The most jobs of one user that may wait.",
        _HERE, minimum=1, maximum=100_000_000,
    ),
    Setting(
        "MAX_CLASSES_PER_USER", Kind.INTEGER, 10_000,
        "The most kinds of jobs, by what they need, that one user's waiting jobs may be of; each server counts those"
        " that were submitted to it.",
        _HERE, minimum=1, maximum=100_000_000,
    ),
    Setting(
        "UPGRADE_TIMEOUT_SEC", Kind.DURATION, 10.0, "How long a client may take to send a request's headers.",
        _HERE, unit="s", minimum=0.1, maximum=300,
    ),
    Setting(
        "BODY_TIMEOUT_SEC", Kind.DURATION, 30.0, "How long a request's body may stall.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "KEEPALIVE_SEC", Kind.DURATION, 15.0, "How long a connection without a request stays open.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    Setting(
        "MAX_CONNECTIONS", Kind.INTEGER, 10_000,
        "The most connections that may be open at once; at that, an idle one gives way to a new one.",
        _HERE, minimum=10, maximum=10_000_000,
    ),
    Setting(
        "STREAM_PING_SEC", Kind.DURATION, 15.0, "How often a silent stream of events says that it is alive.",
        _HERE, unit="s", minimum=0.05, maximum=3600,
    ),
    # How often, and from where
    *LIMITS,
    # Dispatch
    Setting(
        "PREFETCH_MAX", Kind.INTEGER, 256, "The most jobs that a worker is given beyond its slots.",
        _HERE, minimum=0, maximum=10_000,
    ),
    Setting(
        "DISPATCH_CHECK_SEC", Kind.DURATION, 5.0, "How often work is looked for when nothing announced any.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "RECALL_AFTER_SEC", Kind.DURATION, 0.25,
        "How long a job waits with its worker before another one with a free slot may have it.",
        _HERE, unit="s", minimum=0, maximum=600,
    ),
    Setting(
        "STALL_AFTER_SEC", Kind.DURATION, 1.0,
        "How long a worker may leave a job unstarted for which it has a slot, before another one may have it; besides,"
        " twice what its answers take.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    *FLEET,
    Setting(
        "PRIORITY_AGE_SEC", Kind.DURATION, 60.0, "A job goes before those this much older for each step of priority.",
        _HERE, unit="s", minimum=0, maximum=DAY,
    ),
    Setting(
        "JOB_CACHE_BYTES", Kind.SIZE, 8 * MIB, "How much of the jobs that workers hold is kept in memory as well.",
        _HERE, unit="bytes", minimum=0, maximum=GIB,
    ),
    # What the clock brings
    Setting(
        "DUE_SWEEP_SEC", Kind.DURATION, 0.5, "How often jobs are looked for whose time has come.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "FORGET_SWEEP_SEC", Kind.DURATION, 600.0, "How often what is kept only for a while is looked through.",
        _HERE, unit="s", minimum=0.05, maximum=DAY,
    ),
    Setting(
        "SWEEP_ITEMS", Kind.INTEGER, 500, "The most that one sweep takes up at once.",
        _HERE, minimum=1, maximum=10_000,
    ),
    Setting(
        "SUBMIT_KEY_TTL_SEC", Kind.DURATION, 3 * DAY, "How long the same Idempotency-Key gives the same job.",
        _HERE, unit="s", minimum=1, maximum=365 * DAY,
    ),
    # Lists and live events
    Setting(
        "LIST_SCAN_JOBS", Kind.INTEGER, 5000,
        "The most jobs that are looked at for one page of a list; then it is given as it is.",
        _HERE, minimum=1, maximum=1_000_000,
    ),
    Setting(
        "LIST_LOOK_JOBS", Kind.INTEGER, 50_000,
        "As long as a page of a list would be empty more jobs are looked at, LIST_SCAN_JOBS at a time, about so many"
        " in all.",
        _HERE, minimum=1, maximum=10_000_000,
    ),
    Setting(
        "LIST_SCAN_BYTES", Kind.SIZE, 32 * MIB,
        "How much of what is stored of jobs is read for one page of a list; then it is given as it is.",
        _HERE, unit="bytes", minimum=KIB, maximum=GIB,
    ),
    Setting(
        "LIST_NEWEST_JOBS", Kind.INTEGER, 10_000,
        "How many of the newest jobs are found by any part of their name, id or tags; older ones by the beginning.",
        _HERE, minimum=0, maximum=1_000_000,
    ),
    Setting(
        "SOCKETS_PER_USER", Kind.INTEGER, 100, "The most sockets of one user that may be open at once.",
        _HERE, minimum=1, maximum=1_000_000,
    ),
    Setting(
        "PERSON_QUEUE_BYTES", Kind.SIZE, MIB,
        "How much may wait to be sent at one socket of a person; whoever reads too slowly for that is cut off.",
        _HERE, unit="bytes", minimum=64 * KIB, maximum=GIB,
    ),
    Setting(
        "PEOPLE_QUEUE_BYTES", Kind.SIZE, 64 * MIB,
        "How much may wait to be sent at all sockets of people together; beyond, the slowest is cut off.",
        _HERE, unit="bytes", minimum=MIB, maximum=16 * GIB,
    ),
    Setting(
        "LIVE_CHECK_SEC", Kind.DURATION, 5.0, "How often what is watched is looked at when nothing is announced.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "LIVE_ROWS_SEC", Kind.DURATION, 0.1, "How often at most a watched list of jobs is told what changed.",
        _HERE, unit="s", minimum=0, maximum=60,
    ),
    Setting(
        "LIVE_WORKERS_SEC", Kind.DURATION, 1.0, "How often watched workers are looked at.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    # The worker that the server starts itself
    Setting(
        "LOCAL_WORKER_RETRY_SEC", Kind.DURATION, 1.0,
        "How long the server waits before it starts its own worker again; doubled each time that this fails at once.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "LOCAL_WORKER_STOP_SEC", Kind.DURATION, 5.0,
        "How long the server's own worker may take to hand its jobs back when the server has drained.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    # Output and the store
    Setting(
        "FOLLOW_KEEP_BYTES", Kind.SIZE, MIB, "How much of a followed job's newest output is kept in memory.",
        _HERE, unit="bytes", minimum=0, maximum=GIB, relation=Relation("MAX_OUTPUT_BYTES"),
    ),
    Setting(
        "FOLLOW_CHECK_SEC", Kind.DURATION, 5.0, "How often a followed job is looked at when nothing is announced.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "OUTPUT_QUEUE_BYTES", Kind.SIZE, 16 * MIB, "The most output of all workers that waits for the store.",
        _HERE, unit="bytes", minimum=MIB, maximum=GIB,
    ),
    Setting(
        "OUTPUT_HASHES", Kind.INTEGER, 10_000, "The most running attempts whose output is hashed as it comes.",
        _HERE, minimum=0, maximum=1_000_000,
    ),
    Setting(
        "MAX_OUTPUT_BYTES", Kind.SIZE, GIB, "The most output that is stored for one job.",
        _HERE, unit="bytes", minimum=0, maximum=1024 * GIB,
    ),
    Setting(
        "DISK_RESERVE_BYTES", Kind.SIZE, 256 * MIB, "Submissions are refused while the disk has less room than this.",
        _HERE, unit="bytes", minimum=0, maximum=1024 * GIB,
    ),
    Setting(
        "DISK_RETRY_SEC", Kind.DURATION, 2.0, "How soon is tried again what found no room on the disk.",
        _HERE, unit="s", minimum=0.01, maximum=600,
    ),
    Setting(
        "STORE_QUEUE_ITEMS", Kind.INTEGER, 10_000, "The most calls that wait for the store before it answers 503.",
        _HERE, minimum=16, maximum=10_000_000,
    ),
    Setting(
        "STORE_QUEUE_BYTES", Kind.SIZE, 32 * MIB, "The most bytes that wait for the store before it answers 503.",
        _HERE, unit="bytes", minimum=MIB, maximum=GIB,
    ),
    Setting(
        "STORE_LOG_BYTES", Kind.SIZE, 8 * MIB, "How long the store's log may grow before it is moved into its file.",
        _HERE, unit="bytes", minimum=256 * KIB, maximum=GIB,
    ),
    Setting(
        "STORE_IDLE_SEC", Kind.DURATION, 5.0, "How long nothing is stored before its log is moved into its file.",
        _HERE, unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "STORE_CHECK_BYTES", Kind.SIZE, 64 * MIB,
        "Up to this size the store's file is looked through from end to end at the start.",
        _HERE, unit="bytes", minimum=0, maximum=1024 * GIB,
    ),
    Setting(
        "STORE_BUSY_SEC", Kind.DURATION, 5.0, "How long the store waits for another program that holds its file.",
        _HERE, unit="s", minimum=0, maximum=60,
    ),
    Setting(
        "MONGODB_URI", Kind.TEXT, None,
        "The MongoDB that keeps jobs, output, workers and users, for several servers to share; the database is cmdexec "
        "where the address names none. Unset: SQLite under DATA_DIR.",
        _HERE, secret=True, minimum=10, maximum=4 * KIB,
        mend="Write it as mongodb://USER:PASSWORD@HOST:27017/DATABASE?replicaSet=NAME.",
    ),
    Setting(
        "MONGODB_POOL_SIZE", Kind.INTEGER, 10,
        "The most connections to each member of MongoDB; no more than five for each core of this machine are used.",
        _HERE, minimum=1, maximum=10_000,
    ),
    Setting(
        "MONGODB_SELECT_SEC", Kind.DURATION, 15.0,
        "How long a primary of MongoDB, and a free connection to it, is waited for: longer than an election takes.",
        _HERE, unit="s", minimum=1, maximum=300,
    ),
    Setting(
        "MONGODB_CONNECT_SEC", Kind.DURATION, 5.0, "How long a connection to MongoDB may take to be made.",
        _HERE, unit="s", minimum=0.1, maximum=300,
    ),
    Setting(
        "MONGODB_ANSWER_SEC", Kind.DURATION, 30.0, "How long MongoDB may take to answer a command.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "MONGODB_CONFIRM_SEC", Kind.DURATION, 10.0,
        "How long a majority of the members of MongoDB may take to hold a write.",
        _HERE, unit="s", minimum=0.1, maximum=3600, relation=Relation("MONGODB_ANSWER_SEC"),
    ),
    # Several servers
    Setting(
        "REDIS_URL", Kind.TEXT, None,
        "The Redis over which several servers tell each other at once what happens, and count calls together; it holds "
        "no job. Unset: they see it when they look.",
        _HERE, secret=True, minimum=8, maximum=4 * KIB,
        mend="Write it as rediss://:PASSWORD@HOST:6379/0, or with redis:// where no TLS is wanted.",
    ),
    Setting(
        "REDIS_ANSWER_SEC", Kind.DURATION, 0.5, "How long Redis may take to connect or to answer.",
        _HERE, unit="s", minimum=0.05, maximum=60,
    ),
    Setting(
        "REDIS_RETRY_SEC", Kind.DURATION, 2.0, "How long to wait at most before a Redis that is away is tried again.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "REDIS_QUEUE_BYTES", Kind.SIZE, 8 * MIB, "The most hints for other servers that wait; the oldest are dropped.",
        _HERE, unit="bytes", minimum=64 * KIB, maximum=GIB,
    ),
    Setting(
        "FLEET_CHECK_SEC", Kind.DURATION, 5.0,
        "How often servers that share a store look at its workers, for what none of the others has told.",
        _HERE, unit="s", minimum=0.05, maximum=600,
    ),
    Setting(
        "SEEN_SAVE_SEC", Kind.DURATION, 60.0, "How often the times at which workers were heard of are stored.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
)  # fmt: skip
