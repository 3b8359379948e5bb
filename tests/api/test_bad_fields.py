"""Each field of each request and frame, sent as what it must not be: refused with its name and with the sentence that
`bad/fields.csv` has for it, written for people, and nothing happens."""

import csv
import http.client
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec import inspect

from cmdexec.protocol.messages import OutputHeader
from cmdexec.protocol.operations import BY_NAME, FRAMES, ROUTES, Permission, Route
from cmdexec.protocol.requests import NOT_PROVIDED_YET, NewJob
from cmdexec.settings.load import make
from cmdexec.settings.server import ServerSettings
from tests.api.bad.fields import JOB, Place, beyond, good, of_wrong_kind, places, required
from tests.support.server import Running
from tests.support.speaker import Speaker, speaking

ROWS = list(csv.DictReader((Path(__file__).parent / "bad" / "fields.csv").read_text().splitlines()))
MUST_BE = {(row["request"], row["field"]): row["must be"] for row in ROWS}

REQUESTS: dict[str, Any] = {
    name: BY_NAME[name].request
    for name in dict.fromkeys([*(route.operation for route in ROUTES), *FRAMES.values()])
} | {"output": OutputHeader}  # fmt: skip
POSTS = [route for route in ROUTES if route.method == "POST"]
GETS = [route for route in ROUTES if route.method == "GET" and list(places(REQUESTS[route.operation]))]

FRAME_BYTES = make(ServerSettings, data_dir=Path()).max_frame_bytes

Sent = tuple[str, Any, str]
"""A field, the value sent for it, and what has to be said."""


def test_every_field_has_its_sentence_and_every_sentence_its_field() -> None:
    fields = [(name, place.path) for name, request in REQUESTS.items() for place in places(request)]
    assert sorted(fields) == sorted(MUST_BE)


def faults(name: str, place: Place, prefix: str = "") -> Iterator[Sent]:
    """All that is wrong for a field, and what is said of it."""
    must = f"`{prefix}{place.path}` must be {MUST_BE[name, place.path]}"
    for kind, value in of_wrong_kind(place):
        yield prefix + place.path, place.sent(value), f"{must}; it is {kind}."
    for value in beyond(place):
        yield prefix + place.path, place.sent(value), f"{must}."


class Door:
    """One connection for many requests."""

    def __init__(self, server: Running, route: Route) -> None:
        who = {Permission.WORK: "worker", Permission.ANYONE: "none"}.get(
            BY_NAME[route.operation].permission, "operator"
        )
        self._headers = {**server.headers(who), "Content-Type": "application/json"}
        self._route = route
        self._connection = http.client.HTTPConnection("127.0.0.1", server.process.port, timeout=10)

    def __enter__(self) -> "Door":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        self._connection.request(self._route.method, path, body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}").get("error", {})


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.operation)
def test_a_body_whose_field_is_something_else(server: Running, route: Route) -> None:
    name, seen = route.operation, []
    with Door(server, route) as door:
        for place in places(REQUESTS[name]):
            for field, body, says in faults(name, place):
                status, error = door.send(route.path, json.dumps(body).encode())
                if (status, error.get("code"), error.get("field"), error.get("message")) != (
                    422, "invalid_field", field, says,
                ):  # fmt: skip
                    seen.append((field, str(body)[:200], status, error, says))
        for field in required(REQUESTS[name]):
            least = good(inspect.type_info(REQUESTS[name]))
            del least[field]
            status, error = door.send(route.path, json.dumps(least).encode())
            must = f"It must be {MUST_BE[name, field]}."
            if (status, error) != (422, {
                "code": "invalid_field", "message": f"`{field}` is missing.", "field": field, "mend": must,
            }):  # fmt: skip
                seen.append((field, "missing", status, error, must))
    assert seen == []


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.operation)
def test_a_query_whose_field_is_something_else(server: Running, route: Route) -> None:
    """All of a query is text, so its kind is not spoken of."""
    name, seen = route.operation, []
    with Door(server, route) as door:
        for place in (place for place in places(REQUESTS[name]) if "[" not in place.path):
            in_path = f"{{{place.path}}}" in route.path
            numbers = ("-1", "1e99", "1.5.", "0x1") if "number" in MUST_BE[name, place.path] else ()
            for value in ("x y", "ü", "[]", "\0", "x" * 101, *numbers):
                wrong = {**place.base, place.path: value}
                path = route.path.replace("{jobId}", JOB)
                query = {field: one for field, one in wrong.items() if f"{{{field}}}" not in route.path}
                if in_path:
                    path = route.path.replace("{jobId}", urlencode({"": value})[1:].replace("+", "%20"))
                status, error = door.send(f"{path}?{urlencode(query)}", None)
                shown = place.path if (name, f"{place.path}[0]") not in MUST_BE else f"{place.path}[0]"
                says = f"`{place.path}` must be {MUST_BE[name, shown]}."
                if (status, error.get("field"), error.get("message")) != (422, place.path, says):
                    seen.append((place.path, value, status, error, says))
    assert seen == []


@pytest.mark.parametrize("field", sorted(NOT_PROVIDED_YET))
def test_a_field_that_is_not_provided_yet_is_refused_by_name_in_a_list_too(server: Running, field: str) -> None:
    with Door(server, next(route for route in ROUTES if route.operation == "jobs.create")) as door:
        status, error = door.send(
            "/api/jobs/create", json.dumps([{"command": "x"}, {"command": "x", field: 1}]).encode()
        )
    assert (status, error) == (422, {
        "code": "not_provided", "message": f"`[1].{field}` is not provided by this version.", "field": f"[1].{field}",
        "mend": "Leave it out.",
    })  # fmt: skip
    assert field not in {place.path for place in places(NewJob)}


@asynccontextmanager
async def worker(server: Running) -> AsyncIterator[Speaker]:
    async with speaking(server.url, server.headers("worker")) as speaker:
        yield speaker


@pytest.mark.parametrize("op", [op for op in FRAMES if op != "output"])
async def test_a_frame_whose_field_is_something_else(server: Running, op: str) -> None:
    name, seen = FRAMES[op], []
    for place in places(REQUESTS[name]):
        for field, item, says in faults(name, place, "[0]."):
            if len(json.dumps(item)) > FRAME_BYTES:
                continue  # that is too large a message before it is anything else
            async with worker(server) as speaker:
                await speaker.say({"op": op, "id": 1, "items": [item]})
                seen += await wrongly_refused(speaker, field, says)
    assert seen == []


async def test_output_whose_field_is_something_else(server: Running) -> None:
    seen = []
    for place in places(OutputHeader):
        for field, header, says in faults("output", place):
            async with worker(server) as speaker:
                head = json.dumps(header).encode()
                await speaker.ws.send_bytes(struct.pack(">I", len(head)) + head + b"bytes")
                seen += await wrongly_refused(speaker, field, says)
    assert seen == []


async def wrongly_refused(speaker: Speaker, field: str, says: str) -> list[object]:
    (failure,) = await speaker.told("error")
    code, reason = await speaker.ended()
    right = {"code": "invalid_field", "field": field, "message": says}
    if failure == right and code == 4400 and reason and says.startswith(reason):
        return []
    return [(field, failure, code, reason, says)]
