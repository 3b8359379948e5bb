"""The API as an OpenAPI 3.1 document, made from the operations: `python -m cmdexec.protocol.openapi`."""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import UnionType
from typing import Any, get_args

import msgspec
from msgspec import inspect

from cmdexec.errors import CODES
from cmdexec.protocol.meanings import meaning
from cmdexec.protocol.messages import Register
from cmdexec.protocol.operations import BY_NAME, KIB, MIB, ROUTES, Operation, Permission, Rate, Route
from cmdexec.protocol.refusals import ANY, MEANINGS, WITH_BODY, WITH_FIELDS
from cmdexec.protocol.requests import NOT_PROVIDED_YET, ErrorView, FollowAttempt, FollowEnd, FollowOutput, NewJob
from cmdexec.protocol.samples import ANSWERS, REQUESTS
from cmdexec.version import PROTOCOL, __version__

Schema = dict[str, Any]

REF = "#/components/schemas/"
USER, WORKER = "user", "worker"

TAGS: dict[str, str] = {
    "Sign in": "Users send what `login` gives them as `Authorization: Bearer …`.",
    "Health": "For people and balancers. Everybody may ask.",
    "About": "This description. Everybody may read it.",
    "Jobs": "What users do with jobs.",
    "Workers": "What users see and change of workers.",
    "Joining": "How machines become workers.",
    "Users": "Who may use this server.",
    "What workers say": "Workers send a token as `x-worker-token`: their credential, or a JWT (HS256) that they signed"
                        " with WORKER_TOKEN_SECRET, with the claims `workerId`, `iat` and `exp` (at most 24 h later).",
}  # fmt: skip

BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_TAG_OF = {
    "auth": "Sign in", "health": "Health", "live": "Health", "ready": "Health", "api": "About", "jobs": "Jobs",
    "users": "Users", "join_tokens": "Joining", "workers": "Workers",
}  # fmt: skip

_ALSO: dict[str, dict[str, str]] = {
    "attempts.claim": {"204": "There was no job in that time, or another poll of this worker took the place of this."},
    "jobs.output": {"206": "The range that was asked for.", "304": "It is what you have (`If-None-Match`)."},
    "api.document": {"304": "It is what you have (`If-None-Match`)."},
    "api.page": {"304": "It is what you have (`If-None-Match`)."},
}
"""Answers without a body of their own beside the usual 200."""

_HEADERS: dict[str, tuple[tuple[str, str], ...]] = {
    "jobs.create": (("Idempotency-Key", "The same key with the same body gives the same jobs again."),),
    "jobs.rerun": (("Idempotency-Key", "The same key for the same job gives the same new job again."),),
    "jobs.output": (
        ("Range", "One range of bytes, such as `bytes=0-99`; of stored output only."),
        ("If-None-Match", "An `ETag` that you have."),
        ("If-Range", "The `ETag` for which the range is meant."),
        ("Last-Event-ID", "Of events: the `id` of the last one that came, to go on after it."),
    ),
    "attempts.claim": (
        ("x-worker-connection", "The `connection` that it registered over this way: so a late request takes nothing."),
    ),
    "api.document": (("If-None-Match", "An `ETag` that you have."),),
    "api.page": (("If-None-Match", "An `ETag` that you have."),),
}

_ANSWER_HEADERS: dict[str, tuple[str, str]] = {
    "401": ("WWW-Authenticate", "`Bearer`."),
    "429": ("Retry-After", "Seconds after which to come again."),
    "503": ("Retry-After", "Seconds after which to come again."),
    "507": ("Retry-After", "Seconds after which to come again, where that may help."),
}

_RATE_HEADERS: dict[str, str] = {
    "RateLimit-Policy": 'How often this may be done: `"jobs";q=600;w=60` is 600 times in 60 seconds.',
    "RateLimit": 'What is left of that: `"jobs";r=599;t=60` is 599 times within the next 60 seconds.',
}
"""draft-ietf-httpapi-ratelimit-headers-10, of what has a rate and a bound of it."""


