"""Settings that deployments of cmdexec know and this version does not provide: refused by name, never ignored."""

from collections.abc import Mapping

from cmdexec.settings.declare import Fault, Side

_SIGN_IN = "Signing in through an OpenID provider is not provided yet; users have passwords."
_RATES = "Rate limits are not provided yet; MAX_QUEUED_PER_USER bounds the jobs of a user."

_SERVER = {
    "REDIS_URL": "Redis is not provided yet; one server needs none.",
    "OIDC_PROVIDER_URL": _SIGN_IN,
    "OIDC_CLIENT_ID": _SIGN_IN,
    "OIDC_CLIENT_SECRET": _SIGN_IN,
    "RATE_LIMIT_WINDOW_MS": _RATES,
    "RATE_LIMIT_MAX_JOBS": _RATES,
    "RATE_LIMIT_MAX_HEARTBEAT": _RATES,
    "RATE_LIMIT_MAX_REGISTER": _RATES,
    "CORS_ORIGINS": "Pages of other origins may not call this server yet.",
}
_WORKER = {
    "AUTO_START": "Starting with the machine is not provided yet; let the system's service manager start the worker.",
}

NOT_PROVIDED: dict[Side, dict[str, str]] = {"server": _SERVER, "worker": _WORKER, "client": {}}


_SWITCHES = frozenset({"AUTO_START"})
"""Those that may be turned off, which asks for nothing."""
_OFF = frozenset({"false", "0", "no", "off"})


def refused(side: Side, given: Mapping[str, object], where: str) -> list[Fault]:
    """A fault for each of `given` (by name of the variable) that asks for what `side` would have to provide and does
    not. An empty value, and a switch that is off, ask for nothing."""
    sentences = NOT_PROVIDED[side]
    return [
        Fault(name, sentences[name], "Remove it there.", where)
        for name, raw in given.items()
        if name in sentences and _asks(name, raw)
    ]


def _asks(name: str, raw: object) -> bool:
    text = str(raw).strip().lower()
    return bool(text) and not (name in _SWITCHES and text in _OFF)
