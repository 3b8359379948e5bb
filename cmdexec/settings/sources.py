"""Where values come from: each source read into one mapping field → raw value, with the faults of the source itself."""

import os
import select
import stat
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from io import FileIO, StringIO
from pathlib import Path

from cmdexec.settings.declare import Fault, Setting, Side
from cmdexec.settings.refused import NOT_PROVIDED, refused

_MAX_FILE_BYTES = 1024 * 1024
_PIPE_SEC = 5.0
"""How long a pipe may give nothing, in seconds: what writes into it may be a program that asks for a password store."""

_READ = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # none of them is there on every system
    _READ |= getattr(os, _flag, 0)

PRODUCTION = "production"

_PREFIX = "CMDEXEC_"
_PREFIXES = (_PREFIX, "SERVER_", "WORKER_")


@dataclass(slots=True)
class Source:
    """Raw values by field, not yet parsed. `label` is how people are told of it; `written_as` has the name of each
    value that was not given under the setting's own (an alias, a secret's file)."""

    label: str
    is_settings_file: bool = field(default=False, kw_only=True)
    values: dict[str, object] = field(default_factory=dict)
    written_as: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def key(self, setting: Setting) -> str:
        """What the setting's value is called in this source."""
        return self.written_as.get(setting.field, setting.field)

    def origin(self, setting: Setting) -> str:
        """Where this source has the setting's value from: `the environment`, `NODE_ENV in the environment`."""
        name = self.written_as.get(setting.field)
        return self.label if name is None else f"{name} in {self.label}"


def from_flags(declared: Sequence[Setting], flags: Mapping[str, object], label: str = "the command line") -> Source:
    """Values that the caller hands in by field; None and "" stand for a flag that was not given. An empty text that
    means something to other programs is a fault."""
    given = {setting.field: flags.get(setting.field) for setting in declared}
    source = Source(label, {name: raw for name, raw in given.items() if raw is not None and raw != ""})
    for setting in declared:
        if setting.empty is not None and given[setting.field] == "":
            source.faults.append(Fault(setting.name, "An empty text is none.", setting.empty, label))
    return source


def from_environment(side: Side, declared: Sequence[Setting], environ: Mapping[str, str], label: str) -> Source:
    """Variables by name, then by alias; of a secret also the file that `NAME_FILE` names."""
    source = Source(label)
    source.faults.extend(refused(side, environ, label))
    for setting in declared:
        given = [name for name in (setting.name, *setting.aliases) if environ.get(name)]
        if given:
            source.values[setting.field] = environ[given[0]]
            if given[0] != setting.name:
                source.written_as[setting.field] = given[0]
        for other in given[1:]:
            if environ[other] != environ[given[0]]:
                said = f"It says {environ[given[0]][:80]!r}, and {other}, another name of it, {environ[other][:80]!r}."
                source.faults.append(Fault(setting.name, said, "Keep one of them, or write the same in both.", label))
        if setting.secret:
            key = f"{setting.name}_FILE"
            _secret_file(source, setting, environ.get(key), key)
    return source


def from_file(
    side: Side, declared: Sequence[Setting], path: Path, *, named: str | None, elsewhere: Collection[str] = ()
) -> Source:
    """The settings file: TOML, flat, its keys the field names. A key that nobody declared is a fault.

    named      what asked for this file, such as `--config`: it must exist; None: it is the data folder's own
    elsewhere  keys that are for other sides, which may share the file; they are passed over
    """
    source = Source(str(path), is_settings_file=True)
    content = _read(path, source.faults, must_exist=named is not None, field_name=named, pipes=named is not None)
    if content is None:
        return source
    try:
        table = tomllib.loads(content)
    except (ValueError, RecursionError) as wrong:
        why = f": {wrong}" if isinstance(wrong, tomllib.TOMLDecodeError) else ""
        source.faults.append(Fault(named or path.name, f"{path} is not TOML{why}.", "Correct it there."))
        return source
    for setting in declared:
        if (raw := table.pop(setting.field, None)) not in (None, ""):
            source.values[setting.field] = raw
        if setting.secret:
            key = f"{setting.field}_file"
            _secret_file(source, setting, table.pop(key, None), key)
    if not named and source.values.pop("data_dir", None) is not None:
        message = f"{path} is found by way of DATA_DIR, so it cannot set it."
        source.faults.append(Fault("data_dir", message, "Set DATA_DIR, or --data-dir.", key="data_dir"))
    source.faults += [
        replace(fault, key=key) for key, raw in table.items() for fault in refused(side, {key.upper(): raw}, str(path))
    ]
    others = {key for key in table if key.upper() not in NOT_PROVIDED[side] and key not in elsewhere}
    fields = [setting.field for setting in declared]
    for key in (key for key in table if key in others):
        near = get_close_matches(key, fields, 1)
        mend = f"Did you mean {near[0]}? Else remove it." if near else "Remove it, or correct its name."
        source.faults.append(Fault(_printable(key), f"The {side} has no such setting.", mend, str(path), key))
    return source