@cache
def document() -> dict[str, Any]:
    """The whole document. It is shared: do not change it."""
    schemas = _schemas()
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in ROUTES:
        paths[route.path][route.method.lower()] = _operation(route, BY_NAME[route.operation], schemas)
    inlined = {BY_NAME[route.operation].request.__name__ for route in ROUTES if _inlined(route)}
    about = (
        "Keys are in camelCase, times RFC 3339 in UTC, sizes in bytes unless a name says MB. Whole numbers have neither"
        " fraction nor exponent. A POST takes one JSON object; without a body it is taken for `{}`. Every refusal has"
        " the same shape, `ErrorView`; a code may be new to you, its HTTP status says of which kind it is. Objects may"
        " get more fields: ignore what you do not know. A path that is known answers another method with 405, and HEAD"
        " as GET without the body."
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cmdexec", "version": __version__, "summary": "Submit a command here, run it there.",
            "description": about, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(paths),
        "components": {
            "schemas": {name: schema for name, schema in sorted(schemas.items()) if name not in inlined},
            "securitySchemes": {
                USER: {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "The token of `POST /api/auth/login`, good for 24 hours.",
                },
                WORKER: {
                    "type": "apiKey", "in": "header", "name": "x-worker-token", "description": TAGS["What workers say"],
                },
            },
        },
    }  # fmt: skip


def structs(*kinds: Any) -> Iterator[type]:
    """Every struct that is in these types, each once."""
    seen: set[type] = set()
    waiting: list[inspect.Type] = list(inspect.multi_type_info(kinds))
    while waiting:
        one = waiting.pop()
        if isinstance(one, inspect.Metadata):
            waiting.append(one.type)
        elif isinstance(one, inspect.UnionType):
            waiting += one.types
        elif isinstance(one, inspect.VarTupleType | inspect.ListType):
            waiting.append(one.item_type)
        elif isinstance(one, inspect.TupleType):
            waiting += one.item_types
        elif isinstance(one, inspect.DictType):
            waiting.append(one.value_type)
        elif isinstance(one, inspect.StructType) and one.cls not in seen:
            seen.add(one.cls)
            waiting += [field.type for field in one.fields]
            yield one.cls


def spoken() -> list[Any]:
    """The types of all that goes over HTTP."""
    operations = [BY_NAME[route.operation] for route in ROUTES]
    kinds = [kind for one in operations for kind in (one.request, *_each(one.response), *_each(one.listed))]
    return [*kinds, ErrorView, FollowAttempt, FollowOutput, FollowEnd]


def _each(kind: Any) -> tuple[Any, ...]:
    """The parts of a union of structs, which the library takes only one by one."""
    if kind is None:
        return ()
    return get_args(kind) if isinstance(kind, UnionType) else (kind,)


def told(kind: type) -> str:
    """What a struct is: the first paragraph of its docstring (the fields have words of their own), in the names of the
    wire."""
    words = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    for field in msgspec.structs.fields(kind):
        words = re.sub(rf"\b{field.name}\b", field.encode_name, words)
    return words


def refusals(route: Route, operation: Operation) -> Sequence[str]:
    """The codes that this can be answered with."""
    fields = WITH_FIELDS if route.method == "GET" or msgspec.structs.fields(operation.request) else ()
    body = WITH_BODY if route.method != "GET" else ()
    return tuple(dict.fromkeys((*ANY, *body, *fields, *_own(operation))))


def _own(operation: Operation) -> tuple[str, ...]:
    rate = () if operation.rate is None else ("too_many",)
    return tuple(dict.fromkeys((*operation.codes, *rate)))


