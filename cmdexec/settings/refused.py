"""Settings that deployments of cmdexec know and this version does not provide: refused by name, never ignored."""

from collections.abc import Iterable

from cmdexec.settings.declare import Fault, Side

_DATABASE = "Jobs are kept in SQLite under DATA_DIR; MongoDB is not provided yet."
_SIGN_IN = "Signing in through an OpenID provider is not provided yet; users have passwords."
_RATES = "Rate limits are not provided yet; MAX_QUEUED_PER_USER bounds the jobs of a user."
_LIMITS = "Limits on what a worker's jobs use are not provided yet; SLOTS bounds how many run at once."

_SERVER = {
    "MONGODB_URI": _DATABASE,
    "MONGODB_POOL_SIZE": _DATABASE,
    "REDIS_URL": "Redis is not provided yet; one server needs none.",
    "OIDC_PROVIDER_URL": _SIGN_IN,
    "OIDC_CLIENT_ID": _SIGN_IN,
    "OIDC_CLIENT_SECRET": _SIGN_IN,
    "RATE_LIMIT_WINDOW_MS": _RATES,
    "RATE_LIMIT_MAX_JOBS": _RATES,
    "RATE_LIMIT_MAX_HEARTBEAT": _RATES,
    "RATE_LIMIT_MAX_REGISTER": _RATES,
    "CORS_ORIGINS": "Pages of other origins may not call this server yet.",
    "WS_PORT": "A second port for WebSockets is not provided yet; they are at /ws on PORT.",
}
_WORKER = {
    "CPU_LIMIT": _LIMITS,
    "RAM_LIMIT": _LIMITS,
    "AUTO_START": "Starting with the machine is not provided yet; let the system's service manager start the worker.",
}

NOT_PROVIDED: dict[Side, dict[str, str]] = {"server": _SERVER, "worker": _WORKER, "client": {}}


def refused(side: Side, names: Iterable[str], where: str) -> list[Fault]:
    """A fault for each of `names` (environment variables) that `side` would have to provide and does not."""
    sentences = NOT_PROVIDED[side]
    return [Fault(name, sentences[name], f"Remove it from {where}.") for name in names if name in sentences]
