"""Every field of every request and frame, with values that it must not take: made from the structs, so that a new field
is covered by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from cmdexec.protocol.accounts import CREDENTIAL_HASH, EMAIL
from cmdexec.protocol.faults import bare
from cmdexec.protocol.requests import CONTAINER_USER, RETRY_ON

JOB = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"

KINDS: dict[str, Any] = {
    "null": None, "true or false": True, "a number": 7, "a number with a fraction or an exponent": 0.5, "text": "x",
    "a list": [], "an object": {},
}  # fmt: skip
"""A value of each kind that JSON has, by how a fault calls it."""


FORMS = {EMAIL: "a@b", CREDENTIAL_HASH: "0" * 64, RETRY_ON: "oom", CONTAINER_USER: "1"}
"""Text that has to be of some form."""


@dataclass(frozen=True)
class Place:
    """A field: its path as a fault names it, the request with a value there as `sent(value)`, and its type."""

    path: str
    kind: Any
    base: Any
    steps: tuple[str | int, ...]

    def sent(self, value: Any) -> Any:
        return _with(self.base, self.steps, value)


def places(request: Any) -> Iterator[Place]:
    """All fields of a request, those within others too."""
    whole = inspect.type_info(request)
    yield from _within(whole, good(whole), "", ())


def _within(kind: Any, base: Any, path: str, steps: tuple[str | int, ...]) -> Iterator[Place]:
    for one in choices(kind):
        if isinstance(one, inspect.StructType):
            for field in one.fields:
                name = f"{path}.{field.encode_name}" if path else field.encode_name
                yield from _place(field.type, base, name, (*steps, field.encode_name))
        elif isinstance(one, inspect.VarTupleType):
            yield from _place(one.item_type, base, f"{path}[0]", (*steps, 0))
        elif isinstance(one, inspect.TupleType):
            for index, item in enumerate(one.item_types):
                yield from _place(item, _with(base, steps, good(one)), f"{path}[{index}]", (*steps, index))
        elif isinstance(one, inspect.DictType):
            yield from _place(one.value_type, base, f"{path}.A", (*steps, "A"))


def _place(kind: Any, base: Any, path: str, steps: tuple[str | int, ...]) -> Iterator[Place]:
    yield Place(path, kind, base, steps)
    yield from _within(kind, _with(base, steps, good(kind)), path, steps)


def choices(kind: Any) -> list[Any]:
    """The types that a value may be of."""
    whole: Any = bare(kind)
    types = whole.types if isinstance(whole, inspect.UnionType) else (whole,)
    return [bare(one) for one in types]


def good(kind: Any) -> Any:
    """The least that a type takes."""
    one = choices(kind)[0]
    if isinstance(one, inspect.StructType):
        return {field.encode_name: good(field.type) for field in one.fields if field.required}
    if isinstance(one, inspect.TupleType):
        return [good(item) for item in one.item_types]
    if isinstance(one, inspect.VarTupleType):
        return [good(one.item_type)] if one.min_length else []
    if isinstance(one, inspect.LiteralType):
        return one.values[0]
    if isinstance(one, inspect.StrType):
        return JOB if one.min_length == 36 else FORMS.get(one.pattern or "", "x" * (one.min_length or 1))
    plain: dict[type, Any] = {inspect.IntType: 1, inspect.FloatType: 1, inspect.BoolType: True, inspect.BytesType: ""}
    return plain.get(type(one), {})


def _with(base: Any, steps: tuple[str | int, ...], value: Any) -> Any:
    if not steps:
        return value
    first, *rest = steps
    if isinstance(first, int):
        items = list(base) if isinstance(base, list) else []
        items[first : first + 1] = [_with(items[first] if first < len(items) else {}, tuple(rest), value)]
        return items
    inner = base if isinstance(base, dict) else {}
    return {**inner, first: _with(inner.get(first, {}), tuple(rest), value)}


def of_wrong_kind(place: Place) -> Iterator[tuple[str, Any]]:
    """(what it is, the value) for each kind of JSON that the field does not take."""
    for name, value in KINDS.items():
        if not any(_takes(one, value) for one in choices(place.kind)):
            yield name, value


def _takes(kind: Any, value: Any) -> bool:
    """Whether a type is of this kind of JSON, whatever its bounds."""
    wants: dict[type, tuple[type, ...]] = {
        inspect.NoneType: (type(None),), inspect.BoolType: (bool,), inspect.IntType: (int,),
        inspect.FloatType: (int, float), inspect.StrType: (str,), inspect.BytesType: (str,),
        inspect.LiteralType: (str,), inspect.VarTupleType: (list,), inspect.TupleType: (list,),
        inspect.DictType: (dict,), inspect.StructType: (dict,),
    }  # fmt: skip
    if isinstance(kind, inspect.RawType):
        return True
    wanted = wants[type(kind)]
    return isinstance(value, wanted) and not (isinstance(value, bool) and bool not in wanted)


def beyond(place: Place) -> Iterator[Any]:
    """Values just outside of each bound of the field."""
    for one in choices(place.kind):
        if isinstance(one, inspect.IntType | inspect.FloatType):
            step = 1 if isinstance(one, inspect.IntType) else 0.001
            yield from (bound - step for bound in (one.ge,) if bound is not None)
            yield from (bound + step for bound in (one.le,) if bound is not None)
            yield from (bound for bound in (one.gt, one.lt) if bound is not None)
            yield from (-(10**30), 10**30) if isinstance(one, inspect.IntType) else (-1e308, 1e308)
        elif isinstance(one, inspect.StrType):
            yield from ["x" * (one.max_length + 1)] if one.max_length else []
            yield from [""] if one.min_length else []
            yield from ["\0", "ü\0"] if one.pattern else []
        elif isinstance(one, inspect.LiteralType):
            yield from ("", f"{one.values[0]}x", str(one.values[0]).upper())
        elif isinstance(one, inspect.BytesType):
            yield from ("#", "YQ", "YQ=a")
            yield from ["YWFh" * (one.max_length // 3 + 1)] if one.max_length else []
        elif isinstance(one, inspect.VarTupleType):
            yield from [[good(one.item_type)] * (one.max_length + 1)] if one.max_length else []
            yield from [[]] if one.min_length else []
        elif isinstance(one, inspect.TupleType):
            yield from ([], good(one)[:-1], [*good(one), 1])
        elif isinstance(one, inspect.DictType):
            yield {f"k{number}": "x" for number in range((one.max_length or 0) + 1)}


def required(request: Any) -> list[str]:
    """The fields that a request cannot lack."""
    return [field.encode_name for field in msgspec.structs.fields(request) if field.required]
