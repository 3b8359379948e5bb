"""A file of jobs: one JSON object a line, or a list of them, each checked before any is submitted."""

import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from cmdexec.errors import Refused
from cmdexec.protocol.faults import explain
from cmdexec.protocol.requests import STDIN_MAX, NewJob
from cmdexec.protocol.unreadable import unreadable

LINE_MAX = 7 << 20
"""Bytes of one job: what the server takes in one request, less what stands around it."""

LIST_MAX = 64 << 20
"""Bytes of a file that is one list: it is held whole."""

JOBS_MAX = 1_000_000

FAULTS_MAX = 10
"""So many are told of at once."""


@dataclass(frozen=True, slots=True)
class Line:
    """A job, the number of its line (from 1), its length in bytes, and what the number counts: `line`, or `job` of a
    list."""

    number: int
    job: NewJob
    length: int
    called: str = "line"


def read_jobs(path: str) -> list[Line]:
    """The jobs of the file, or of standard input for `-`: one a line, empty ones passed over, or one list of all.

    Raises click's BadParameter where the file cannot be read or has none, Refused with the numbers of the bad ones.
    """
    lines, faults = list[Line](), list[Refused]()
    try:
        with _opened(path) as file:
            for called, number, text in _jobs_of(file):
                try:
                    lines.append(Line(number, _job(text), len(text), called))
                except Refused as wrong:
                    faults.append(Refused(wrong.code, f"{called.title()} {number}: {wrong.message}", mend=wrong.mend))
                    if len(faults) == FAULTS_MAX:
                        break
    except OSError as wrong:
        raise click.BadParameter(f"{path} cannot be read: {wrong.strerror}.", param_hint="--file") from wrong
    if faults:
        raise _refused(faults)
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
        if number == 1:
            text = text.removeprefix(BOM_UTF8)
        if len(text) > LINE_MAX:
            raise Refused("too_large", f"Line {number} is longer than {LINE_MAX >> 20} MB, the most of one job.")
        if text.strip():
            jobs += 1
            if jobs > JOBS_MAX:
                raise Refused("too_large", f"These are more than {JOBS_MAX:,} jobs.", mend="Submit them in parts.")
            yield number, text


def _jobs_of(file: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
    """What a job is called, its number, and the job: of a line, or of a list that the whole file is."""
    texts = _texts(file)
    for number, text in texts:
        if number > 1 or not text.lstrip().startswith(b"["):
            yield "line", number, text
            continue
        whole = text + file.read(LIST_MAX)
        if len(whole) > LIST_MAX:
            raise Refused("too_large", f"This list is longer than {LIST_MAX >> 20} MB.", mend="Write one job a line.")
        try:
            listed = msgspec.json.decode(whole, type=list[msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
            raise unreadable(wrong, whole) from wrong
        for place, one in enumerate(listed, 1):
            yield "job", place, bytes(one)
        return


def _job(text: bytes) -> NewJob:
    try:
        return msgspec.json.decode(text, type=NewJob)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise explain(wrong, NewJob, text) from wrong


def _refused(faults: Sequence[Refused]) -> Refused:
    """All that is wrong, as one."""
    more = " There may be more." if len(faults) == FAULTS_MAX else ""
    form = ' Write one job a line: {"command": "echo hello"}.' if any(one.code == "bad_json" for one in faults) else ""
    said = "\n".join(str(one) for one in faults)
    return Refused(faults[0].code, f"{said}{form}{more}", mend="Nothing was submitted.")
