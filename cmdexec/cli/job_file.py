"""A file of jobs: one JSON object a line, each checked before any is submitted."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from cmdexec.errors import Refused
from cmdexec.protocol.requests import NOT_PROVIDED_YET, STDIN_MAX, NewJob

LINE_MAX = 7 << 20
"""Bytes of one job: what the server takes in one request, less what stands around it."""

JOBS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """A job, the number of its line (from 1), and its length in bytes."""

    number: int
    job: NewJob
    length: int


def read_jobs(path: str) -> list[Line]:
    """The jobs of the file, or of standard input for `-`; empty lines are passed over.

    Raises click's BadParameter where the file cannot be read or has none, Refused with the number of a bad line.
    """
    lines = []
    try:
        with _opened(path) as file:
            for number, text in _texts(file):
                lines.append(Line(number, _job(number, text), len(text)))
    except OSError as wrong:
        raise click.BadParameter(f"{path} cannot be read: {wrong.strerror}.", param_hint="--file") from wrong
    if not lines:
        raise click.BadParameter(f"{_named(path)} holds no job. Write one JSON object a line.", param_hint="--file")
    return lines


def read_input(path: str) -> bytes:
    """The bytes that a job gets as its standard input. Raises click's BadParameter."""
    try:
        with _opened(path) as file:
            data = file.read(STDIN_MAX + 1)
    except OSError as wrong:
        raise click.BadParameter(f"{path} cannot be read: {wrong.strerror}.", param_hint="--stdin") from wrong
    if len(data) > STDIN_MAX:
        raise click.BadParameter(
            f"{_named(path)} is longer than the {STDIN_MAX // 1024} KB that a job may be given. Have the job read it "
            "from a place of its own.", param_hint="--stdin",
        )  # fmt: skip
    return data


def _opened(path: str) -> BinaryIO:
    return sys.stdin.buffer if path == "-" else Path(path).open("rb")


def _named(path: str) -> str:
    return "Standard input" if path == "-" else path


def _texts(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number, jobs = 0, 0
    while text := file.readline(LINE_MAX + 1):
        number += 1
        if len(text) > LINE_MAX:
            raise Refused("too_large", f"Line {number} is longer than {LINE_MAX >> 20} MB, the most of one job.")
        if text.strip():
            jobs += 1
            if jobs > JOBS_MAX:
                raise Refused("too_large", f"These are more than {JOBS_MAX:,} jobs.", mend="Submit them in parts.")
            yield number, text


def _job(number: int, text: bytes) -> NewJob:
    try:
        return msgspec.json.decode(text, type=NewJob)
    except msgspec.ValidationError as wrong:
        raise _not_so(number, str(wrong)) from wrong
    except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
        raise Refused(
            "bad_json", f"Line {number} is no JSON object in UTF-8.",
            mend='Write one job a line: {"command": "echo hello"}. Nothing was submitted.',
        ) from wrong  # fmt: skip


def _not_so(number: int, said: str) -> Refused:
    """The library's words, with the field first: `Expected `str`, got `int` - at `$.name``."""
    what, _, where = said.partition(" - at ")
    field = where.strip("`").removeprefix("$").removeprefix(".")
    unknown = what.removeprefix("Object contains unknown field ").strip("`")
    if unknown != what.strip("`"):
        code, what = ("not_provided", "is not provided yet") if unknown in NOT_PROVIDED_YET else (
            "unknown_field", "is no field of a job")  # fmt: skip
        return Refused(code, f"Line {number}: `{unknown}` {what}.", mend="Take it out. Nothing was submitted.")
    named = f"`{field}`: " if field else ""
    return Refused("invalid_field", f"Line {number}: {named}{what}.", mend="Nothing was submitted.")
