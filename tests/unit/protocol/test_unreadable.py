"""JSON that cannot be read is refused with what is wrong, where, and what to do."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.protocol.requests import NewJob
from cmdexec.protocol.unreadable import unreadable

CASES: list[tuple[bytes, str]] = [
    (b"", "This is empty. Send JSON."),
    (b" \n\t", "This is empty. Send JSON."),
    (b'{"command":"x', "This JSON ends before it is whole. Close what is open: quotes, brackets and braces."),
    (b'{"command":"x"}{}', "There is more after the end of this JSON, at line 1, column 16. Send one document"),
    (b'{"command":"x"}\x00', "There is more after the end of this JSON, at line 1, column 16."),
    (b'\xef\xbb\xbf{"command":"x"}', "This begins with a byte order mark. Send it without one."),
    ('{"command":"x"}'.encode("utf-16"), "This is not UTF-8: see line 1, column 1. Send text in UTF-8"),
    (b'{\n"command":"\xc3\xbc\xc3"}', "This is not UTF-8: see line 2, column 13."),
    (b'{"command":"\xed\xa0\x80"}', "This is not UTF-8: see line 1, column 13."),
    (b'{"command":"\\ud800\\u0041"}', "There is half of a surrogate pair before line 1, column 25. Send both halves"),
    (b'{"command":"\\ud800"}', "There is half of a surrogate pair before line 1, column 19."),
    (b'{"command":"\\udc00"}', "There is half of a surrogate pair before line 1, column 19."),
    (b'{"command":"x","timeoutSec":NaN}', "JSON has no NaN; there is one at line 1, column 29. Leave the field out"),
    (b'{"command":"x","timeoutSec":-Infinity}', "JSON has no Infinity; there is one at line 1, column 30"),
    (b'// no\n{"command":"x"}', "JSON has no comments; there is one at line 1, column 1. Leave it out."),
    (b'{"command":"x"\n/* no */}', "JSON has no comments; there is one at line 2, column 1."),
    (b"{'command':\"x\"}", "Text in JSON is in double quotes; at line 1, column 2 there is a single one."),
    (b'{"command":"x",}', "There is a comma too many before line 1, column 16. Leave it out."),
    (b'{"command":"a\nb"}', "There is a control character at line 1, column 14. Write it as `\\u000a`."),
    (b'{"command":"a\x00b"}', "There is a control character at line 1, column 14. Write it as `\\u0000`."),
    (b'{"command":"x","timeoutSec":01}', "This is no JSON from line 1, column 30 on. Check it with a JSON tool."),
    (b'{"command":tru}', "This is no JSON from line 1, column 16 on."),
]


@pytest.mark.parametrize(("body", "says"), CASES, ids=range(len(CASES)))
def test_what_cannot_be_read_is_told_with_its_place(body: bytes, says: str) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeError)) as wrong:
        msgspec.json.decode(body, type=NewJob)
    refused = unreadable(wrong.value, body)
    assert (refused.code, refused.field) == ("bad_json", None)
    assert str(refused).startswith(says), str(refused)
    assert refused.mend


@given(st.binary(max_size=30), st.integers(0, 40), st.integers(0, 40))
def test_whatever_bytes_come_get_a_sentence(noise: bytes, start: int, end: int) -> None:
    body = b'{"command":"x\xc3\xbc","env":{"A":"B"}}'
    body = body[:start] + noise + body[end:]
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        refused = unreadable(wrong, body)
        assert refused.message.endswith(".")
        assert "{at}" not in refused.message
        assert "byte " not in refused.message.replace("byte order", "")
