"""The page of the API: plain HTML of the OpenAPI document, with one style of its own and no script."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from typing import Any

from cmdexec.protocol.reading import (
    Answer,
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

_STYLE = files("cmdexec.server.api").joinpath("page.css").read_text(encoding="utf-8")

CSP = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only the style that stands in the page counts; nothing is loaded, nothing runs."""

_STORIES = (("worker", "A worker in six calls"), ("sockets", "Sockets"))


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    found, made = list(entries(document)), list(shapes(document))
    about = document["info"]
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>API · cmdexec</title>\n',
        f'<style>{_STYLE}</style>\n</head>\n<body>\n<div class="frame">\n',
        f"<header><h1>API of cmdexec<small>{_text(about['version'])}</small></h1></header>\n",
        *_index(document["tags"], found, made),
        f"<main>\n<p>{_text(about['description'])}</p>\n",
        '<p>For programs: <a href="openapi.json">openapi.json</a>, OpenAPI 3.1. In the lines below, <code>URL</code> is'
        " this server's address and <code>TOKEN</code> the caller's credential.</p>\n",
        *_stories(),
    ]
    for tag in document["tags"]:
        parts.append(f'<h2 id="{_slug(tag["name"])}">{_text(tag["name"])}</h2>\n<p>{_text(tag["description"])}</p>\n')
        for entry in found:
            if entry.tag == tag["name"]:
                parts += _operation(entry)
    parts += _refusals()
    parts.append('<h2 id="shapes">Shapes</h2>\n')
    for shape in made:
        parts += _shape(shape)
    parts.append("</main>\n</div>\n</body>\n</html>\n")
    return "".join(parts)


def _index(tags: list[dict[str, str]], found: list[Entry], made: list[Shape]) -> Iterator[str]:
    """Twice, since a page without a script can fold it on a phone only: the style shows one of them."""
    links = "".join(_links(tags, found, made))
    nav = f'<nav aria-label="On this page">\n{links}</nav>'
    yield f'<div class="wide">{nav}</div>\n<details class="narrow"><summary>On this page</summary>{nav}</details>\n'


def _links(tags: list[dict[str, str]], found: list[Entry], made: list[Shape]) -> Iterator[str]:
    yield "<section><h2>Begin</h2><ul>"
    yield from (f'<li><a href="#{name}">{title}</a></li>' for name, title in _STORIES)
    yield "</ul></section>\n"
    for tag in tags:
        yield f"<section><h2>{_text(tag['name'])}</h2><ul>"
        yield from (
            f'<li><a href="#{entry.name}"><span class="verb">{entry.method}</span>{escape(entry.path)}</a></li>'
            for entry in found
            if entry.tag == tag["name"]
        )
        yield "</ul></section>\n"
    yield "<section><h2>Answers</h2><ul>"
    yield '<li><a href="#refusals">Refusals</a></li></ul>\n'
    yield f"<details><summary>Shapes, {len(made)} of them</summary><ul>"
    yield from (f'<li><a href="#{shape.name}">{shape.name}</a></li>' for shape in made)
    yield "</ul></details></section>\n"


def _stories() -> Iterator[str]:
    (before, *steps), (first, second) = SIMPLEST_WORKER, _STORIES
    yield f'<h2 id="{first[0]}">{first[1]}</h2>\n<p>{_text(before)}</p>\n<ol>\n'
    yield from (f"<li>{_text(step.partition(' ')[2])}</li>\n" for step in steps)
    yield f'</ol>\n<h2 id="{second[0]}">{second[1]}</h2>\n'
    yield from (f"<p>{_text(text)}</p>\n" for text in SOCKETS)
    tables = (
        ("Frames of a worker", "", _up(frames())), ("Frames of the server", "", _down(down_frames())),
        ("What people watch", WATCHING, _up(person_frames())), ("What they are told", "", _down(person_down_frames())),
    )  # fmt: skip
    for title, about, told in tables:
        yield f"<h3>{title}</h3>\n" + (f"<p>{_text(about)}</p>\n" if about else "") + "<table>\n"
        yield '<thead><tr><th scope="col">Frame<th scope="col">What it is</thead>\n<tbody>\n'
        yield from (f'<tr><td class="name"><code>{frame}</code><td>{text}\n' for frame, text in told)
        yield "</tbody></table>\n"
    yield "<h3>How a socket is closed</h3>\n<table>\n"
    yield '<thead><tr><th scope="col">Code<th scope="col">Why, and what to do</thead>\n<tbody>\n'
    yield from (f'<tr><td class="status">{code}<td>{_text(why)}\n' for code, why in CLOSES)
    yield "</tbody></table>\n"


