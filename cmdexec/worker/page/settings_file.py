"""Changing single settings in a settings file that people write as well: what stands beside them stays as it is."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_MADE = "# Saved by the worker's window. An option or a variable of the environment counts before what stands here.\n"


class Unreadable(Exception):
    """The file is no TOML, or no text, so that nothing in it can be changed."""


def read(path: Path) -> tuple[str, dict[str, object]]:
    """Blocking: the file, as text and as what it says; nothing where there is none. Raises OSError, Unreadable."""
    try:
        content = path.read_bytes().decode()
        return content, tomllib.loads(content)
    except FileNotFoundError:
        return "", {}
    except (ValueError, RecursionError) as wrong:
        raise Unreadable from wrong


def changed(content: str, table: Mapping[str, object], values: Mapping[str, object]) -> str:
    """`content`, which says `table`, with `values` in it (None: not given there any more). Comments stay where a key
    takes one line; a file in which one takes more is written anew. Raises ValueError where a value cannot be written.
    """
    wanted = {key: value for key, value in {**table, **values}.items() if value is not None}
    lines = [line for line in content.splitlines() if line.strip() or content]
    for key, value in values.items():
        at = next((n for n, line in enumerate(lines) if re.match(rf"\s*{re.escape(key)}\s*=", line)), None)
        if value is None:
            if at is not None:
                del lines[at]
        elif at is not None:
            lines[at] = _line(key, value)
        else:
            first = next((n for n, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
            lines.insert(first, _line(key, value))
    edited = "\n".join(lines) + "\n" if lines else ""
    with suppress(ValueError):
        if tomllib.loads(edited) == wanted:
            return edited if content else _MADE + edited
    anew = _MADE + "".join(f"{_line(key, value)}\n" for key, value in wanted.items())
    if tomllib.loads(anew) != wanted:
        raise ValueError("This cannot be written into a settings file.")
    return anew


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


def put_aside(path: Path) -> Path:
    """Blocking: give it another name, which nothing has yet, and return that. Raises OSError."""
    number, aside = 1, path.with_name(f"{path.name}.before")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.before.{number}")
    return path.rename(aside)