def contradicted(declared: Sequence[Setting], sources: Sequence[Source]) -> list[Fault]:
    """A fault where one name of a setting asks for production and another name of it, elsewhere, does not: which is
    meant nobody can tell, and the guess would be unsafe. Of the same name the first of `sources` counts, as always."""
    found = []
    for setting in declared:
        if not setting.aliases or PRODUCTION not in setting.choices:
            continue
        first_by_name: dict[str, Source] = {}
        for source in (one for one in sources if setting.field in one.values):
            first_by_name.setdefault(source.written_as.get(setting.field, setting.name), source)
        values = {name: str(source.values[setting.field]).strip() for name, source in first_by_name.items()}
        if len({value.lower() == PRODUCTION for value in values.values()}) < 2:
            continue
        (name, here), (other, there) = list(first_by_name.items())[:2]
        said = (
            f"It says {values[name][:80]!r}, and {other} in {there.label}, another name of it, {values[other][:80]!r}."
        )
        mend = "Keep one of them, or write the same in both."
        found.append(Fault(setting.name, said, mend, here.origin(setting)))
    return found


def misspelt(names: Collection[str], known: Collection[str], label: str) -> list[Fault]:
    """What to warn of: names of `.env` that are no setting but look as if they were meant for one. All others in that
    file are somebody else's."""
    found = []
    for name in names:
        if name in known:
            continue
        near = [other for other in _nearly(name) if other in known][:1] or get_close_matches(
            name, known, 1, cutoff=0.75
        )
        if near or name.startswith("CMDEXEC_"):
            mend = f"Did you mean {near[0]}?" if near else "Remove it, or correct its name."
            found.append(Fault(_printable(name), "There is no such setting, so it counts for nothing.", mend, label))
    return found


def _nearly(name: str) -> list[str]:
    """The same with another prefix, or with none."""
    found = [f"{_PREFIX}{name}"]
    for before in _PREFIXES:
        if name.startswith(before):
            bare = name.removeprefix(before)
            found += [bare, f"{_PREFIX}{bare}"]
    return found


def prefixed(names: Collection[str], known: Collection[str], label: str) -> list[Fault]:
    """What to warn of: names that are those of settings but for our prefix, which these do not have. All others of the
    environment are somebody else's, or for jobs."""
    found = []
    for name in sorted(names):
        bare = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and name not in known and bare in known:
            message = "There is no such setting, so it counts for nothing."
            found.append(Fault(_printable(name), message, f"Did you mean {bare}?", label))
    return found


def _printable(key: str) -> str:
    return key[:80] if key.isprintable() else repr(key[:80])


def read_dotenv(path: Path, faults: list[Fault], warnings: list[Fault]) -> Mapping[str, str]:
    """The variables of a `.env` file, as written: nothing is interpolated, and the process's environment, which jobs
    could come to see, is left alone. Empty when there is no such file; a line that says nothing sensible is a fault; of
    a name that stands there twice the last counts, which is warned of."""
    content = _read(path, faults, must_exist=False)
    if content is None:
        return {}
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for binding in parse_stream(StringIO(content)):
        said = binding.original.string
        line = binding.original.line + said[: len(said) - len(said.lstrip())].count("\n")  # blank ones before it
        if binding.error or (binding.key is not None and binding.value is None):
            message = f"Line {line} is not of the form NAME=value."  # the line may hold a secret
            faults.append(Fault(path.name, message, "Correct it there."))
        elif binding.key and binding.value is not None:
            if binding.key in values:
                message = f"Lines {lines[binding.key]} and {line} both give it; the last counts."
                warnings.append(Fault(_printable(binding.key), message, "Keep one of them.", str(path)))
            lines[binding.key] = line
            values[binding.key] = binding.value
    return values


