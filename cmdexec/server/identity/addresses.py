"""E-mail addresses as they are kept: two that look the same are the same."""

from unicodedata import category, normalize

from cmdexec.errors import Refused

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, marks that only steer how text is laid out, and what is no character (Unicode, 4.5)."""


def tidy(email: str) -> str:
    """Without space around it, and with each letter in its composed form (Unicode's NFC)."""
    return normalize("NFC", email.strip())


def new_address(email: str) -> str:
    """`tidy`, for a user to be added. Raises Refused(`invalid_field`) for one with characters that nobody sees."""
    unseen = next((one for one in email if category(one) in _UNSEEN), None)
    if unseen is not None:
        raise Refused(
            "invalid_field", f"`email` has a character that cannot be seen: U+{ord(unseen):04X}.", field="email",
            mend="Type the address anew.",
        )  # fmt: skip
    return tidy(email)
