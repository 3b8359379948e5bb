"""The command line's options, made from the declarations as plain data; the command line turns each into one option.

Every option hands on the text as it was written: `load` parses it, so a fault reads the same wherever it was made.
"""

from dataclasses import dataclass

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.facts import default_of
from cmdexec.settings.load import DECLARED
from cmdexec.settings.parse import bounds_of


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. `option` is `--port`, of a switch `--allow-host/--no-allow-host`; `parameter` is the setting's field,
    the key under which `load(flags=…)` takes the value: a str, of a switch a bool, None when it was not given."""

    option: str
    parameter: str
    switch: bool
    metavar: str | None
    help: str


def flags(side: Side) -> tuple[Flag, ...]:
    """An option for each setting of `side` that has a flag, in the order of the declarations."""
    return tuple(_flag(setting, side) for setting in DECLARED[side] if setting.flag is not None)


def _flag(setting: Setting, side: Side) -> Flag:
    name = str(setting.flag)
    switch = setting.kind is Kind.BOOLEAN
    bounds = "" if switch or setting.choices else bounds_of(setting)
    facts = [setting.name, *([bounds] if bounds else []), f"default: {default_of(setting, side)}"]
    metavar = "|".join(setting.choices) if setting.choices else setting.kind.upper()
    return Flag(
        option=f"{name}/--no-{name.removeprefix('--')}" if switch else name,
        parameter=setting.field,
        switch=switch,
        metavar=None if switch else metavar,
        help=f"{setting.help} [{'; '.join(facts)}]",
    )
