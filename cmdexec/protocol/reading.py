"""An OpenAPI document of ours, laid out for people: what each operation takes and answers, in words.

Text is marked up in three ways only, which whoever shows it turns into what they show: `` `code` ``, ``[[Shape]]`` for
a shape that stands elsewhere on the page, and plain text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import urlencode

import msgspec

from cmdexec.errors import CODES
from cmdexec.protocol.openapi import told
from cmdexec.protocol.operations import BY_NAME, DOWN_FRAMES, FRAMES, ROUTES
from cmdexec.protocol.refusals import MEANINGS
from cmdexec.protocol.requests import CONTAINER_USER, IMAGE, RETRY_ON
from cmdexec.protocol.story import WATCHED
from cmdexec.protocol.watching import DOWN

Schema = Mapping[str, Any]

_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null"}
_PATTERNS = {
    r"^[0-9a-f-]{36}$": "an id of 36 characters",
    r"^[^\x00]*$": "without NUL",
    r"^[^=\x00]+$": "without `=` and NUL",
    r"^[A-Za-z0-9_.:-]+$": "of letters, digits and `_ . : -`",
    r"^[0-9a-f]{64}$": "64 hexadecimal digits",
    IMAGE.replace(r"\Z", "$"): "that names an image, such as `alpine:3.20`",
    CONTAINER_USER.replace(r"\Z", "$"): "of digits, `UID` or `UID:GID`",
    RETRY_ON.replace(r"\Z", "$"): "a reason such as `oom`, or `exit:1` to `exit:255`",
    "^[!-~]+$": "of printable ASCII without spaces",
}
_LONG = 100

_ANSWERED = {
    "register": "[[Registered]]", "heartbeat": "As [[BeatView]], but `stop`, which is a frame of its own here.",
    "done": "[[Told]]",
}  # fmt: skip
"""What is not answered by a socket as it is over HTTP."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `place`: body, path, query or header; empty for a shape's. `default`: what stands for it if it is left
    out, as JSON; None where it is required or has none."""

    name: str
    kind: str
    meaning: str
    required: bool
    place: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that is no refusal, or one code of a refusal that has status `status`. `what`: the shape or the types
    of content of the former, None for an answer without a body; the code of the latter."""

    status: str
    meaning: str
    what: str | None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation. `answers` are those of its own; what any request can meet (`ANY`, …) is told once, elsewhere."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    about: str
    fields: Sequence[Field]
    takes_list: bool
    curl: str
    answers: Sequence[Answer]
    example: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What several answers are made of."""

    name: str
    about: str
    fields: Sequence[Field]


def entries(document: Schema) -> Iterator[Entry]:
    """All operations, in the order of the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield _entry(document, method.upper(), path, operation)


def shapes(document: Schema) -> Iterator[Shape]:
    """All shapes, by name; those that only stand for a request's body are told where they are asked for."""
    bodies = {_name(single) for one in _bodies(document) if "$ref" in (single := _single(one))}
    for name, schema in document["components"]["schemas"].items():
        if name not in bodies:
            yield Shape(name, schema.get("description", ""), tuple(_fields(schema)))


def frames() -> Iterator[tuple[str, str, str]]:
    """What a worker says by its socket: the frame, what its items are, and what each of them is answered with."""
    routes = {route.operation: route for route in ROUTES}
    for frame, name in FRAMES.items():
        operation, route = BY_NAME[name], routes.get(name)
        if frame == "output":
            yield frame, "Binary messages, as told above: each is one piece.", "Nothing; `ack` tells how far it is."
        elif route is not None:
            yield frame, f"As the body of `{route.method} {route.path}`.", _ANSWERED[frame]
        else:
            asked, told = operation.request.__name__, operation.response.__name__
            yield frame, f"[[{asked}]]: {operation.summary}", f"[[{told}]]"


def down_frames() -> Iterator[tuple[str, str, str]]:
    """What a server says by a worker's socket, unasked: the frame, what it means, and what its items have."""
    _, made = msgspec.json.schema_components(list(DOWN_FRAMES.values()), ref_template="{name}")
    for frame, kind in DOWN_FRAMES.items():
        fields = "; ".join(
            f"`{field.name}`: {field.kind}" + (f", `{field.default}` when absent" if field.default is not None else "")
            for field in _fields(made[kind.__name__])
        )
        yield frame, told(kind), f"{fields}."


def person_frames() -> Iterator[tuple[str, str, str]]:
    """What a person's program says by its socket, as `frames`."""
    fields = (
        "`what`: `job` (with its `jobId`), `jobs` or `workers`. `until`: `ended`, of a `job` alone: it is told once,"
        " when it has ended."
    )
    yield "watch", fields, "`{}` when it is watched; how it stands is told next, and then each change."
    yield "unwatch", "The same items: watch them no more.", "`{}`."
    yield (
        "submit",
        "One item `{job, key?, until?}`, and an `id`. `job`: as the body of `POST /api/jobs/create`, one job, of at"
        " most half of MAX_FRAME_BYTES. `key`: as its `Idempotency-Key`. `until`: `ended`: watch it to its end. With a"
        " token, not with a cookie.",
        "`job`: [[JobView]], which is stored. `watched`: whether its end will be told. Or why it is refused, as a"
        " request would be, with `retryAfterSec` where it may be sent again. What comes after it is read meanwhile.",
    )


def person_down_frames() -> Iterator[tuple[str, str, str]]:
    """What a server says by a person's socket, unasked, as `down_frames`."""
    for frame, kind in DOWN.items():
        yield frame, WATCHED[frame], f"[[{kind.__name__}]]."


