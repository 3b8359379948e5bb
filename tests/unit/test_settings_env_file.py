"""`.env.example`: what the declarations say; copied as it is it changes nothing, and so it is with every line taken."""

import re
from pathlib import Path

import pytest

from cmdexec.settings.declare import Kind, Setting
from cmdexec.settings.env_file import env_example, written
from cmdexec.settings.load import DECLARED, load
from cmdexec.settings.parse import parse
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings

FILE = Path(__file__).parents[2] / ".env.example"
LINE = re.compile(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
BOTH = [ServerSettings, WorkerSettings]


def test_the_file_is_what_the_declarations_say() -> None:
    assert FILE.read_text() == env_example(), (
        ".env.example is not what the declarations say. Make it again:\n"
        "    python -m cmdexec.settings.document --env > .env.example"
    )


def test_it_shows_every_setting_of_server_and_worker_once_with_its_default() -> None:
    shown = LINE.findall(env_example())
    declared = {one.name: written(one, side) for side in ("server", "worker") for one in DECLARED[side]}
    assert len(shown) == len(declared)
    assert dict(shown) == declared


def test_what_a_line_says_stands_above_it() -> None:
    text = env_example().replace("\n# ", " ")
    for side in ("server", "worker"):
        for one in DECLARED[side]:
            before = text.partition(f" {one.name}=")[0].rpartition("\n")[2]
            assert one.help.replace("`", "") in before
            assert one.flag is None or f"As a flag: {one.flag}." in before
            assert all(alias in before for alias in one.aliases)
    for name in [name for names in NOT_PROVIDED.values() for name in names]:
        assert f"{name}: " in text


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("taken", [False, True])
def test_it_changes_nothing(kind: type[ServerSettings | WorkerSettings], taken: bool, tmp_path: Path) -> None:
    """Also with the `#` in front of every setting removed."""
    environ = {"DATA_DIR": str(tmp_path)}
    (tmp_path / ".env").write_text(LINE.sub(r"\1=\2", env_example()) if taken else env_example())
    loaded = load(kind, environ=environ, dotenv=tmp_path / ".env")
    assert loaded.settings == load(kind, environ=environ, dotenv=None).settings
    assert loaded.warnings == ()
    assert (".env" in "".join(loaded.origins.values())) is taken


def test_it_holds_no_value_of_the_machine_it_was_made_on() -> None:
    assert str(Path.home()) not in env_example()


@pytest.mark.parametrize(
    ("kind", "unit", "default", "text"),
    [
        (Kind.SIZE, "bytes", 100, "100"),
        (Kind.SIZE, "bytes", 65536, "64KiB"),
        (Kind.DURATION, "s", 0.25, "0.25s"),
        (Kind.DURATION, "ms", 1500.0, "1500ms"),
        (Kind.TEXT, None, "two words", "two words"),
    ],
)
def test_a_default_is_written_as_it_can_be_read(kind: Kind, unit: str | None, default: object, text: str) -> None:
    one = Setting("A_SETTING", kind, default, "It sets a thing.", frozenset({"server"}), unit=unit)
    assert written(one, "server") == text
    assert parse(one, text) == default
