"""What a worker was given at the start at which it joined, and has from then on: its name and its labels.

They stand in the settings file of its data folder, so that they are seen, and changed, where other settings are.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cmdexec.settings.load import SETTINGS_FILE
from cmdexec.system.files import CLOSED_ON_EXEC

KEPT = ("worker_name", "labels")
"""Fields of the settings that are kept."""

_MADE = "# Given when this worker joined. An option or a variable of the environment counts before what stands here.\n"


def keep_settings(folder: Path, given: Mapping[str, object]) -> Path | None:
    """Blocking: write `given`, texts and lists of texts by field, into the settings file of `folder`. None: there is
    one already that somebody else has written, which stays as it is. Raises OSError."""
    path = folder / SETTINGS_FILE
    if path.exists() and not path.read_bytes().startswith(_MADE.encode()):
        return None
    lines = [f"{field} = {_toml(value)}\n" for field, value in given.items()]
    fresh = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | CLOSED_ON_EXEC, 0o600), "wb") as file:
        file.write("".join([_MADE, *lines]).encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return path


def _toml(value: object) -> str:
    """Text that can be printed is in TOML as in JSON (TOML 1.0.0, Basic strings), and so are lists of it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
