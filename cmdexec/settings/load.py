"""From flags, environment, `.env`, settings file and defaults to one frozen object; all faults are told at once.

Precedence: flags > environment > `.env` > settings file (`cmdexec.toml`, keys are the field names) > default.
An empty text counts as not given. Variables of the environment that nobody declared are none of our business, but what
is a setting's name behind `CMDEXEC_` is warned of; those of `.env` are warned of if they look misspelt; keys of the
settings file that nobody declared are faults. What is for other sides is passed over: one file may serve server and
worker. Each secret may stand in a file of its own, named by `…_FILE`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar, cast

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.settings.client import CLIENT, CLIENT_CHECKS, ClientSettings
from cmdexec.settings.declare import Check, Fault, Given, Setting, Side, Value
from cmdexec.settings.parse import parse, shown, wanted
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.server_checks import SERVER_CHECKS, SERVER_WARNINGS
from cmdexec.settings.server_declared import SERVER
from cmdexec.settings.shared_checks import placeholders
from cmdexec.settings.sources import (
    Source,
    contradicted,
    from_environment,
    from_file,
    from_flags,
    misspelt,
    prefixed,
    read_dotenv,
)
from cmdexec.settings.worker import WORKER, WorkerSettings
from cmdexec.settings.worker_checks import WORKER_CHECKS, WORKER_WARNINGS

DECLARED: dict[Side, tuple[Setting, ...]] = {"server": SERVER, "worker": WORKER, "client": CLIENT}
_CHECKS: dict[Side, tuple[Check, ...]] = {"server": SERVER_CHECKS, "worker": WORKER_CHECKS, "client": CLIENT_CHECKS}
_WARNINGS: dict[Side, tuple[Check, ...]] = {"server": SERVER_WARNINGS, "worker": WORKER_WARNINGS, "client": ()}

SETTINGS_FILE = "cmdexec.toml"
"""The settings file that is read from the data folder when no other is named."""

_DEFAULT = "the default"

S = TypeVar("S", bound=ServerSettings | WorkerSettings | ClientSettings)


class SettingsError(CmdexecError):
    """The settings cannot be used. `faults` holds everything that is wrong, in the order of the declarations."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("bad_settings", "\n".join(str(fault) for fault in faults), field=faults[0].field)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `describe`: what it is called, where its value came from, and the value (a secret's is hidden)."""

    name: str
    origin: str
    shown: str


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """The settings, where each came from (by field), and what to warn of: it can be used, and is hardly meant so."""

    settings: S
    origins: Mapping[str, str]
    warnings: tuple[Fault, ...] = ()

    def is_given(self, field: str) -> bool:
        """Whether somebody set it."""
        return self.origins[field] != _DEFAULT

    def log_to(self, log: Log) -> None:
        """Say it all to those who look closely."""
        for row in self.describe():
            log.debug("setting", name=row.name, value=row.shown, origin=row.origin)

    def describe(self) -> list[Row]:
        """A row for each setting, in the order of the declarations; no row holds a secret."""
        return [
            Row(setting.name, self.origins[setting.field], shown(setting, getattr(self.settings, setting.field)))
            for setting in DECLARED[self.settings.side]
        ]


def load(
    kind: type[S],
    *,
    flags: Mapping[str, object] | None = None,
    flags_of: str = "the command line",
    environ: Mapping[str, str] | None = None,
    dotenv: Path | None = Path(".env"),
    config: Path | None = None,
    config_of: str = "--config",
    also: Sequence[Check] = (),
) -> Loaded[S]:
    """The settings of one side: `load(ServerSettings, flags={"port": 0})`.

    flags    by field, None where not given
    flags_of   where those are from, as faults name it
    environ  the process's when None
    dotenv   need not exist; the client reads none
    config   must exist; when None, `cmdexec.toml` in the data folder is read if it is there, but not by the client: a
             folder that somebody else filled must not decide where its token is sent
    config_of  what names `config`: the field of the faults of that file
    also     rules of the caller's own, so that what they find is told together with the rest

    Raises SettingsError with every fault.
    """
    faults, warnings = list[Fault](), list[Fault]()
    named = (flags_of, config_of)
    sources = _sources(kind.side, flags, environ, dotenv, config, named, faults, warnings)
    return _resolve(kind, sources, faults, warnings, also)


def written(
    kind: type[S], *, flags: Mapping[str, object] | None = None, config: Path | None = None
) -> Mapping[str, tuple[str, object]]:
    """What is given of the settings of one side, rightly or not, as `load` would take it: where it stands and what
    stands there, by field. For those who show settings of which some cannot be used."""
    sources = _sources(kind.side, flags, None, Path(".env"), config, ("the command line", "--config"), [], [])
    given: dict[str, tuple[str, object]] = {}
    for source in sources:
        for setting in DECLARED[kind.side]:
            if setting.field in source.values:
                given.setdefault(setting.field, (source.origin(setting), source.values[setting.field]))
    return given


