"""`.env.example`, made from the declarations: `python -m cmdexec.settings.document --env > .env.example`."""

from collections.abc import Sequence
from textwrap import dedent, wrap

from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.facts import default_of, facts_of
from cmdexec.settings.parse import shown
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server_declared import SERVER
from cmdexec.settings.worker import WORKER

_WIDTH = 100

_START = """\
    # Settings of cmdexec. Made by `python -m cmdexec.settings.document --env > .env.example`.
    #
    # Copy this file to `.env` in the folder in which `cmdexec serve` or `cmdexec worker` starts, and remove the `#`
    # in front of what you want to change. Both may read the same file: each takes what is its own. As it stands it
    # changes nothing: every line shows the default, and an empty value counts as not given. A flag and a variable of
    # the environment go before this file, the settings file comes after it. docs/settings.md says more.
    #
    # Keep secrets out of version control. Each may stand in a file of its own instead: NAME_FILE=/run/secrets/name.
    """


def env_example() -> str:
    """The whole file."""
    both = [setting for setting in SERVER if "worker" in setting.sides]
    parts = [dedent(_START)]
    sections: tuple[tuple[str, Side, Sequence[Setting]], ...] = (
        ("Server and worker", "server", both),
        ("The server: cmdexec serve", "server", [setting for setting in SERVER if setting not in both]),
        ("The worker: cmdexec worker", "worker", [setting for setting in WORKER if setting not in both]),
    )
    for title, side, declared in sections:
        parts.append(f"# ==== {title}\n")
        parts += [_entry(setting, side) for setting in declared]
    parts.append("# ==== Known, refused while they ask for something, and not provided yet\n")
    parts.append(
        "".join(_comment(f"{name}: {said}") for names in NOT_PROVIDED.values() for name, said in names.items())
    )
    return "\n".join(parts)


def written(setting: Setting, side: Side) -> str:
    """The default as it can be written; empty where there is none, or one that depends on the machine."""
    if callable(setting.default) or setting.default in (None, ()):
        return ""
    text = shown(setting, setting.default_for(side))
    return text.replace(" ", "").removesuffix("bytes") if setting.kind in (Kind.DURATION, Kind.SIZE) else text


def _entry(setting: Setting, side: Side) -> str:
    facts = facts_of(setting)
    if not written(setting, side):
        facts.insert(0, f"Default: {default_of(setting, side)}.")
    if setting.aliases:
        facts.append(f"Also read as {', '.join(setting.aliases)}.")
    if setting.flag:
        facts.append(f"As a flag: {setting.flag}.")
    said = " ".join([setting.help, *facts]).replace("`", "")
    return f"{_comment(said)}# {setting.name}={written(setting, side)}\n"


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in wrap(text, _WIDTH, break_on_hyphens=False))