def _secret_file(source: Source, setting: Setting, named: object, key: str) -> None:
    """Take the secret from the file that `named` names, without the line end that editors add."""
    if not named:
        return
    own_key = key if source.is_settings_file else None
    if setting.field in source.values:
        message = f"Both it and {key} are set."
        source.faults.append(Fault(setting.name, message, "Keep one of them.", source.label, own_key))
        return
    if not isinstance(named, str):
        message = "This is not a path."
        source.faults.append(Fault(key, message, "Name the file that holds the secret.", source.label, own_key))
        return
    faults = list[Fault]()
    content = _read(Path(named), faults, must_exist=True, field_name=key)
    source.faults += [replace(fault, key=own_key) for fault in faults]
    if content is not None:
        source.values[setting.field] = content.removesuffix("\n").removesuffix("\r")
        source.written_as[setting.field] = key


class _NoFile(Exception):
    """It is a pipe."""


def _read(
    path: Path, faults: list[Fault], *, must_exist: bool, field_name: str | None = None, pipes: bool = True
) -> str | None:
    """The text of a file; None if there is none, and a fault if that, or anything else about it, is wrong. `pipes`: a
    pipe is taken for one."""
    name = field_name or path.name
    try:
        content = _content(path.expanduser(), pipes=pipes)
        if len(content) > _MAX_FILE_BYTES:
            faults.append(Fault(name, f"{path} is larger than 1 MiB.", "Name the right file."))
            return None
        return content.decode("utf-8-sig")  # some editors put their mark before it
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            faults.append(Fault(name, f"{path} does not exist.", "Name a file that does."))
    except UnicodeDecodeError:
        mend = "Name the right file." if must_exist else "Save it as UTF-8, or remove it."
        faults.append(Fault(name, f"{path} is not UTF-8 text.", mend))
    except TimeoutError:
        message = f"{path} is a pipe out of which nothing came within {_PIPE_SEC:g} s."
        faults.append(Fault(name, message, "Name a file." if must_exist else "Make it a file, or remove it."))
    except _NoFile:
        faults.append(Fault(name, f"{path} is no file.", "Make it a file, or remove it."))
    except OSError as wrong:
        if must_exist or os.path.lexists(path):  # else its folder is at fault, of which whoever opens that tells
            mend = "Make it a file that can be read, or remove it."
            if must_exist:
                mend = "Name a file that this user can read."
            faults.append(Fault(name, f"{path} cannot be read: {wrong.strerror}.", mend))
    except (ValueError, RuntimeError):
        faults.append(Fault(name, f"{str(path)!r} is not a path.", "Name the right file."))
    return None


def open_now(path: Path) -> FileIO:
    """Blocking, but not waiting for anybody: open it to be read, whatever it may be. Raises OSError, of which
    IsADirectoryError."""
    descriptor = os.open(path, _READ)
    try:
        return FileIO(descriptor)
    except OSError:
        os.close(descriptor)
        raise


def _content(path: Path, *, pipes: bool) -> bytes:
    """At most a byte more than a file may have. A shell's `<(…)` is a pipe: it is read as well, but not waited for
    without end. Raises OSError, of which TimeoutError; `_NoFile` where it is a pipe and none is taken."""
    content = bytearray()
    with open_now(path) as file:
        is_pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
        if is_pipe and not pipes:
            raise _NoFile
        while len(content) <= _MAX_FILE_BYTES:
            if is_pipe and not select.select([file], [], [], _PIPE_SEC)[0]:
                raise TimeoutError
            piece = file.read(_MAX_FILE_BYTES + 1 - len(content))
            if not piece:
                break
            content += piece
    return bytes(content)
