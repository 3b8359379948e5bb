"""The documents say what the code does: every field, code and route has its words, and the samples are true."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from cmdexec.errors import CODES
from cmdexec.link.socket import Close
from cmdexec.protocol.document import api_page
from cmdexec.protocol.meanings import ANYWHERE, FIELDS, meaning
from cmdexec.protocol.messages import Held, Register, StreamDone
from cmdexec.protocol.openapi import document, refusals, spoken, structs
from cmdexec.protocol.operations import BY_NAME, DOWN_FRAMES, FRAMES, OPERATIONS, ROUTES, Permission
from cmdexec.protocol.reading import entries, shapes, words
from cmdexec.protocol.refusals import MEANINGS
from cmdexec.protocol.samples import ANSWERS, REQUESTS
from cmdexec.protocol.story import CLOSES
from tests.support.each import over

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
KINDS = sorted(structs(*spoken()), key=lambda kind: kind.__name__)
NAMES = [(kind, field.encode_name) for kind in KINDS for field in msgspec.structs.fields(kind)]
TOLD_BY_THE_COMMAND_LINE = {
    "internal", "bad_settings", "bad_data_dir", "in_use", "no_executor", "server_away", "bench_failed", "no_window",
    "bad_history",
}  # fmt: skip


def validator(schema: dict[str, Any]) -> Any:
    whole = {**schema, "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


def operation(name: str) -> dict[str, Any]:
    route = next(route for route in ROUTES if route.operation == name)
    found: dict[str, Any] = document()["paths"][route.path][route.method.lower()]
    return found


def test_the_page_in_docs_is_made_from_the_operations() -> None:
    assert PAGE.read_text() == api_page(), "python -m cmdexec.protocol.document > docs/api.md"


def test_every_field_has_a_meaning() -> None:
    missing = [f"{kind.__name__}.{name}" for kind, name in NAMES if meaning(kind, name) is None]
    assert not missing, "say what they mean in cmdexec/protocol/meanings.py"


def test_no_meaning_is_left_over() -> None:
    assert not FIELDS.keys() - set(KINDS)
    stray = [(kind, name) for kind, names in FIELDS.items() for name in names if (kind, name) not in NAMES]
    assert not stray
    used = {name for kind, name in NAMES if name not in FIELDS.get(kind, {})}
    assert not ANYWHERE.keys() - used


SENTENCES = [*ANYWHERE.values(), *(text for names in FIELDS.values() for text in names.values()), *MEANINGS.values()]


@over({text: (text,) for text in SENTENCES})
def test_meanings_are_sentences(text: str) -> None:
    assert text.endswith((".", "…"))
    assert text.isprintable()


def test_every_code_that_a_request_can_be_refused_with_has_a_meaning_and_no_other() -> None:
    assert MEANINGS.keys() == CODES.keys() - TOLD_BY_THE_COMMAND_LINE


def test_each_route_is_in_it_once_with_who_may() -> None:
    paths = document()["paths"]
    assert sorted((route.method, route.path) for route in ROUTES) == sorted(
        (method.upper(), path) for path, methods in paths.items() for method in methods
    )
    for route in ROUTES:
        permission = BY_NAME[route.operation].permission
        schemes = [name for one in operation(route.operation)["security"] for name in one]
        expected = {Permission.ANYONE: [], Permission.WORK: ["worker"]}.get(permission, ["user"])
        assert schemes == expected, route


def test_each_answers_with_every_status_of_its_codes() -> None:
    for route in ROUTES:
        told = operation(route.operation)["responses"]
        for code in refusals(route, BY_NAME[route.operation]):
            assert f"`{code}`" in told[str(CODES[code])]["description"]


def test_what_an_operation_needs_is_required_and_no_more() -> None:
    for name in ("jobs.create", "jobs.cancel", "auth.login", "attempts.done"):
        assert operation(name)["requestBody"]["required"]
    for name in ("workers.heartbeat", "workers.register"):
        assert not operation(name)["requestBody"]["required"]
    places = {one["name"]: (one["in"], one["required"]) for one in operation("jobs.output")["parameters"]}
    assert places["jobId"] == ("path", True)
    assert places["attempt"] == ("query", False)
    assert places["Range"] == ("header", False)
    assert "204" in operation("attempts.claim")["responses"]


def test_the_samples_are_what_they_say() -> None:
    for name, sample in REQUESTS.items():
        msgspec.convert(sample, BY_NAME[name].request)
    for name, sample in ANSWERS.items():
        schema = operation(name)["responses"]["200"]["content"]["application/json"]["schema"]
        validator(schema).validate(sample)
    bodies = [name for name in REQUESTS if "requestBody" in operation(name)]
    for name in bodies:
        schema = operation(name)["requestBody"]["content"]["application/json"]["schema"]
        sample = operation(name)["requestBody"]["content"]["application/json"].get("example", {})
        assert sample.items() <= REQUESTS[name].items()
        validator(schema).validate(sample)
        assert not sample or not validator(schema).is_valid(dict.fromkeys(sample, -1))


def test_every_reference_has_its_schema_and_every_schema_is_referred_to() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    for name in schemas:
        alone = name in ("FollowAttempt", "FollowOutput", "FollowEnd")  # of events, which a schema cannot describe
        assert alone or f'"#/components/schemas/{name}"' in text, name
    referred = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert referred <= schemas.keys()


def test_it_is_laid_out_whole() -> None:
    found = list(entries(document()))
    assert [entry.name for entry in found] == [route.operation for route in ROUTES]
    create = next(entry for entry in found if entry.name == "jobs.create")
    assert create.takes_list
    command = next(field for field in create.fields if field.name == "command")
    assert (command.required, "131,072 characters" in command.kind, " or " in command.kind) == (True, True, True)
    assert "-X POST" in create.curl
    assert {"key_reused", "disk_full"} <= {(answer.what or "").strip("`") for answer in create.answers}
    assert {"JobView", "ErrorView"} <= {shape.name for shape in shapes(document())}


def test_only_what_is_declared_can_be_answered() -> None:
    for one in OPERATIONS:
        assert set(one.codes) <= CODES.keys(), one.name


def test_a_line_break_at_the_end_fits_no_pattern_here_nor_there() -> None:
    for kind, name, good in ((Register, "session", "abc"), (StreamDone, "digest", "0" * 64), (Held, "jobId", "0" * 36)):
        field = document()["components"]["schemas"][kind.__name__]["properties"][name]
        whole = {"jobId": "0" * 36, "attempt": 1}
        for value, fits in ((good, True), (f"{good}\n", False)):
            assert validator(field).is_valid(value) == fits
            try:
                msgspec.convert({**whole, name: value}, kind)
            except msgspec.ValidationError:
                assert not fits, (kind, value)
            else:
                assert fits, (kind, value)


@pytest.mark.parametrize(("schema", "said"), [
    ({"type": "integer", "minimum": 0, "maximum": 2**53 - 1}, "a whole number from 0 to 9,007,199,254,740,991"),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 31_622_400}, "a number above 0 and at most 31,622,400"),
    ({"type": "number", "minimum": 0.5}, "a number from 0.5"),
    ({"type": "number"}, "a number"),
])  # fmt: skip
def test_bounds_are_said_in_plain_words(schema: dict[str, object], said: str) -> None:
    assert words(schema) == said


def test_what_may_be_null_in_an_object_is_told_from_an_object_that_may_be() -> None:
    value = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    inside = {"type": "object", "additionalProperties": value}
    assert words(inside) == "an object, names text, values (text, or null)"
    assert words({"anyOf": [inside, {"type": "null"}]}) == "an object, names text, values (text, or null), or null"
    assert "null, or null" not in api_page()


def test_every_code_of_a_closed_socket_is_told_and_what_to_do() -> None:
    assert [code for code, _ in CLOSES] == sorted(Close)
    page = PAGE.read_text()
    assert [code for code, why in CLOSES if f"| {code} | {why} |" not in page] == []


def test_every_frame_tells_its_items_and_their_kinds() -> None:
    page = PAGE.read_text().partition("### Frames of a worker")[2].partition("### How a socket is closed")[0]
    for frame in FRAMES:
        assert page.count(f"\n| `{frame}` | ") == 1, frame
    for frame, kind in DOWN_FRAMES.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{frame}` | "))
        for field in msgspec.structs.fields(kind):
            assert f"`{field.encode_name}`: " in row, (frame, field.encode_name)
