"""Changing single settings in a settings file that people write as well: what stands beside them stays as it is."""

import errno
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cmdexec.settings.sources import open_now

_MADE = "# Saved by the worker's window. An option or a variable of the environment counts before what stands here.\n"
_LINES_MAX = 200
"""A value that takes more lines than that is not looked through."""


class Unreadable(Exception):
    """It is no TOML, no text, or no file at all, so that nothing in it can be changed."""


class TooElaborate(ValueError):
    """It cannot be changed without changing what stands beside that."""


def read(path: Path) -> tuple[str, dict[str, object]]:
    """Blocking: the file, as text and as what it says; nothing where there is none. Raises OSError, Unreadable."""
    try:
        file = open_now(path)
    except FileNotFoundError:
        return "", {}
    except IsADirectoryError as wrong:
        raise Unreadable from wrong
    with file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISFIFO(mode):
            raise Unreadable
        if not stat.S_ISREG(mode):
            raise OSError(errno.ENODEV, "It is a device", str(path))
        try:
            content = file.readall().decode("utf-8-sig")  # an editor may have put its mark before it
            return content, tomllib.loads(content)
        except (ValueError, RecursionError) as wrong:
            raise Unreadable from wrong


def changed(content: str, table: Mapping[str, object], values: Mapping[str, object]) -> str:
    """`content`, which says `table`, with `values` in it (None: not given there any more, with all that belongs to
    it). Raises TooElaborate, and ValueError where a value cannot be written."""
    wanted = {key: value for key, value in {**table, **values}.items() if value is not None}
    end = "\r\n" if "\r\n" in content else "\n"
    parts = list(_parts(content.replace("\r\n", "\n").removesuffix("\n").split("\n") if content else []))
    for key, value in values.items():
        at = next((n for n, part in enumerate(parts) if part.key == key and not part.in_table), None)
        parts = _without(parts, key, but=at if value is not None else None)
        if value is None:
            continue
        fresh = _Part([_line(key, value)], key)
        if at is not None:
            parts[next(n for n, part in enumerate(parts) if part.key == key)] = fresh
        else:
            parts.insert(next((n for n, part in enumerate(parts) if part.in_table), len(parts)), fresh)
    edited = "".join(f"{line}{end}" for part in parts for line in part.lines)
    try:
        if tomllib.loads(edited) != wanted:
            raise TooElaborate
    except tomllib.TOMLDecodeError as wrong:
        raise TooElaborate from wrong
    return edited if content else _MADE + edited


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines that belong together. `key`: the outermost one that they give, None: blank ones and remarks; `in_table`:
    the header of a table, or what comes after one."""

    lines: list[str]
    key: str | None
    in_table: bool = False


def _parts(lines: Sequence[str]) -> Iterator[_Part]:
    """Each remark, each header and each value of its own. Raises TooElaborate."""
    at, table = 0, None
    while at < len(lines):
        for after in range(at + 1, min(at + _LINES_MAX, len(lines)) + 1):
            with suppress(tomllib.TOMLDecodeError):
                given = tomllib.loads("\n".join(lines[at:after]))
                break
        else:
            raise TooElaborate
        if given and lines[at].lstrip().startswith("["):
            table = next(iter(given))
        own = next(iter(given), None)
        key = own if table is None or own is None else table
        yield _Part(list(lines[at:after]), key, table is not None)
        at = after


def _without(parts: Sequence[_Part], key: str, *, but: int | None) -> list[_Part]:
    """All but those that give `key`, of which the one at `but` stays. A remark in a table goes with what is below."""
    kept, above = list[_Part](), list[_Part]()
    for n, part in enumerate(parts):
        if part.key is None:
            above.append(part)
        elif part.key == key and n != but:
            if not part.in_table or part.lines[0].lstrip().startswith("["):
                kept += above
            above = []
        else:
            kept += [*above, part]
            above = []
    return kept + above


def _line(key: str, value: object) -> str:
    name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
    if isinstance(value, bool):
        return f"{name} = {str(value).lower()}"
    if isinstance(value, int | float):
        return f"{name} = {value}"
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    text.encode()  # raises UnicodeEncodeError, which is a ValueError, for half a character
    return f"{name} = {text}"


def write_beside(path: Path, content: str) -> Path:
    """Blocking: a file beside `path`, on the disk, of its owner's alone, that may take its place. Raises OSError."""
    fresh = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())
    return fresh


def aside(path: Path) -> Path:
    """Blocking: the name that it is given when it is put aside, which nothing has yet."""
    number, found = 1, path.with_name(f"{path.name}.before")
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}.before.{number}")
    return found


def put_aside(path: Path) -> Path:
    """Blocking: give it another name, which nothing has yet, and return that. Raises OSError."""
    return path.rename(aside(path))