def words(schema: Schema) -> str:
    """What a value of this schema is: `text of 1 to 200 characters`, `[[JobView]], or null`."""
    if "$ref" in schema:
        return f"[[{_name(schema)}]]"
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return ", or ".join(words(one) for one in several)
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type")
    if kind == "string":
        return _text(schema)
    if kind == "array":
        if "prefixItems" in schema and schema.get("minItems") == schema.get("maxItems"):
            return "a list of " + " and ".join(words(one) for one in schema["prefixItems"])
        return f"a list{_count(schema, 'Items')}" + (f", each {_part(schema['items'])}" if schema.get("items") else "")
    if kind == "object":
        inner = schema.get("additionalProperties")
        keys = words({"type": "string", **schema.get("propertyNames", {})})
        each = f", names {keys}, values {_part(inner)}" if inner else ""
        return f"an object{_count(schema, 'Properties')}{each}"
    return _KINDS.get(str(kind), "anything") + _range(schema)


def _part(schema: Schema) -> str:
    """What each value in a list or an object is; alternatives of it are set apart from those of the whole."""
    said = words(schema)
    return f"({said})" if schema.get("anyOf") or schema.get("oneOf") else said


def _entry(document: Schema, method: str, path: str, operation: Schema) -> Entry:
    fields = [
        Field(
            one["name"], words(one["schema"]), one["description"], one["required"], one["in"], _default(one["schema"])
        )
        for one in operation.get("parameters", ())
    ]
    body, about = _body(operation), operation["description"]
    if body is not None:
        shape = _single(body)
        if "$ref" in shape:
            shape = document["components"]["schemas"][_name(shape)]
        fields += _fields(shape, "body")
        about += f" {shape['description']}" if shape.get("properties") else ""
    good = operation["responses"]["200"].get("content", {})
    example = good.get("application/json", {}).get("example")
    return Entry(
        operation["operationId"], method, path, operation["tags"][0], operation["summary"], about,
        fields, body is not None and "oneOf" in body, _curl(method, path, operation),
        [*_answers(operation)],
        json.dumps(example, ensure_ascii=False, indent=2) if example is not None else None,
    )  # fmt: skip


def _answers(operation: Schema) -> Iterator[Answer]:
    for status, answer in sorted(operation["responses"].items()):
        if status < "400":
            kinds = [
                words(one["schema"]) if kind == "application/json" else f"`{kind}`"
                for kind, one in answer.get("content", {}).items()
            ]
            yield Answer(status, answer["description"], ", or ".join(kinds) or None)
    yield from _refused(operation["x-refusals"])


def _refused(codes: Iterable[str]) -> Iterator[Answer]:
    for status, code in sorted((CODES[code], code) for code in codes):
        yield Answer(str(status), MEANINGS[code], f"`{code}`", refused=True)


def every_refusal() -> Iterator[Answer]:
    """All codes that a request can be refused with, by status."""
    return _refused(MEANINGS)


def _fields(schema: Schema, place: str = "") -> Iterator[Field]:
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        yield Field(name, words(one), one.get("description", ""), name in required, place, _default(one))


def _default(schema: Schema) -> str | None:
    if schema.get("default") is None:
        return None
    shown = json.dumps(schema["default"], ensure_ascii=False)
    return shown if len(shown) <= _LONG else None


def _curl(method: str, path: str, operation: Schema) -> str:
    """A line that works in a shell once URL and TOKEN are set."""
    given = {one["name"]: one["example"] for one in operation.get("parameters", ()) if "example" in one}
    places = {one["name"]: one["in"] for one in operation.get("parameters", ())}
    for name, value in given.items():
        path = path.replace(f"{{{name}}}", str(value))
    query = urlencode({name: value for name, value in given.items() if places[name] == "query"}, doseq=True)
    parts = [f'curl "$URL{path}{f"?{query}" if query else ""}"']
    if method != "GET":
        parts.insert(1, f"-X {method}")
    schemes = [name for one in operation["security"] for name in one]
    if schemes:
        parts.append('-H "x-worker-token: $TOKEN"' if "worker" in schemes else '-H "Authorization: Bearer $TOKEN"')
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    if body is not None:
        parts += ["-H 'Content-Type: application/json'", f"-d {quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(parts)


def _bodies(document: Schema) -> Iterator[Schema]:
    for methods in document["paths"].values():
        for operation in methods.values():
            body = _body(operation)
            if body is not None:
                yield body


def _body(operation: Schema) -> Schema | None:
    found: Schema | None = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return found


def _single(body: Schema) -> Schema:
    first: Schema = body["oneOf"][0] if "oneOf" in body else body
    return first


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _text(schema: Schema) -> str:
    if schema.get("contentEncoding") == "base64":
        return "bytes in base64" + (f", at most {schema['maxLength']:,} characters" if "maxLength" in schema else "")
    pattern = _PATTERNS.get(schema.get("pattern", ""), "")
    if pattern[:1].isdigit() or pattern.startswith(("an id", "a reason")):
        return pattern
    return " ".join(part for part in ("text" + _count(schema, "Length"), pattern) if part)


def _count(schema: Schema, of: str) -> str:
    least, most = schema.get(f"min{of}"), schema.get(f"max{of}")
    unit = {"Length": " characters", "Items": "", "Properties": " entries"}[of]
    if least and most:
        return f" of {least:,} to {most:,}{unit}"
    return f" of at most {most:,}{unit}" if most else ""


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}"
    bounds = (
        ("above", schema.get("exclusiveMinimum")), ("from", least), ("below", schema.get("exclusiveMaximum")),
        ("at most", most),
    )  # fmt: skip
    return " and".join(f" {word} {_number(bound)}" for word, bound in bounds if bound is not None)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,}"
