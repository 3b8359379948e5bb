"""From what a person wrote to a value: one function a kind, each raising ValueError with a sentence about the value."""

import re
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from urllib.parse import urlsplit

from cmdexec.settings.declare import Kind, Setting, Value
from cmdexec.settings.examples import easy_to_guess, from_guide

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d{1,18})\s*(b|kib|mib|gib|tib)?", re.ASCII | re.IGNORECASE)
_BYTES = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_MB = {"mb": 1, "mib": 1, "gb": 1 << 10, "gib": 1 << 10}
"""What may be written behind a number of MB of 2^20 bytes."""
_LARGER = {
    "s": (("d", 86400), ("h", 3600)),
    "bytes": (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)),
}
_LARGEST = 1 << 63
_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}

_EXAMPLES = {
    Kind.TEXT: "text",
    Kind.BOOLEAN: "true or false",
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number such as 2 or 0.5",
    Kind.DURATION: "a duration such as 10, 10s, 500ms, 5m or 24h",
    Kind.SIZE: "a size such as 65536, 64KiB or 1GiB",
    Kind.PATH: "a path",
    Kind.URL: "an address such as https://cmdexec.example.com",
    Kind.LIST: "names with commas between them",
}


def parse(setting: Setting, raw: object) -> Value:
    """`raw` (text, or a value of the settings file or of a caller) as the setting's value, within its bounds.

    Raises ValueError with a sentence about what is wrong; for a secret the sentence does not hold the value.
    """
    value = _PARSERS[setting.kind](setting, raw)
    _bounded(setting, value)
    return value


def wanted(setting: Setting) -> str:
    """What may be written, as a sentence: made from the declaration."""
    if setting.mend is not None:
        return setting.mend
    if setting.choices:
        return f"Write one of: {', '.join(setting.choices)}."
    if setting.secret:
        return f"Give {setting.minimum:g} bytes or more that nobody can guess, or name a file in {setting.name}_FILE."
    bounds = bounds_of(setting)
    return f"Write {_EXAMPLES[setting.kind]}{', ' if bounds else ''}{bounds}."


def bounds_of(setting: Setting) -> str:
    """`from 0.3 to 86400 s`; empty where the setting has no bounds."""
    counted = {Kind.TEXT: " bytes long", Kind.LIST: " items"}.get(setting.kind, "")
    low = None if setting.minimum is None else _amount(setting.minimum, setting.unit)
    high = None if setting.maximum is None else _amount(setting.maximum, setting.unit)
    if high is None:
        return "" if low is None else f"at least {low}{counted}"
    return f"at most {high}{counted}" if low is None else f"from {low} to {high}{counted}"


def shown(setting: Setting, value: Value) -> str:
    """A parsed value as people read it; a secret's is hidden."""
    if value is None:
        return "unset"
    if setting.secret:
        return "set (hidden)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return _amount(value, setting.unit) if isinstance(value, int | float) else str(value)


def _amount(value: float, unit: str | None) -> str:
    """A number in the largest unit in which it is whole, as it could be written: `8 MiB`, `24 h`, `0.25 s`."""
    for larger, size in _LARGER.get(unit or "", ()):
        if value >= size and value % size == 0:
            return f"{int(value // size)} {larger}"
    number = str(int(value)) if value == int(value) else str(value)
    return f"{number} {unit}" if unit else number


def _quoted(raw: object) -> str:
    """`raw` within a sentence: as people write it, on one line, and no longer than a line."""
    if isinstance(raw, bool):
        text = str(raw).lower()
    elif isinstance(raw, int) and abs(raw) >= _LARGEST:
        text = "This"
    elif isinstance(raw, dict | list | tuple):
        text = "A table" if isinstance(raw, dict) else "A list"
    else:
        text = str(raw) if isinstance(raw, date | time) else repr(raw)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _text(setting: Setting, raw: object) -> str:
    text = raw if isinstance(raw, str) else None
    if text is None:
        raise ValueError("This is not text.")
    if setting.secret:
        return _secret(text, chosen=setting.mend is None)
    if setting.choices:
        if text.strip().lower() not in setting.choices:
            raise ValueError(f"{_quoted(text)} is none of the choices.")
        return text.strip().lower()
    if not text.isprintable():
        raise ValueError(f"{_quoted(text)} holds characters that cannot be printed.")
    return text


