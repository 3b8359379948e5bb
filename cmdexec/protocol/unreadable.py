"""What is wrong with JSON that cannot be read at all: what, where, and what to do about it.

The library says only at which byte it stopped; what stands there says the rest.
"""

import re
from typing import NamedTuple

from cmdexec.errors import Refused

_AT = re.compile(r"\(byte (\d+)\)")
_CONSTANT = re.compile(rb"-?(?:NaN|Infinity|Inf)\b", re.IGNORECASE)
_FIRST_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONTROLS = 0x20


class _Found(NamedTuple):
    """What stands where the reading stopped; `{at}` is filled in."""

    message: str
    mend: str


def unreadable(wrong: BaseException, body: bytes) -> Refused:
    """The fault `wrong`, which decoding `body` as JSON gave, as `bad_json`."""
    if isinstance(wrong, RecursionError):
        return Refused("bad_json", "This is nested too deeply.", mend="Send what is flat.")
    if isinstance(wrong, UnicodeError):
        return _not_utf8(body)
    if not body.strip():
        return Refused("bad_json", "This is empty.", mend="Send JSON.")
    if body.startswith(_BYTE_ORDER_MARK):
        return Refused("bad_json", "This begins with a byte order mark.", mend="Send it without one.")
    said = _AT.search(str(wrong))
    if said is None:
        if half := _FIRST_HALF.search(body):
            return _half_a_pair(body, half.end())
        return Refused(
            "bad_json", "This JSON ends before it is whole.", mend="Close what is open: quotes, brackets and braces."
        )
    at = int(said[1]) - ("trailing characters" in str(wrong))  # of these it names the second
    if at == 0 and body[:1] > b"\x7f":
        return _not_utf8(body)
    if "surrogate" in str(wrong):
        return _half_a_pair(body, at)
    message, mend = _what(str(wrong), body, at)
    return Refused("bad_json", message.format(at=_place(body, at)), mend=mend)


def _what(said: str, body: bytes, at: int) -> _Found:
    if "trailing characters" in said:
        return _Found("There is more after the end of this JSON, at {at}.", "Send one document and nothing else.")
    rest = body[at : at + 10]
    if constant := _CONSTANT.match(rest):
        name = constant[0].decode()
        return _Found(f"JSON has no {name}; there is one at {{at}}.", "Leave the field out, or send a number.")
    if rest[:2] in (b"//", b"/*") or rest[:1] == b"#":
        return _Found("JSON has no comments; there is one at {at}.", "Leave it out.")
    if rest[:1] == b"'":
        return _Found("Text in JSON is in double quotes; at {at} there is a single one.", "Write it in double quotes.")
    if "trailing comma" in said:
        return _Found("There is a comma too many before {at}.", "Leave it out.")
    if rest[:1] and rest[0] < _CONTROLS:
        return _Found("There is a control character at {at}.", f"Write it as `\\u{rest[0]:04x}`.")
    return _Found("This is no JSON from {at} on.", "Check it with a JSON tool.")


def _half_a_pair(body: bytes, at: int) -> Refused:
    """The library takes the first half of a pair for the beginning of text that was cut."""
    message = f"There is half of a surrogate pair before {_place(body, at)}."
    return Refused("bad_json", message, mend="Send both halves, or the character itself.")


def _not_utf8(body: bytes) -> Refused:
    try:
        body.decode()
        at = 0
    except UnicodeDecodeError as first:
        at = first.start
    return Refused(
        "bad_json", f"This is not UTF-8: see {_place(body, at)}.", mend="Send text in UTF-8, and no other bytes."
    )


def _place(body: bytes, at: int) -> str:
    before = body[:at].decode(errors="replace")
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
