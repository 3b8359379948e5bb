"""What a setting is. The declarations are data: flags, checks, help and documentation are all made from them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

Side = Literal["server", "worker", "client"]


class Kind(StrEnum):
    """How a value is written and what it becomes.

    Numbers become a float. Durations become a float and sizes an int, both in the setting's `unit`; a list becomes a
    tuple of str.
    """

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    DURATION = "duration"
    SIZE = "size"
    PATH = "path"
    URL = "url"
    LIST = "list"


Value = object
"""A parsed setting: str, bool, int, float, `Path`, `tuple[str, ...]` or None."""

Computed = Callable[[Side], Value]
"""A default that depends on the machine or on the side that asks; worked out when settings are loaded. Its docstring is
one sentence, which documentation shows in place of a value."""


@dataclass(frozen=True, slots=True)
class Relation:
    """`times` × the setting must be at most (`strict`: less than) the setting named `other`, in the same unit."""

    other: str
    times: float = 1.0
    strict: bool = False

    def holds(self, own: float, other: float) -> bool:
        """Whether the two values, in the same unit, are so."""
        return own * self.times < other or (own * self.times == other and not self.strict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    `name` is the environment variable; the field, the key in the settings file and the click option's parameter are
    `field`. `minimum` and `maximum` are inclusive, in `unit`; of a text they bound the length in UTF-8 bytes, of a list
    the number of items. `default` may be None: then the setting is optional and `help` says what unset means. `mend`
    says what to write instead of a value that cannot be, where kind and bounds do not. `empty` says what to write
    instead of an empty flag, where that means something to other programs; None: such a flag counts as not given.
    """

    name: str
    kind: Kind
    default: Value | Computed
    help: str
    sides: frozenset[Side]
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    flag: str | None = None
    relation: Relation | None = None
    aliases: tuple[str, ...] = ()
    mend: str | None = None
    empty: str | None = None

    @property
    def field(self) -> str:
        """`LEASE_SEC` → `lease_sec`; our own prefix is dropped: `CMDEXEC_TOKEN` → `token`."""
        return self.name.lower().removeprefix("cmdexec_")

    def default_for(self, side: Side) -> Value:
        """The default as `side` gets it."""
        return self.default(side) if callable(self.default) else self.default

    def in_base_unit(self, value: float) -> float:
        """`value` in seconds for durations, else as it is: so that settings of different units compare."""
        return value / 1000 if self.unit == "ms" else value


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the settings: of what, what is wrong, what to do about it, and where it was written. `key`:
    of the settings file, exactly as it stands there, where that is to blame."""

    field: str
    message: str
    mend: str
    origin: str | None = None
    key: str | None = None

    def found_in(self, origin: str) -> "Fault":
        """The same, with where it was written."""
        return replace(self, origin=origin)

    def __str__(self) -> str:
        where = f" (from {self.origin})" if self.origin else ""
        return f"{self.field}{where}: {self.message} {self.mend}"


class Given(dict[str, Value]):
    """The parsed values by field, faulty ones missing. `named`: the fields that some source gives, rightly or not."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        super().__init__()
        self.named = frozenset(named)


Check = Callable[[Given], Iterable[Fault]]
"""A rule over several settings that no `Relation` can say. The `field` of its faults is the name of a setting of that
side."""
