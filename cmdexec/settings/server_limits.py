"""The server's settings of how often something may be done, and by whose pages."""

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.shared import DAY

_HERE: frozenset[Side] = frozenset({"server"})
_MOST = 1_000_000_000

LIMITS: tuple[Setting, ...] = (
    Setting(
        "RATE_LIMIT_WINDOW_MS", Kind.DURATION, 60_000.0,
        "The window of the other RATE_LIMIT settings: it begins with the first call that is counted in it.",
        _HERE, unit="ms", minimum=100, maximum=DAY * 1000,
    ),
    Setting(
        "RATE_LIMIT_MAX_JOBS", Kind.INTEGER, 600,
        "How often a user may submit in each window; a list of jobs counts once. A rerun counts too, and so do what is"
        " refused as wrong and what is sent again with the same Idempotency-Key.",
        _HERE, minimum=1, maximum=_MOST,
    ),
    Setting(
        "RATE_LIMIT_MAX_REGISTER", Kind.INTEGER, None,
        "How many workers that nobody knows yet may come from one address in each window; one that comes again never"
        " counts. Behind proxies the address is what they say (TRUSTED_PROXIES); those of whom they say nothing count"
        " together. Unset: as many as like to.",
        _HERE, minimum=1, maximum=_MOST,
    ),
    Setting(
        "RATE_LIMIT_MAX_HEARTBEAT", Kind.INTEGER, None,
        "How many heartbeats of one worker over HTTP are taken in each window; beyond, its lease is renewed and it"
        " is answered all the same, but its statistics are dropped and the status is 429. Unset: all. Heartbeats over a"
        " socket never count, nor do those that ask to start a job or give one back.",
        _HERE, minimum=1, maximum=_MOST,
    ),
    Setting(
        "CORS_ORIGINS", Kind.LIST, (),
        "The origins, besides the server's own, whose pages may call the API, such as https://ci.example.com: with a"
        " token, never with a browser's cookie.",
        _HERE, maximum=100,
    ),
    Setting(
        "CORS_KEEP_SEC", Kind.DURATION, 600.0, "How long a browser may keep what such a page is allowed to send.",
        _HERE, unit="s", minimum=0, maximum=DAY,
    ),
)  # fmt: skip
