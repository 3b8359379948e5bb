"""`docs/api.md`, made from the operations: `python -m cmdexec.protocol.document > docs/api.md`."""

import re
import sys
from collections.abc import Iterator
from typing import Any

from cmdexec.protocol.openapi import document
from cmdexec.protocol.reading import (
    Entry,
    Field,
    Shape,
    down_frames,
    entries,
    every_refusal,
    frames,
    person_down_frames,
    person_frames,
    shapes,
)
from cmdexec.protocol.story import CLOSES, REFUSALS, SIMPLEST_WORKER, SOCKETS, WATCHING

_START = """\
# The API

<!-- Made by `python -m cmdexec.protocol.document > docs/api.md`; edit the operations, not this file. -->

A running server shows the same as a page at `/api/docs`, and as OpenAPI 3.1 at `/api/openapi.json`.

"""


def api_page() -> str:
    """The whole page."""
    made = document()
    parts = [_START, f"{made['info']['description']}\n"]
    parts += ["\n## A worker in six calls\n", *(f"\n{step}\n" for step in SIMPLEST_WORKER)]
    parts += ["\n## Sockets\n", *(f"\n{text}\n" for text in SOCKETS), *_frames()]
    for tag in made["tags"]:
        parts.append(f"\n## {tag['name']}\n\n{tag['description']}\n")
        for entry in entries(made):
            if entry.tag == tag["name"]:
                parts += _operation(entry)
    parts.append(f"\n## Refusals\n\n{REFUSALS}\n\n| status | code | meaning |\n| --- | --- | --- |\n")
    parts += [f"| {one.status} | {one.what} | {_text(one.meaning)} |\n" for one in every_refusal()]
    parts.append("\n## Shapes\n")
    for shape in shapes(made):
        parts += _shape(shape)
    return "".join(parts)


def _frames() -> Iterator[str]:
    yield "\n### Frames of a worker\n\n| frame | its items | each answered with |\n| --- | --- | --- |\n"
    yield from (f"| `{frame}` | {_text(items)} | {_text(answer)} |\n" for frame, items, answer in frames())
    yield "\n### Frames of the server\n\n| frame | meaning | its items have |\n| --- | --- | --- |\n"
    yield from (f"| `{frame}` | {_text(meaning)} | {_text(items)} |\n" for frame, meaning, items in down_frames())
    yield f"\n### What people watch\n\n{WATCHING}\n\n| frame | its items | each answered with |\n| --- | --- | --- |\n"
    yield from (f"| `{frame}` | {_text(items)} | {_text(answer)} |\n" for frame, items, answer in person_frames())
    yield "\n| the server's frame | meaning | its items are |\n| --- | --- | --- |\n"
    yield from (f"| `{frame}` | {_text(why)} | {_text(items)} |\n" for frame, why, items in person_down_frames())
    yield "\n### How a socket is closed\n\n| code | why, and what to do |\n| --- | --- |\n"
    yield from (f"| {code} | {_text(why)} |\n" for code, why in CLOSES)


def _operation(entry: Entry) -> Iterator[str]:
    yield f"\n### {entry.method} `{entry.path}`\n\n{entry.summary} {entry.about}\n\n```sh\n{entry.curl}\n```\n"
    if entry.takes_list:
        yield "\nOne object with these fields, or a list of such:\n"
    if entry.fields:
        yield "\n| field | in | what | meaning |\n| --- | --- | --- | --- |\n"
        yield from (f"| {_named(field)} | {field.place} | {_kind(field)} | {_text(field.meaning)} |\n"
                    for field in entry.fields)  # fmt: skip
    yield "\n| status | answer | meaning |\n| --- | --- | --- |\n"
    for answer in entry.answers:
        yield f"| {answer.status} | {_text(answer.what) if answer.what else 'no body'} | {_text(answer.meaning)} |\n"
    if entry.example is not None:
        yield f"\n```json\n{entry.example}\n```\n"


def _shape(shape: Shape) -> Iterator[str]:
    yield f"\n### {shape.name}\n"
    if shape.about:
        yield f"\n{_text(shape.about)}\n"
    yield "\n| field | what | meaning |\n| --- | --- | --- |\n"
    yield from (f"| {_named(field)} | {_kind(field)} | {_text(field.meaning)} |\n" for field in shape.fields)


def _named(field: Field) -> str:
    return f"`{field.name}`" + (" (required)" if field.required and field.place else "")


def _kind(field: Field) -> str:
    return _text(field.kind) + (f"; default `{field.default}`" if field.default is not None else "")


def _text(text: str) -> str:
    def link(found: re.Match[str]) -> Any:
        return f"[{found[1]}](#{found[1].lower()})"

    return re.sub(r"\[\[(\w+)\]\]", link, text).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(api_page())
