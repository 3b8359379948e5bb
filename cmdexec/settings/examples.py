"""Secrets that everybody knows: those that stand in documents, and those that are easy to guess."""

GUIDE_SECRETS = frozenset({
    "your-jwt-secret-key-min-32-chars",
    "your-worker-secret-key-min-32-chars",
    "dev-worker-token-secret",
})  # fmt: skip
"""Placeholders of the deployment guide. People try things out with them, so they may be used while developing."""

EXAMPLE_SECRETS = frozenset({
    "your-client-secret",
    "change-me-in-production",
    "administrator",
    "correcthorsebatterystaple",
})  # fmt: skip
"""Others that stand in documents; never taken."""

_STARTS = ("your-", "your_", "change-me", "changeme", "change_me", "replace-me", "replace_me", "<")
_WORDS = ("password", "secret", "admin", "changeme", "example")


def from_guide(secret: str) -> bool:
    """Whether it is one of the guide's placeholders."""
    return secret.strip().lower() in GUIDE_SECRETS


def easy_to_guess(secret: str) -> bool:
    """Whether it is any other that somebody who tries would find at once."""
    plain = secret.strip().lower()
    if plain in GUIDE_SECRETS:
        return False
    bare = plain.strip("0123456789!.-_ ")
    return plain in EXAMPLE_SECRETS or plain.startswith(_STARTS) or bare in _WORDS or len(set(plain)) < 4
