"""Decoding faults in our own words: which field, as the caller wrote it, what it must be, and what it is.

The library says only where the fault lies and of what kind it is; what the field must be is read from the struct.
"""

import difflib
import re
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import inspect

from cmdexec.errors import Refused
from cmdexec.protocol.requests import CONTAINER_USER, IMAGE, NOT_PROVIDED_YET, RETRY_ON, NewJob
from cmdexec.protocol.unreadable import unreadable

_FAULT = re.compile(r"(?P<said>.*?)(?: - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`)?", re.DOTALL)
_PATH = re.compile(r" - at `(?:key` in `)?\$[^`]*`\Z")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")
_GOT = re.compile(r"got `([a-z]+)`")
_NAMED = re.compile(r"(?P<what>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)

_KINDS = {
    "str": "text", "int": "a number", "float": "a number with a fraction or an exponent", "bool": "true or false",
    "null": "null", "array": "a list", "object": "an object",
}  # fmt: skip

_PATTERNS = {
    r"^[0-9a-f-]{36}$": "an id of 36 characters, such as 01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f",
    r"^[^\x00]*$": "without NUL characters",
    r"^[^=\x00]+$": "without = and NUL characters",
    r"^[A-Za-z0-9_.:-]+\Z": "letters, digits or _ . : -",
    r"^[^\s@]+@[^\s@]+\Z": "an e-mail address of at most 254 characters, such as ann@example.org",
    r"^[0-9a-f]{64}\Z": "64 hexadecimal digits in lower case",
    IMAGE: "the name of an image in at most 500 characters, such as alpine:3.20 or registry.example.net/team/tool",
    CONTAINER_USER: "a user in digits, as UID or UID:GID, such as 1000 or 1000:1000",
    RETRY_ON: "a reason such as oom, or an exit code from exit:1 to exit:255",
}

_MAX_SHOWN = 100
_MAX_SAID = 2000


def explain(wrong: BaseException, kind: Any, body: bytes = b"", *, place: str = "") -> Refused:
    """The fault `wrong` of decoding a `kind`: `bad_json` if it could not be read at all, else `unknown_field`,
    `not_provided` or `invalid_field` with the field, and for the whole body `bad_request`. In `body`, the JSON, is
    looked up what the library does not say: which entry of an object it is. Without one, of a query, all is text, and
    what it is, is not said. `place`: where the body stands in the whole, `[3]`."""
    if not isinstance(wrong, msgspec.ValidationError):
        return unreadable(wrong, body)
    fault = _FAULT.fullmatch(_cut(str(wrong)))
    said, path, is_key = (fault["said"], fault["path"] or "", bool(fault["key"])) if fault else ("", "", False)
    found = _named_entry(path, kind, body)
    unnamed = found == path and "[...]" in path
    at = (place + (path.partition("[...]")[0] if unnamed else found)).removeprefix(".")
    wanted = _at(inspect.type_info(kind), path, is_key=is_key)
    if named := _NAMED.search(said):
        return _named(named["what"], named["name"], at, wanted)
    must = f"must be {_words(wanted)}" if wanted is not None else "is not of the right kind"
    got = _GOT.search(said) if body else None
    is_now = f"; it is {_KINDS.get(got[1], 'something else')}" if got else ""
    if not at:
        too_long = got is None and takes_list(wanted)
        return Refused("bad_request", f"This {must}{is_now}.", mend="Send several lists." if too_long else None)
    if is_key:
        return Refused("invalid_field", f"Each name in `{at}` {must}.", field=at)
    if unnamed:
        is_now = f"; one is {_KINDS.get(got[1], 'something else')}" if got else ""
        return Refused("invalid_field", f"Each value in `{at}` {must}{is_now}.", field=at)
    return Refused("invalid_field", f"`{at}` {must}{is_now}.", field=at)


def _cut(said: str) -> str:
    """Without the middle of a name that is very long; where it is comes last."""
    if len(said) <= _MAX_SAID:
        return said
    path = _PATH.search(said, len(said) - _MAX_SAID // 2)
    begins = said[: _MAX_SAID // 2].replace(" - at `", " - at '")  # what looks so in a name is no path
    return f"{begins}…`{path[0] if path else ''}"


def unknown_field(name: str, at: str, known: list[str], *, job: bool) -> Refused:
    """`name` is not a field that may stand at `at`."""
    shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
    field = f"{at}.{shown}" if at else shown
    if job and name in NOT_PROVIDED_YET:
        return Refused("not_provided", f"`{field}` is not provided by this version.", field=field, mend="Leave it out.")
    if not name:
        return Refused("unknown_field", "There is no field without a name.", field=field, mend="Leave it out.")
    near = difflib.get_close_matches(name[:_MAX_SHOWN], known, 1)
    mend = f"Did you mean `{near[0]}`?" if near else "Leave it out."
    return Refused("unknown_field", f"There is no field `{field}`.", field=field, mend=mend)


def _named(what: str, name: str, at: str, wanted: inspect.Type | None) -> Refused:
    struct = _struct_of(wanted)
    if what == "contains unknown":
        known = [field.encode_name for field in struct.fields] if struct else []
        return unknown_field(name, at, known, job=struct is not None and issubclass(struct.cls, NewJob))
    field = f"{at}.{name}" if at else name
    own = next((field.type for field in struct.fields if field.encode_name == name), None) if struct else None
    mend = f"It must be {_words(own)}." if own is not None else None
    return Refused("invalid_field", f"`{field}` is missing.", field=field, mend=mend)


def _named_entry(path: str, kind: Any, body: bytes) -> str:
    """`path` with the name of an object's entry in place of the library's `[...]`, where it can be found in `body`."""
    before, anywhere, after = path.partition("[...]")
    if not anywhere:
        return path
    try:
        value, wanted = msgspec.json.decode(body), kind
        for step in _STEP.finditer(before):
            if step["name"] is None:
                listed = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
                value, wanted = value[int(step["index"])], get_args(listed)[0]
            else:
                value = value[step["name"]]
                wanted = next(f.type for f in msgspec.structs.fields(wanted) if f.encode_name == step["name"])
        name = next(name for name, one in value.items() if not _fits({name: one}, wanted))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, LookupError, AttributeError, TypeError, StopIteration):
        return path
    return f"{before}.{name if len(name) <= _MAX_SHOWN else f'{name[:_MAX_SHOWN]}…'}{after}"


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def bare(kind: inspect.Type | None) -> inspect.Type | None:
    """Without what describes it."""
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _choices(kind: inspect.Type | None) -> list[inspect.Type]:
    """What it may be: several types, where it is a union."""
    whole = bare(kind)
    types = whole.types if isinstance(whole, inspect.UnionType) else (whole,)
    return [one for one in map(bare, types) if one is not None]


def takes_list(kind: inspect.Type | None) -> bool:
    """Whether it may be a list of any length."""
    return any(isinstance(one, inspect.VarTupleType) for one in _choices(kind))


def takes_number(kind: inspect.Type | None) -> bool:
    """Whether it may be a number."""
    return any(isinstance(one, inspect.IntType | inspect.FloatType) for one in _choices(kind))


def _struct_of(kind: inspect.Type | None) -> inspect.StructType | None:
    return next((one for one in _choices(kind) if isinstance(one, inspect.StructType)), None)


def _at(kind: inspect.Type | None, path: str, *, is_key: bool) -> inspect.Type | None:
    """The type of the field that the library's `path` leads to."""
    for step in _STEP.finditer(path):
        if step["name"] is not None:
            struct = _struct_of(kind)
            kind = next((f.type for f in struct.fields if f.encode_name == step["name"]), None) if struct else None
        else:
            kind = _inside(kind, step["index"])
    return _key_of(kind) if is_key else kind


def _inside(kind: inspect.Type | None, index: str) -> inspect.Type | None:
    for one in _choices(kind):
        if isinstance(one, inspect.VarTupleType | inspect.ListType):
            return one.item_type
        if isinstance(one, inspect.DictType) and index == "...":
            return one.value_type
        if isinstance(one, inspect.TupleType) and index.isdigit() and int(index) < len(one.item_types):
            return one.item_types[int(index)]
    return None


def _key_of(kind: inspect.Type | None) -> inspect.Type | None:
    return next((one.key_type for one in _choices(kind) if isinstance(one, inspect.DictType)), None)


def _words(kind: inspect.Type) -> str:
    """What a value of this type is, for people: `a number above 0 and at most 31,622,400`."""
    choices = [one for one in _choices(kind) if not isinstance(one, inspect.NoneType)]
    return ", or ".join(map(_one, choices)) or "null"


def _one(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        name = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
        return name + _range(kind)
    if isinstance(kind, inspect.StrType):
        return _text(kind)
    if isinstance(kind, inspect.BytesType):
        return "base64" + (f" of at most {kind.max_length:,} bytes" if kind.max_length else "")
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return "a list" + _count(kind.min_length, kind.max_length, "items")
    if isinstance(kind, inspect.TupleType):
        return "a list" + _count(len(kind.item_types), len(kind.item_types), "items")
    if isinstance(kind, inspect.DictType):
        return "an object" + _count(None, kind.max_length, "entries")
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    return "an object"


def _text(kind: inspect.StrType) -> str:
    pattern = _PATTERNS.get(kind.pattern or "", "")
    if pattern[:1].isdigit() or pattern.startswith(("a ", "an ", "the ")):
        return pattern
    if pattern and not pattern.startswith("without"):
        return "text" + _count(kind.min_length, kind.max_length, pattern)
    return " ".join(part for part in ("text" + _count(kind.min_length, kind.max_length, "characters"), pattern) if part)


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    least, most = kind.ge, kind.le
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}"
    bounds = (("above", kind.gt), ("from", least), ("below", kind.lt), ("at most", most))
    return " and".join(f" {word} {_number(bound)}" for word, bound in bounds if bound is not None)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def _count(least: int | None, most: int | None, of: str) -> str:
    if least and most:
        return f" of {least:,} to {most:,} {of}" if least != most else f" of {most:,} {of}"
    return f" of at most {most:,} {of}" if most else ""
