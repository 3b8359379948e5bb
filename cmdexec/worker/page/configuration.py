"""What can be set in the window: shown with where it comes from, checked as on the command line, and saved.

Everything here is blocking.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from cmdexec.settings.declare import Fault, Kind, Setting
from cmdexec.settings.load import DECLARED, SETTINGS_FILE, Loaded, SettingsError, load, written
from cmdexec.settings.parse import shown
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.needs import needs
from cmdexec.worker.page import settings_file

FORM = (
    "server_url", "worker_name", "slots", "cpu_limit", "ram_limit", "allow_host", "auto_start", "worker_token_secret",
)  # fmt: skip
"""The settings that the window's panel has, by field."""

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,12})?", re.ASCII)
_FIXED = ("the command line", "the environment")


class Field(msgspec.Struct, frozen=True, rename="camel"):
    """One of them. `value`: as it is written, true or false of a switch, None: not given; of a secret never, but
    whether it `isSet`. `fixed`: why it cannot be changed here. `usual`: what counts where it is unset."""

    name: str
    field: str
    value: str | bool | None
    is_set: bool
    fixed: str | None
    usual: str


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """A fault, of the setting `field` or the key of the file that is called so. `key`: what can be taken out of the
    settings file to mend it, exactly as it stands there, where the panel has no field for it."""

    field: str
    message: str
    mend: str
    key: str | None = None


class Saved(NamedTuple):
    """How saving went. `problems`: what is wrong, so that nothing was changed; `aside`: where a file that could not be
    read is now."""

    problems: list[Problem]
    aside: Path | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where this worker's settings come from.

    given   what its command line gave, by field
    config  the settings file that was named; None: the data folder's own
    """

    given: Mapping[str, object]
    config: Path | None = None

    def base(self) -> WorkerSettings:
        """The settings as if there were no settings file. Raises SettingsError."""
        return load(WorkerSettings, flags=self.given, config=Path(os.devnull)).settings

    def path(self, base: WorkerSettings) -> Path:
        """The settings file."""
        return self.config or base.data_dir / SETTINGS_FILE

    def load(self, more: Mapping[str, object], *, rejoin: bool) -> Loaded[WorkerSettings]:
        """The settings as they are now, with `more` as if it had been typed. Raises SettingsError."""
        also = (partial(needs, rejoin=rejoin),)
        return load(WorkerSettings, flags={**self.given, **more}, config=self.config, also=also)

    def unusable(self) -> list[Problem]:
        """What is wrong with the settings by themselves, whatever a worker lacks beyond that."""
        return _problems(self, None, self.given)

    def puts_aside(self, base: WorkerSettings) -> Path | None:
        """Where the next `save` puts the settings file, since it cannot be read as one; None: it need not. Raises
        OSError."""
        path = self.path(base)
        try:
            settings_file.read(path)
        except settings_file.Unreadable:
            return settings_file.aside(path)
        return None

    def fields(self) -> list[Field]:
        """What the panel shows."""
        given = written(WorkerSettings, flags=self.given, config=self.config)
        return [_field(setting, *given.get(setting.field, (None, None))) for setting in _form()]

    def refused(self, more: Mapping[str, object]) -> list[Problem]:
        """What would be wrong with `more` if it were typed."""
        return [one for one in _problems(self, None, {**self.given, **more}) if one.field.lower() in more]

    def save(self, base: WorkerSettings, values: Mapping[str, object]) -> Saved:
        """Write `values`, by key of the settings file, into it; None takes one out. If anything is wrong, nothing was
        changed. A file that cannot be read as one is put aside first. Raises OSError."""
        unknown = [key for key, value in values.items() if value is not None and key not in FORM]
        if unknown:
            return Saved([Problem(key, "This cannot be set here.", "Take it out.", key) for key in unknown])
        path, spoilt = self.path(base), False
        try:
            content, table = settings_file.read(path)
        except settings_file.Unreadable:
            content, table, spoilt = "", {}, True
        kinds = {setting.field: setting.kind for setting in _form()}
        plain = {key: _plain(kinds.get(key), value) for key, value in values.items()}
        try:
            fresh = settings_file.write_beside(path, settings_file.changed(content, table, plain))
        except settings_file.TooElaborate:
            said = "This file is too elaborate for that to be changed here."
            return Saved([Problem(path.name, said, f"Edit {path}.")])
        except ValueError as wrong:
            return Saved([Problem(next(iter(values)).upper(), str(wrong), "Write plain text.")])
        problems = _problems(self, fresh, self.given)
        problems = problems or self._of_another_server(fresh, plain)
        if problems:
            fresh.unlink()
            return Saved(problems)
        aside = settings_file.put_aside(path) if spoilt else None
        fresh.replace(path)
        return Saved([], aside)

    def _of_another_server(self, fresh: Path, values: Mapping[str, object]) -> list[Problem]:
        """A worker that has joined one server cannot be told of another by its address alone."""
        if values.get("server_url") is None:
            return []
        try:
            load(WorkerSettings, flags=self.given, config=fresh, also=(needs,))
        except SettingsError as wrong:
            return [_problem(fault) for fault in wrong.faults if fault.field == "SERVER_URL"]
        return []


def problems_of(wrong: SettingsError) -> list[Problem]:
    """Its faults, as the window shows them."""
    return [_problem(fault) for fault in wrong.faults]


def _problems(of: Configuration, config: Path | None, given: Mapping[str, object]) -> list[Problem]:
    try:
        load(WorkerSettings, flags=given, config=config or of.config)
    except SettingsError as wrong:
        return problems_of(wrong)
    return []


def _problem(fault: Fault) -> Problem:
    key = None if fault.key in FORM else fault.key
    has_field = any(setting.name == fault.field for setting in _form())
    elsewhere = fault.origin is not None and fault.origin.endswith((*_FIXED, ".env")) and not has_field
    mend = f"{fault.mend} It is set by {fault.origin}." if elsewhere else fault.mend
    return Problem(fault.field, fault.message, mend, key)


def _form() -> list[Setting]:
    by_field = {setting.field: setting for setting in DECLARED["worker"]}
    return [by_field[field] for field in FORM]


def _field(setting: Setting, origin: str | None, raw: object) -> Field:
    fixed = None
    if origin is not None and (origin.endswith(_FIXED) or origin.endswith(".env")):
        fixed = f"Set by {origin}, which counts before what is saved here."
    value: str | bool | None
    if setting.secret:
        value = None
    elif setting.kind is Kind.BOOLEAN:
        value = raw if isinstance(raw, bool) else str(raw).strip().lower() in ("true", "1", "yes", "on")
    else:
        value = None if raw is None else str(raw)
    usual = shown(setting, setting.default_for("worker"))
    return Field(setting.name, setting.field, value, raw is not None, fixed, usual)


def _plain(kind: Kind | None, value: object) -> object:
    """A number as one, where it is written so; an empty text is none at all."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if kind in (Kind.INTEGER, Kind.NUMBER) and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text or None
