"""The key that makes a submission safe to repeat, as whoever submits may write it."""

from cmdexec.errors import Refused

KEY_MOST = 180
LISTED_MOST = 200
"""A list of jobs has its number behind the key of them all; more a server does not take."""


def rule(most: int = KEY_MOST) -> str:
    return f"Write 1 to {most} printable ASCII characters without spaces."


def is_key(text: object, most: int = KEY_MOST) -> bool:
    """Whether that is one."""
    return isinstance(text, str) and 0 < len(text) <= most and all("!" <= mark <= "~" for mark in text)


def checked_key(key: str | None, most: int = KEY_MOST) -> str | None:
    """The key itself, and None for none. Raises Refused("invalid_field")."""
    if key is None or is_key(key, most):
        return key
    raise Refused("invalid_field", f"`key` cannot be {key!r:.60}.", field="key", mend=rule(most))
