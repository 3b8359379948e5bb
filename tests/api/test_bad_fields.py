"""Each field of each request and frame, sent as what it must not be: refused with its name and with the sentence that
`bad/fields.csv` has for it, written for people, and nothing happens."""

import csv
import http.client
import json
import re
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from msgspec import inspect

from cmdexec.protocol.messages import OutputHeader
from cmdexec.protocol.operations import BY_NAME, FRAMES, ROUTES, Permission, Route
from cmdexec.protocol.requests import NOT_PROVIDED_YET, NewJob
from cmdexec.protocol.watching import UP
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
} | {"output": OutputHeader, "watch": UP["watch"], "submit": UP["submit"]}  # fmt: skip
WITH_BODY = [route for route in ROUTES if route.method != "GET"]
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
        who = {Permission.WORK: "worker", Permission.ANYONE: "none"}.get(BY_NAME[route.operation].permission, "admin")
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


def path_of(route: Route, values: dict[str, str]) -> str:
    """The route's path with these values for its fields; those that are not given are an id."""
    path = route.path
    for field in in_path(route):
        path = path.replace(f"{{{field}}}", quote(values.get(field, JOB), safe=""))
    return path


def in_path(route: Route) -> list[str]:
    return [part[1:-1] for part in route.path.split("/") if part[:1] == "{"]


def of_path(route: Route, sent: Any) -> Any:
    """What was to be sent, without what the path says."""
    return {field: value for field, value in sent.items() if field not in in_path(route)}


NO_IDS = ("x y", "ü", "[]", "\0", "x" * 101)


def wrong_paths(route: Route, door: Door, body: bytes | None) -> list[object]:
    """Each field of the path as something else."""
    seen: list[object] = []
    for field in in_path(route):
        says = f"`{field}` must be {MUST_BE[route.operation, field]}."
        for value in NO_IDS:
            status, error = door.send(path_of(route, {field: value}), body)
            if (status, error.get("field"), error.get("message")) != (422, field, says):
                seen.append((field, value, status, error, says))
    return seen


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.operation)
def test_a_body_or_a_path_whose_field_is_something_else(server: Running, route: Route) -> None:
    name, path = route.operation, path_of(route, {})
    with Door(server, route) as door:
        least = of_path(route, good(inspect.type_info(REQUESTS[name])))
        seen = wrong_paths(route, door, json.dumps(least).encode())
        for place in (place for place in places(REQUESTS[name]) if place.path not in in_path(route)):
            for field, sent, says in faults(name, place):
                body = json.dumps(of_path(route, sent))
                status, error = door.send(path, body.encode())
                if (status, error.get("code"), error.get("field"), error.get("message")) != (
                    422, "invalid_field", field, says,
                ):  # fmt: skip
                    seen.append((field, body[:200], status, error, says))
        for field in (field for field in required(REQUESTS[name]) if field not in in_path(route)):
            body = json.dumps({key: value for key, value in least.items() if key != field})
            status, error = door.send(path, body.encode())
            must = f"It must be {MUST_BE[name, field]}."
            if (status, error) != (422, {
                "code": "invalid_field", "message": f"`{field}` is missing.", "field": field, "mend": must,
            }):  # fmt: skip
                seen.append((field, "missing", status, error, must))
    assert seen == []


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.operation)
def test_a_query_whose_field_is_something_else(server: Running, route: Route) -> None:
    """All of a query is text, so its kind is not spoken of."""
    name = route.operation
    with Door(server, route) as door:
        seen = wrong_paths(route, door, None)
        for place in places(REQUESTS[name]):
            if "[" in place.path or place.path in in_path(route):
                continue
            shown = place.path if (name, f"{place.path}[0]") not in MUST_BE else f"{place.path}[0]"
            must = MUST_BE[name, shown]
            numbers = ("-1", "1e99", "1.5.", "0x1") if "number" in must else ()
            longer = re.fullmatch(r"text of \d+ to (\d+) characters", must)
            for value in ("", "x" * (int(longer[1]) + 1)) if longer else (*NO_IDS, *numbers):
                query = of_path(route, {**place.base, place.path: value})
                status, error = door.send(f"{path_of(route, {})}?{urlencode(query)}", None)
                says = f"`{place.path}` must be {must}."
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


@pytest.mark.parametrize("op", UP)
async def test_a_frame_of_a_person_whose_field_is_something_else(server: Running, op: str) -> None:
    seen, right = [], {"job": {"command": "true"}} if op == "submit" else {"what": "jobs"}
    for place in places(UP[op]):
        for field, item, says in faults("watch" if op == "unwatch" else op, place, "[0]."):
            async with speaking(server.url, server.headers("viewer")) as speaker:
                await speaker.say({"op": op, "id": 1, "items": [right | item]})
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
