"""How each kind of value may be written, and what is said of one that may not."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.examples import EXAMPLE_SECRETS, GUIDE_SECRETS
from cmdexec.settings.load import DECLARED
from cmdexec.settings.parse import bounds_of, parse, shown, wanted
from tests.support.each import over

HERE: frozenset[Side] = frozenset({"server"})
HUGE = 10**400


def setting(kind: Kind, **more: object) -> Setting:
    return Setting("A_SETTING", kind, None, "It sets a thing.", HERE, **more)  # type: ignore[arg-type]


SECONDS = setting(Kind.DURATION, unit="s", minimum=0.5, maximum=100_000)
MILLIS = setting(Kind.DURATION, unit="ms", minimum=0, maximum=100_000)
BYTES = setting(Kind.SIZE, unit="bytes", minimum=1, maximum=1 << 40)
NUMBER = setting(Kind.INTEGER, minimum=-5, maximum=10)
CORES = setting(Kind.NUMBER, minimum=0.01, maximum=100)
BOOLEAN = setting(Kind.BOOLEAN)
TEXT = setting(Kind.TEXT, minimum=2, maximum=5)
CHOICE = setting(Kind.TEXT, choices=("text", "json"))
SECRET = setting(Kind.TEXT, secret=True, minimum=32, maximum=64)
PATH = setting(Kind.PATH)
URL = setting(Kind.URL)
LIST = setting(Kind.LIST, maximum=3)

GOOD = [
    (SECONDS, "10", 10.0),
    (SECONDS, " 10 s ", 10.0),
    (SECONDS, "500ms", 0.5),
    (SECONDS, "1.5h", 5400.0),
    (SECONDS, "5M", 300.0),
    (SECONDS, "1d", 86400.0),
    (SECONDS, 3, 3.0),
    (SECONDS, 0.5, 0.5),
    (MILLIS, "3", 3.0),
    (MILLIS, "3ms", 3.0),
    (MILLIS, "1.5s", 1500.0),
    (BYTES, "65536", 65536),
    (BYTES, "64KiB", 65536),
    (BYTES, "8 mib", 8 << 20),
    (BYTES, "1GiB", 1 << 30),
    (BYTES, "1TiB", 1 << 40),
    (BYTES, "7b", 7),
    (BYTES, 7, 7),
    (NUMBER, "-5", -5),
    (NUMBER, " 10 ", 10),
    (NUMBER, 0, 0),
    (BOOLEAN, "true", True),
    (BOOLEAN, "Yes", True),
    (BOOLEAN, "1", True),
    (CORES, "2", 2.0),
    (CORES, " 0.5 ", 0.5),
    (CORES, 4, 4.0),
    (CORES, 0.25, 0.25),
    (BOOLEAN, "on", True),
    (BOOLEAN, "FALSE", False),
    (BOOLEAN, "no", False),
    (BOOLEAN, "0", False),
    (BOOLEAN, "off", False),
    (BOOLEAN, False, False),
    (TEXT, "ab", "ab"),
    (TEXT, "äö", "äö"),
    (CHOICE, "JSON", "json"),
    (SECRET, "k8#vTq0zL5!mXw2@Rb9$Yc4%Nd7^Gf1&", "k8#vTq0zL5!mXw2@Rb9$Yc4%Nd7^Gf1&"),
    (PATH, "/srv/data", Path("/srv/data")),
    (PATH, Path("/srv/data"), Path("/srv/data")),
    (URL, "https://cmdexec.example.com/", "https://cmdexec.example.com"),
    (URL, "http://[::1]:3000", "http://[::1]:3000"),
    (URL, "http://localhost:3000/under", "http://localhost:3000/under"),
    (LIST, "a, b,,c", ("a", "b", "c")),
    (LIST, ["a", "b"], ("a", "b")),
    (LIST, "", ()),
]

BAD = [
    *((SECONDS, raw) for raw in ("", "x", "-1", "1e3", "10 weeks", "inf", "nan", "1,5", "٣", "0.4", "100001", "5d")),
    *((SECONDS, raw) for raw in (True, None, [], float("nan"), float("inf"), -1, 0, HUGE, -HUGE)),
    *((MILLIS, raw) for raw in ("101s", "-1ms", "1e3", float("-inf"))),
    *((BYTES, raw) for raw in ("", "1.5MiB", "1kb", "1MB", "-1", "0", "2TiB", "9" * 19, True, None, 1.0, HUGE)),
    *((NUMBER, raw) for raw in ("", "1.0", "0x1", "1_0", "11", "-6", "½", "1 0", True, None, 1.0, HUGE)),
    *((CORES, raw) for raw in ("", "0", "1,5", "1e1", "½", ".5", "101", "-1", True, None, [], float("nan"), HUGE)),
    *((BOOLEAN, raw) for raw in ("", "maybe", "2", "tru", None, 1, 0, [])),
    *((TEXT, raw) for raw in ("a", "äöü", "abcdef", "a\nb", "a\x00b", "a\x1b[", "\udc80a", None, 7, ["ab"])),
    *((CHOICE, raw) for raw in ("xml", "", "text,json", None, True)),
    *((SECRET, raw) for raw in ("short", "ab" * 33, "line\n" * 7, "x" * 32, "abc" * 11, None, 7, b"x" * 32)),
    *((PATH, raw) for raw in ("", "a\x00b", "a\nb", "~no-such-user-here/x", None, 7)),
    *((URL, raw) for raw in ("", "localhost:3000", "ftp://host", "http://", "http://:80", "http://host:0", None, 7)),
    *((URL, raw) for raw in ("http://host:99999", "http://[::1", "http://a b", "http://host/?a=1", "http://host/#a")),
    *((URL, raw) for raw in ("http://me:hunter22@host", "http://me@host", "file:///etc/passwd", "http://a\nb")),
    *((LIST, raw) for raw in ("a,b,c,d", [1], None, 7, {"a": 1})),
]


def said_of(declared: Setting, raw: object) -> str:
    """What is said of `raw`; nothing when it is fine. Anything but a ValueError is a fault of ours."""
    try:
        parse(declared, raw)
    except ValueError as wrong:
        return str(wrong)
    return ""


@over({f"{number} {one.kind} {raw!r}": (one, raw, value) for number, (one, raw, value) in enumerate(GOOD)})
def test_what_may_be_written(declared: Setting, raw: object, value: object) -> None:
    parsed = parse(declared, raw)
    assert parsed == value
    assert type(parsed) is type(value)


@over({f"{number} {one.kind} {raw!r:.80}": (one, raw) for number, (one, raw) in enumerate(BAD)})
def test_what_may_not_be_written(declared: Setting, raw: object) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(declared, raw)
    said = str(caught.value)
    assert said.endswith(".")
    assert said.isprintable(), "one line, whatever was written"
    assert len(said) < 200


@over({
    "truth": (NUMBER, True, "true is not a whole number."),
    "a date": (NUMBER, date(1979, 5, 27), "1979-05-27 is not a whole number."),
    "a time": (URL, datetime(1979, 5, 27, 7, tzinfo=UTC), "1979-05-27 07:00:00+00:00 is not the address of a server."),
    "a table": (LIST, {"a": 1}, "A table is not a list of names."),
    "a list": (CORES, [1], "A list is not a number."),
    "a list of others": (LIST, [1], "This list does not hold names alone."),
    "text": (BOOLEAN, "maybe", "'maybe' is neither true nor false."),
})  # fmt: skip
def test_a_fault_speaks_as_the_settings_file_does(declared: Setting, raw: object, said: str) -> None:
    assert said_of(declared, raw) == said


@given(st.sampled_from(sorted(Kind)), st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()))
def test_nothing_that_can_be_written_does_more_than_be_refused(kind: Kind, raw: object) -> None:
    assert said_of(setting(kind, unit={"duration": "s", "size": "bytes"}.get(kind)), raw).isprintable()


@pytest.mark.parametrize(
    "example",
    [
        *sorted(EXAMPLE_SECRETS),
        "your-jwt-secret-key-min-33-chars",
        "Change-Me-In-Production ",
        "your-other-secret-that-is-long-enough-to-pass",
        "change-me-change-me-change-me-change-me",
        "changeme123!",
        "replace-me-replace-me-replace-me-replace-me",
        "<a-secret-of-at-least-thirty-two-characters>",
        "password",
        "Password1",
        "password-1234",
        "secret",
        "admin123",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
)
def test_secrets_that_everybody_knows_are_refused(example: str) -> None:
    with pytest.raises(ValueError, match="example, or easy to guess") as caught:
        parse(SECRET, example)
    assert example.strip().lower() not in str(caught.value).lower()


@pytest.mark.parametrize("placeholder", [*sorted(GUIDE_SECRETS), " Your-JWT-Secret-Key-Min-32-Chars "])
def test_the_guides_placeholders_are_judged_by_what_the_server_is_for(placeholder: str) -> None:
    """See `placeholders`: so one that is shorter than a secret may be passes here."""
    assert parse(SECRET, placeholder) == placeholder


@given(st.text(min_size=1, max_size=100))
def test_what_is_said_of_a_secret_never_holds_it(raw: str) -> None:
    fixed = ("", "This is an example, or easy to guess.", "A secret is one line of text that can be printed.")
    said = said_of(SECRET, raw)
    assert said in fixed or re.fullmatch(r"\d+ bytes is too (short|long)\.", said)


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        (SECONDS, "Write a duration such as 10, 10s, 500ms, 5m or 24h, from 0.5 s to 100000 s."),
        (MILLIS, "Write a duration such as 10, 10s, 500ms, 5m or 24h, from 0 ms to 100000 ms."),
        (BYTES, "Write a size such as 65536, 64KiB or 1GiB, from 1 bytes to 1 TiB."),
        (NUMBER, "Write a whole number, from -5 to 10."),
        (BOOLEAN, "Write true or false."),
        (TEXT, "Write text, from 2 to 5 bytes long."),
        (CHOICE, "Write one of: text, json."),
        (SECRET, "Give 32 bytes or more that nobody can guess, or name a file in A_SETTING_FILE."),
        (LIST, "Write names with commas between them, at most 3 items."),
        (setting(Kind.INTEGER, minimum=3), "Write a whole number, at least 3."),
    ],
)
def test_the_mend_says_what_may_be_written(declared: Setting, sentence: str) -> None:
    assert wanted(declared) == sentence


@over({f"{side}-{one.name}": (one,) for side, declared in DECLARED.items() for one in declared})
def test_a_bound_as_it_is_shown_can_be_written(declared: Setting) -> None:
    if declared.kind in (Kind.DURATION, Kind.SIZE) and declared.minimum is not None and declared.maximum is not None:
        low, high = bounds_of(declared).removeprefix("from ").split(" to ")
        assert parse(declared, low.replace("bytes", "b")) == declared.minimum
        assert parse(declared, high.replace("bytes", "b")) == declared.maximum


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        (SECONDS, None, "unset"),
        (SECONDS, 10.0, "10 s"),
        (SECONDS, 0.25, "0.25 s"),
        (SECONDS, 7200.0, "2 h"),
        (BYTES, 8 << 20, "8 MiB"),
        (BYTES, (8 << 20) + 1, "8388609 bytes"),
        (NUMBER, 7, "7"),
        (BOOLEAN, True, "true"),
        (LIST, ("a", "b"), "a, b"),
        (SECRET, "k8#vTq0zL5!mXw2@Rb9$Yc4%Nd7^Gf1&", "set (hidden)"),
        (SECRET, None, "unset"),
    ],
)
def test_how_a_value_is_shown(declared: Setting, value: object, text: str) -> None:
    assert shown(declared, value) == text
