"""Settings that deployments of cmdexec know and this version does not provide: refused by name, never ignored."""

from collections.abc import Mapping

from cmdexec.settings.declare import Fault, Side

_SIGN_IN = "Signing in through an OpenID provider is not provided yet; users have passwords."

_SERVER = {
    "OIDC_PROVIDER_URL": _SIGN_IN,
    "OIDC_CLIENT_ID": _SIGN_IN,
    "OIDC_CLIENT_SECRET": _SIGN_IN,
}
_WORKER: dict[str, str] = {}

NOT_PROVIDED: dict[Side, dict[str, str]] = {"server": _SERVER, "worker": _WORKER, "client": {}}


def refused(side: Side, given: Mapping[str, object], where: str) -> list[Fault]:
    """A fault for each of `given` (by name of the variable) that asks for what `side` would have to provide and does
    not. An empty value asks for nothing."""
    sentences = NOT_PROVIDED[side]
    return [
        Fault(name, sentences[name], "Remove it there, or leave it empty.", where)
        for name, raw in given.items()
        if name in sentences and str(raw).strip()
    ]