def _sources(
    side: Side, flags: Mapping[str, object] | None, environ: Mapping[str, str] | None, dotenv: Path | None,
    config: Path | None, named: tuple[str, str], faults: list[Fault], warnings: list[Fault],
) -> list[Source]:  # fmt: skip
    """Where `load` takes values from, the first that has one counts. `named`: its `flags_of` and `config_of`."""
    flags_of, config_of = named
    declared = DECLARED[side]
    sources = [from_flags(declared, flags or {}, flags_of)]
    variables = os.environ if environ is None else environ
    sources.append(from_environment(side, declared, variables, "the environment"))
    warnings += prefixed(variables, [setting.name for setting in declared], "the environment")
    if dotenv is not None and side != "client":
        written = read_dotenv(dotenv, faults, warnings)
        sources.append(from_environment(side, declared, written, str(dotenv)))
        warnings += misspelt(written, _every_name(), str(dotenv))
    others = {name.lower().removeprefix("cmdexec_") for name in _every_name()}
    if config is not None:
        sources.append(from_file(side, declared, config, named=config_of, elsewhere=others))
    elif side != "client" and (folder := _data_dir(side, sources)) is not None:
        sources.append(from_file(side, declared, folder / SETTINGS_FILE, named=None, elsewhere=others))
    return sources


def _every_name() -> list[str]:
    """All names under which any side may be given a setting, those that are not provided yet included."""
    found = []
    for side, declared in DECLARED.items():
        for setting in declared:
            found += [setting.name, *setting.aliases, *([f"{setting.name}_FILE"] if setting.secret else [])]
        found += NOT_PROVIDED[side]
    return found


def make(kind: type[S], **values: object) -> S:
    """The settings of one side from `values` (by field) and defaults alone; checked like any others.

    For code that has no command line: `make(ServerSettings, lease_sec=3, heartbeat_sec="500ms")`.
    """
    source = from_flags(DECLARED[kind.side], values, "the caller")
    unknown = sorted(values.keys() - {setting.field for setting in DECLARED[kind.side]})
    faults = [Fault(name, "There is no such setting.", "Use a field of the settings.") for name in unknown]
    return _resolve(kind, [source], faults, []).settings


def _data_dir(side: Side, sources: Sequence[Source]) -> Path | None:
    """Where the settings file is looked for: the data folder as the sources above that file have it."""
    setting = next(setting for setting in DECLARED[side] if setting.name == "DATA_DIR")
    given = next((source.values[setting.field] for source in sources if setting.field in source.values), None)
    try:
        return cast(Path, setting.default_for(side) if given is None else parse(setting, given))
    except ValueError:
        return None  # told when everything is resolved


def _resolve(
    kind: type[S], sources: Sequence[Source], faults: list[Fault], warnings: list[Fault], also: Sequence[Check] = ()
) -> Loaded[S]:
    """The settings from `sources`, the first that has a value wins; `faults` and `warnings`: those found so far."""
    declared = DECLARED[kind.side]
    for source in sources:
        faults.extend(source.faults)
    faults.extend(contradicted(declared, sources))
    values = Given(name for source in sources for name in source.values)
    origins, keys = dict[str, str](), dict[str, str]()
    for setting in declared:
        from_where = next((source for source in sources if setting.field in source.values), None)
        origins[setting.field] = _DEFAULT if from_where is None else from_where.origin(setting)
        if from_where is not None and from_where.is_settings_file:
            keys[setting.name] = from_where.key(setting)
        try:
            if from_where is None:
                values[setting.field] = setting.default_for(kind.side)
            else:
                values[setting.field] = parse(setting, from_where.values[setting.field])
        except ValueError as wrong:
            faults.append(Fault(setting.name, str(wrong), wanted(setting), origins[setting.field]))
    faults.extend(_broken_relations(declared, values, origins, keys))
    fields = {setting.name: setting.field for setting in declared}

    def found(checks: Sequence[Check]) -> list[Fault]:
        return [fault.found_in(origins[fields[fault.field]]) for check in checks for fault in check(values)]

    placed, severe = placeholders(declared, values)
    known = [fault.found_in(origins[fields[fault.field]]) for fault in placed]
    faults += found(_CHECKS[kind.side]) + (known if severe else [])
    for fault in (fault for check in also for fault in check(values)):
        origin = origins.get(fields.get(fault.field, ""), _DEFAULT)
        faults.append(fault if origin == _DEFAULT else fault.found_in(origin))
    if faults:
        order = {setting.name: place for place, setting in enumerate(declared)}
        named = [replace(fault, key=keys.get(fault.field) if fault.key is None else fault.key) for fault in faults]
        raise SettingsError(sorted(named, key=lambda fault: order.get(fault.field, -1)))
    warnings += found(_WARNINGS[kind.side]) + known
    return Loaded(cast("Callable[..., S]", kind)(**values), origins, tuple(warnings))


def _broken_relations(
    declared: Sequence[Setting], values: Mapping[str, Value], origins: Mapping[str, str], keys: Mapping[str, str]
) -> list[Fault]:
    """`keys`: of the settings file, by name of those that stand there."""
    by_name = {setting.name: setting for setting in declared}
    faults = []
    for setting in declared:
        relation = setting.relation
        other = by_name.get(relation.other) if relation is not None else None
        if relation is None or other is None or setting.field not in values or other.field not in values:
            continue  # a faulty value is told of by itself; the other side's settings are checked over there
        own, bound = values[setting.field], values[other.field]
        if own is None or bound is None:
            continue
        if relation.holds(setting.in_base_unit(cast(float, own)), other.in_base_unit(cast(float, bound))):
            continue
        times = f"{relation.times:g} times " if relation.times != 1 else ""
        message = (
            f"{times}{setting.name} must be {'less than' if relation.strict else 'at most'} {other.name}: it is "
            f"{shown(setting, own)}, {other.name} is {shown(other, bound)} (from {origins[other.field]})."
        )
        mend = f"Lower {setting.name} or raise {other.name}."
        key = keys.get(setting.name) or keys.get(other.name)
        faults.append(Fault(setting.name, message, mend, origins[setting.field], key))
    return faults
