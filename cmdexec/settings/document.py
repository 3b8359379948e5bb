"""`docs/settings.md`, made from the declarations: `python -m cmdexec.settings.document > docs/settings.md`; and with
`--env`, `.env.example`."""

import sys
from collections.abc import Sequence
from textwrap import dedent

from cmdexec.settings.client import CLIENT
from cmdexec.settings.declare import Setting, Side
from cmdexec.settings.env_file import env_example
from cmdexec.settings.facts import default_of, facts_of
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server_declared import SERVER
from cmdexec.settings.shared import SHARED
from cmdexec.settings.worker import WORKER

_START = """\
    # Settings

    <!-- Made by `python -m cmdexec.settings.document > docs/settings.md`; edit the declarations, not this file. -->

    A setting is given by a flag, a variable of the environment, a line in `.env`, or a line in the settings file; the
    first of these that has it counts, then the default. `.env` is read from the folder in which `cmdexec serve` or
    `cmdexec worker` starts, other commands read none; `.env.example` shows all that may stand in it. The settings file
    is `cmdexec.toml` in the data folder, or what `--config FILE` names; a key in it is a setting's name in small
    letters, without `CMDEXEC_` in front.

    - An empty text counts as not given.
    - Durations: `10`, `10s`, `500ms`, `5m`, `24h`, `7d`; a bare number is in the setting's own unit.
    - Sizes: `65536`, `64KiB`, `8MiB`, `1GiB`; a bare number is in bytes.
    - Lists: `a, b, c`, or a list in the settings file. Switches: `true` or `false`.
    - A secret may also stand in a file of its own: `JWT_SECRET_FILE=/run/secrets/jwt`. Secrets have no flags, since the
      arguments of a process can be seen by all users of its machine. Examples from documents, and what is easy to
      guess, are refused; the placeholders of the deployment guide only in production, and where other machines can
      reach the server: elsewhere they are warned of.

    One file may serve server and worker: each takes what is its own and passes over what is the other's. The server's
    settings file is the one of its own worker (`--with-worker`) too, unless there is one in that worker's folder. A
    name in `.env` that is no setting but looks like one is warned of, as is one that stands there twice, and in the
    environment a setting's name with `CMDEXEC_` before it that it does not have; in the settings file it is refused.

    Whatever is wrong is told at once, for all settings, and then nothing starts.
    """

_NOT_YET = """\
## Not provided yet

These are known and refused, never ignored. Empty, they ask for nothing.
"""


def settings_page() -> str:
    """The whole page."""
    parts = [dedent(_START)]
    sections: tuple[tuple[str, Side, Sequence[Setting]], ...] = (
        ("Shared by more than one side", "server", SHARED),
        ("The server: `cmdexec serve`", "server", SERVER),
        ("The worker: `cmdexec worker`", "worker", WORKER),
        ("The client: all other commands", "client", CLIENT),
    )
    for title, side, declared in sections:
        own = [setting for setting in declared if declared is SHARED or setting not in SHARED]
        parts += [f"## {title}\n", *(_entry(setting, side) for setting in own), ""]
    parts += [_NOT_YET, *_refused(), ""]
    return "\n".join(parts)


def _entry(setting: Setting, side: Side) -> str:
    names = [f"`{name}`" for name in (setting.name, *setting.aliases)]
    if setting.secret:
        names.append(f"`{setting.name}_FILE`")
    if setting.flag:
        names.append(f"`{setting.flag}`")
    lines = [f"- {', '.join(names)}: {setting.help}"]
    if len(setting.sides) > 1:
        lines.append(f"For: {', '.join(sorted(setting.sides))}.")
    default = default_of(setting, side)
    plain = callable(setting.default) or setting.default in (None, ())
    lines.append(f"Default: {default if plain else f'`{default}`'}.")
    return " ".join(lines + facts_of(setting))


def _refused() -> list[str]:
    return [
        f"- `{name}` ({side}): {sentence}" for side, names in NOT_PROVIDED.items() for name, sentence in names.items()
    ]


def _made(arguments: Sequence[str]) -> str:
    return env_example() if "--env" in arguments else settings_page()


if __name__ == "__main__":
    sys.stdout.write(_made(sys.argv[1:]))