def _schemas() -> dict[str, Schema]:
    """Every struct's schema by name, with the meaning of each field."""
    kinds = spoken()
    _, schemas = msgspec.json.schema_components(kinds, ref_template=f"{REF}{{name}}")
    schemas = {name: _elsewhere(schema) for name, schema in schemas.items()}
    for kind in structs(*kinds):
        schema = schemas[kind.__name__]
        schema["description"] = told(kind)
        for name, field in schema.get("properties", {}).items():
            if text := meaning(kind, name):
                field["description"] = text
        for field in schema.get("properties", {}).values():
            for one in (field, *field.get("anyOf", ())):
                if one.get("contentEncoding") == "base64":
                    one["pattern"] = BASE64
    schemas[Register.__name__]["properties"]["protocol"]["enum"] = [PROTOCOL]
    job = schemas[NewJob.__name__]
    words = job["properties"]["command"]["anyOf"][1]
    words["prefixItems"] = [{**words["items"], "minLength": 1}]
    missing = ", ".join(f"`{name}`" for name in sorted(NOT_PROVIDED_YET))
    job["description"] += f" Not provided yet and refused by name: {missing}."
    return schemas


def _elsewhere(schema: Any) -> Any:
    """With patterns as other languages write them: their `$` is the end alone, ours would let a line break follow."""
    if isinstance(schema, list):
        return [_elsewhere(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: one.replace(r"\Z", "$") if name == "pattern" and isinstance(one, str) else _elsewhere(one)
        for name, one in schema.items()
    }


def _schema_of(*kinds: Any) -> Schema:
    """A schema that points at those of the structs in it."""
    found, _ = msgspec.json.schema_components(kinds, ref_template=f"{REF}{{name}}")
    return found[0] if len(found) == 1 else {"anyOf": list(found)}


def _operation(route: Route, operation: Operation, schemas: dict[str, Schema]) -> dict[str, Any]:
    """One entry under `paths`."""
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": ["What workers say" if operation.permission is Permission.WORK else _tag(operation.name)],
        "summary": operation.summary,
        "description": _description(route, operation),
        "security": _security(operation.permission),
    }
    parameters = [*_query(route, operation, schemas), *_headers(operation)]
    if parameters:
        made["parameters"] = parameters
    if route.method != "GET":
        made["requestBody"] = _body(route, operation, schemas)
    made["responses"] = _answers(route, operation)
    made["x-refusals"] = list(_own(operation))
    return made


def _tag(name: str) -> str:
    return "Joining" if name == "workers.join" else _TAG_OF[name.partition(".")[0]]


def _security(permission: Permission) -> list[dict[str, list[str]]]:
    if permission is Permission.ANYONE:
        return []
    return [{WORKER if permission is Permission.WORK else USER: []}]


def _description(route: Route, operation: Operation) -> str:
    if operation.permission is Permission.ANYONE:
        who = "Everybody may; a bad credential is refused all the same."
    elif operation.permission is Permission.WORK:
        who = "For workers."
    else:
        who = f"Needs the permission to {operation.permission.value}."
    if route.method == "GET":
        return who
    most = operation.max_body
    size = f"{most // MIB} MiB" if most >= MIB else f"{most // KIB} KiB"
    return f"{who} The body may have {size}, and no more than the server's MAX_BODY_BYTES.{_rate(operation.rate)}"


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return ""
    beside = f", but for what has {' or '.join(f'`{name}`' for name in rate.spares)}" if rate.spares else ""
    return f" The server's {rate.setting} bounds the {rate.counted} in each window{beside}. {rate.mend}"


def _query(route: Route, operation: Operation, schemas: dict[str, Schema]) -> Iterator[dict[str, Any]]:
    """The parameters of the path, and of a GET's query: what the request's struct has."""
    shape, sample = schemas[operation.request.__name__], REQUESTS.get(operation.name, {})
    for name, field in shape.get("properties", {}).items():
        in_path = f"{{{name}}}" in route.path
        if route.method != "GET" and not in_path:
            continue
        schema = {key: value for key, value in field.items() if key != "description"}
        if "anyOf" in schema:  # no query can say null: it leaves the field out
            (only,) = (one for one in schema.pop("anyOf") if one != {"type": "null"})
            schema = only
        yield {
            "name": name, "in": "path" if in_path else "query", "required": in_path or name in shape["required"],
            "description": field.get("description", ""), "schema": schema,
            **({"example": sample[name]} if name in sample else {}),
        }  # fmt: skip