def _secret(raw: str, *, chosen: bool) -> str:
    """`chosen`: by a person, who may have taken one that is easy to guess."""
    if chosen and easy_to_guess(raw):
        raise ValueError("This is an example, or easy to guess.")
    if not raw.isprintable():
        raise ValueError("A secret is one line of text that can be printed.")
    return raw


def _boolean(_setting: Setting, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _TRUTH:
        return _TRUTH[raw.strip().lower()]
    raise ValueError(f"{_quoted(raw)} is neither true nor false.")


def _integer(setting: Setting, raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if setting.unit == "MB" and isinstance(raw, str):
        match = re.fullmatch(r"(\d{1,12})\s*(mb|mib|gb|gib)", raw.strip().lower(), re.ASCII)
        if match is not None:
            return int(match[1]) * _MB[match[2]]
    if isinstance(raw, str) and re.fullmatch(r"-?\d{1,18}", raw.strip(), re.ASCII):
        return int(raw)
    raise ValueError(f"{_quoted(raw)} is not a whole number.")


def _number(_setting: Setting, raw: object) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and -_LARGEST < raw < _LARGEST:
        return float(raw)
    if isinstance(raw, str) and re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?", raw.strip(), re.ASCII):
        return float(raw)
    raise ValueError(f"{_quoted(raw)} is not a number.")


def _duration(setting: Setting, raw: object) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        if not -_LARGEST < raw < _LARGEST:  # NaN and infinity too; and float() of a huge int overflows
            raise ValueError(f"{_quoted(raw)} is not a duration.")
        return float(raw)
    match = _DURATION.fullmatch(raw.strip().lower()) if isinstance(raw, str) else None
    if match is None:
        raise ValueError(f"{_quoted(raw)} is not a duration.")
    number, suffix = float(match[1]), match[2]
    if suffix is None:
        return number
    return number if suffix == setting.unit else number * _SECONDS[suffix] / _SECONDS[setting.unit or "s"]


def _size(_setting: Setting, raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    match = _SIZE.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None:
        raise ValueError(f"{_quoted(raw)} is not a size.")
    return int(match[1]) * _BYTES[(match[2] or "b").lower()]


def _path(_setting: Setting, raw: object) -> Path:
    if not isinstance(raw, str | Path) or not str(raw) or not str(raw).isprintable():
        raise ValueError(f"{_quoted(raw)} is not a path.")
    try:
        return Path(raw).expanduser().absolute()
    except RuntimeError as unknown_home:
        raise ValueError(f"{_quoted(str(raw))} names a home folder that is not known.") from unknown_home


def _url(_setting: Setting, raw: object) -> str:
    text = raw.strip() if isinstance(raw, str) else ""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(f"{_quoted(raw)} is not the address of a server.") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("An address holds no password here.")
    if not sound or not text.isprintable() or " " in text:
        raise ValueError(f"{_quoted(raw)} is not the address of a server.")
    if parts.query or parts.fragment:
        raise ValueError(f"{_quoted(raw)} goes on after the path.")
    return text.rstrip("/")


def _list(_setting: Setting, raw: object) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return tuple(part.strip() for part in parts if part.strip())
    is_list = isinstance(raw, list | tuple)
    raise ValueError("This list does not hold names alone." if is_list else f"{_quoted(raw)} is not a list of names.")


_PARSERS: dict[Kind, Callable[[Setting, object], Value]] = {
    Kind.TEXT: _text,
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.DURATION: _duration,
    Kind.SIZE: _size,
    Kind.PATH: _path,
    Kind.URL: _url,
    Kind.LIST: _list,
}


def _bounded(setting: Setting, value: Value) -> None:
    """Raise ValueError if the value's size, or its length in bytes or items, is outside the setting's bounds."""
    if isinstance(value, bool) or (setting.secret and isinstance(value, str) and from_guide(value)):
        return
    if isinstance(value, str):
        measured: float = len(value.encode("utf-8", "surrogatepass"))
        said = f"{measured} bytes" if setting.secret else _quoted(value)
    elif isinstance(value, tuple):
        measured, said = len(value), f"A list of {len(value)}"
    elif isinstance(value, int | float):
        measured, said = value, _amount(value, setting.unit) if abs(value) < _LARGEST else "This"
    else:
        return
    if setting.minimum is not None and measured < setting.minimum:
        raise ValueError(f"{said} is too {'short' if isinstance(value, str | tuple) else 'small'}.")
    if setting.maximum is not None and measured > setting.maximum:
        raise ValueError(f"{said} is too {'long' if isinstance(value, str | tuple) else 'large'}.")