def _up(told: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    for frame, items, answer in told:
        yield frame, f'{_text(items)}<span class="note">Each answered with: {_text(answer)}</span>'


def _down(told: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    for frame, meaning, items in told:
        yield frame, f'{_text(meaning)}<span class="note">{_text(items)}</span>'


def _refusals() -> Iterator[str]:
    yield f'<h2 id="refusals">Refusals</h2>\n<p>{_text(REFUSALS)}</p>\n<table>\n'
    yield '<thead><tr><th scope="col">Status<th scope="col">When</thead>\n<tbody>\n'
    yield from map(_answer, every_refusal())
    yield "</tbody></table>\n"


def _operation(entry: Entry) -> Iterator[str]:
    verb = f'<span class="verb">{entry.method}</span>'
    yield f'<article class="card" id="{entry.name}">\n<h3><a href="#{entry.name}">{verb}{escape(entry.path)}</a></h3>\n'
    yield f"<p>{_text(entry.summary)} {_text(entry.about)}</p>\n"
    yield f"<pre>{escape(entry.curl)}</pre>\n"
    if entry.fields:
        also = "One object with these fields, or a list of such" if entry.takes_list else "Fields"
        yield f'<h4>{also}</h4>\n<table>\n<thead><tr><th scope="col">Field<th scope="col">What it is</thead>\n<tbody>\n'
        yield from map(_field, entry.fields)
        yield "</tbody></table>\n"
    yield '<h4>Answers, beside <a href="#refusals">those of every request</a></h4>\n<table>\n'
    yield '<thead><tr><th scope="col">Status<th scope="col">When</thead>\n<tbody>\n'
    yield from map(_answer, entry.answers)
    yield "</tbody></table>\n"
    if entry.example is not None:
        yield f"<details><summary>Such as</summary><pre>{escape(entry.example)}</pre></details>\n"
    yield "</article>\n"


def _shape(shape: Shape) -> Iterator[str]:
    yield f'<article class="card" id="{shape.name}">\n<h3><a href="#{shape.name}">{shape.name}</a></h3>\n'
    if shape.about:
        yield f"<p>{_text(shape.about)}</p>\n"
    yield '<table>\n<thead><tr><th scope="col">Field<th scope="col">What it is</thead>\n<tbody>\n'
    yield from map(_field, shape.fields)
    yield "</tbody></table>\n</article>\n"


def _field(field: Field) -> str:
    place = f'<span class="tag">{field.place}</span>' if field.place not in ("", "body") else ""
    needed = '<span class="tag">required</span>' if field.required and field.place else ""
    default = f"; <code>{escape(field.default)}</code> when left out" if field.default is not None else ""
    return (
        f'<tr><td class="name"><code>{escape(field.name)}</code>{place}{needed}<td>{_text(field.meaning)}'
        f'<span class="note">{_text(field.kind)}{default}</span>\n'
    )


def _answer(answer: Answer) -> str:
    kind = "bad" if answer.refused else "good"
    what = f'<span class="note">{_text(answer.what)}</span>' if answer.what else ""
    return f'<tr><td class="status {kind}">{answer.status}<td>{_text(answer.meaning)}{what}\n'


def _slug(name: str) -> str:
    return f"about-{name.lower().replace(' ', '-')}"


def _text(text: str) -> str:
    """The three marks of `cmdexec.protocol.reading` as HTML."""
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\[\[(\w+)\]\]", r'<a href="#\1">\1</a>', safe)