def _headers(operation: Operation) -> Iterator[dict[str, Any]]:
    own = _HEADERS.get(operation.name, ())
    if operation.permission is Permission.WORK and operation.request is not Register:
        own = (*own, ("x-worker-instance", "The `instanceId` that it registered: so one that was replaced is told so."))
    for header, text in own:
        schema: Schema = {"type": "string"}
        if header == "Idempotency-Key":
            schema |= {"minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
        if header == "x-worker-connection":
            schema |= {"pattern": "^[0-9]{1,15}$"}
        yield {"name": header, "in": "header", "required": False, "description": text, "schema": schema}


def _inlined(route: Route) -> bool:
    """Whether what its request has is told in its own place: in a query, in path and body, or nowhere."""
    return route.method == "GET" or "{" in route.path or not msgspec.structs.fields(BY_NAME[route.operation].request)


def _body(route: Route, operation: Operation, schemas: dict[str, Schema]) -> dict[str, Any]:
    """What the request's struct has and the path does not."""
    schema = _schema_of(operation.request)
    sample = REQUESTS.get(operation.name)
    fields = msgspec.structs.fields(operation.request)
    if _inlined(route):
        whole = schemas[operation.request.__name__]
        within = {name: one for name, one in whole.get("properties", {}).items() if f"{{{name}}}" not in route.path}
        required = [name for name in whole.get("required", ()) if name in within]
        schema = {**whole, "properties": within, "required": required}
        sample = {name: value for name, value in sample.items() if name in within} if sample else None
        sample = sample or None
        fields = tuple(field for field in fields if field.encode_name in within)
    if operation.many:
        least, most = operation.many_range
        several = {"type": "array", "items": schema, "minItems": least, "maxItems": most}
        schema = {"oneOf": [schema, several]}
    needed = any(field.required for field in fields)
    content: dict[str, Any] = {"schema": schema}
    if sample is not None:
        content["example"] = sample
    return {"required": needed, "content": {"application/json": content}}


def _answers(route: Route, operation: Operation) -> dict[str, Any]:
    """Status → answer: what is given, and each refusal."""
    found: dict[str, Any] = {"200": {"description": "What was asked for.", "content": _content(operation)}}
    for status, text in _ALSO.get(operation.name, {}).items():
        found[status] = {"description": text}
        if status == "206":
            found[status]["content"] = {operation.media[0]: {}}
    codes: dict[str, list[str]] = defaultdict(list)
    for code in refusals(route, operation):
        codes[str(CODES[code])].append(code)
    for status, named in sorted(codes.items()):
        found[status] = _refusal(status, named)
    if operation.rate is not None and operation.rate.still:
        content = found["429"]["content"]["application/json"]
        content["schema"] = {"allOf": [content["schema"], _content(operation)["application/json"]["schema"]]}
    for status in ("200", "429") if operation.rate is not None else ():
        found[status].setdefault("headers", {}).update(
            {name: {"description": text, "schema": {"type": "string"}} for name, text in _RATE_HEADERS.items()}
        )
    return found


def _content(operation: Operation) -> dict[str, Any]:
    if operation.media != ("application/json",):
        return {media: {"schema": {"type": "string"}} if media.startswith("text/") else {} for media in operation.media}
    content: dict[str, Any] = {"schema": _schema_of(*_each(operation.response), *_each(operation.listed))}
    if operation.name in ANSWERS:
        content["example"] = ANSWERS[operation.name]
    return {"application/json": content}


def _refusal(status: str, codes: Iterable[str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": " ".join(f"`{code}`: {MEANINGS[code]}" for code in codes),
        "content": {"application/json": {"schema": {"$ref": f"{REF}{ErrorView.__name__}"}}},
    }
    if status in _ANSWER_HEADERS:
        name, text = _ANSWER_HEADERS[status]
        made["headers"] = {name: {"description": text, "schema": {"type": "string"}}}
    return made


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(document(), ensure_ascii=False, indent=2)}\n")
