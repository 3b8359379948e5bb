"""Every setting of both sides, made from the declarations: written well it is taken, and each way of writing it badly
is exactly one fault that names it, its source, what is wrong and what to write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.settings.declare import Fault, Kind, Setting, Side
from cmdexec.settings.env_file import written
from cmdexec.settings.load import DECLARED, SettingsError, load
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings
from tests.support.each import over

KEY = "k8#vTq0zL5!mXw2@Rb9$Yc4%Nd7^Gf1&"
CLASSES: dict[Side, type[ServerSettings] | type[WorkerSettings]] = {"server": ServerSettings, "worker": WorkerSettings}
NUMBERS = (Kind.INTEGER, Kind.DURATION, Kind.SIZE, Kind.NUMBER)

WRONG_KIND = {
    Kind.TEXT: "\x1b[2J\n",
    Kind.BOOLEAN: "maybe",
    Kind.INTEGER: "many",
    Kind.NUMBER: "many",
    Kind.DURATION: "soon",
    Kind.SIZE: "much",
    Kind.PATH: "a\nb",
    Kind.URL: "not an address",
    Kind.LIST: ",".join(f"host{number}" for number in range(1000)),
}
GOOD = {
    Kind.PATH: "/srv/cmdexec",
    Kind.URL: "https://cmdexec.example.com",
    Kind.TEXT: "something",
    Kind.LIST: "a.example.com, b.example.com",
    Kind.BOOLEAN: "false",
}


WELL = {
    "LABELS": "gpu=a100, zone=b", "MONGODB_URI": "mongodb://user:u8kq-Zt4-w0xPb@mongo.example.com/jobs",
    "REDIS_URL": "rediss://:u8kq-Zt4-w0xPb@redis.example.com:6379/0",
    "CORS_ORIGINS": "http://localhost:3000, https://a.example.com",
    "DOCKER_HOST": "unix:///run/engine.sock", "CONTAINER_RAM_BYTES": "512MiB",
}  # fmt: skip
BESIDE = {"MONGODB_URI": {"JWT_SECRET": KEY}}
"""What has to be written with it."""


def well(side: Side, setting: Setting) -> str:
    """A value that may be written, and goes with the defaults of all others."""
    if setting.name in WELL:
        return WELL[setting.name]
    if setting.secret:
        return KEY
    if default := written(setting, side):
        return default
    if setting.kind in NUMBERS:
        return f"{setting.minimum:g}"
    return GOOD[setting.kind]


def badly(setting: Setting) -> Iterator[tuple[str, str]]:
    """Each way in which it can be wrong, and a value for it."""
    yield "wrong kind", f"{KEY}\x1b[2J" if setting.secret else WRONG_KIND[setting.kind]
    if setting.choices:
        yield "no choice", "none-of-them"
        return
    if setting.kind in NUMBERS and setting.minimum is not None and setting.maximum is not None:
        yield "below", f"{int(setting.minimum) - 1}" if setting.kind is Kind.INTEGER else "-1"
        if setting.kind is not Kind.INTEGER and setting.minimum > 0:
            yield "just below", f"{setting.minimum / 2:.12f}" if setting.kind is not Kind.SIZE else "0"
        yield "above", f"{int(setting.maximum) + 1}"
    if setting.kind is Kind.TEXT and setting.maximum is not None:
        yield "too long", ("x1y2" if setting.secret else "x") * int(setting.maximum + 1)
    if setting.kind is Kind.TEXT and setting.minimum is not None and setting.minimum > 1:
        yield "too short", KEY[: int(setting.minimum) - 1]
    if setting.secret:
        yield "easy to guess", "change-me-in-production"


EVERY = [(side, setting) for side in CLASSES for setting in DECLARED[side]]
BADLY = {f"{side}-{setting.name}-{way}": (side, setting, raw) for side, setting in EVERY for way, raw in badly(setting)}


def faults(side: Side, place: Path, **environ: str) -> list[Fault]:
    with pytest.raises(SettingsError) as caught:
        load(CLASSES[side], environ={"DATA_DIR": str(place)} | environ, dotenv=None)
    return list(caught.value.faults)


@over({f"{side}-{setting.name}": (side, setting) for side, setting in EVERY})
def test_written_well_it_is_taken(side: Side, setting: Setting, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    for name in (setting.name, *setting.aliases):
        dotenv.write_text(f"{name}={well(side, setting)}\n")
        loaded = load(CLASSES[side], environ=BESIDE.get(setting.name, {}), dotenv=dotenv)
        assert str(dotenv) in loaded.origins[setting.field]
        assert getattr(loaded.settings, setting.field) is not None


@over(BADLY)
def test_written_badly_it_is_one_fault(side: Side, setting: Setting, raw: str, tmp_path: Path) -> None:
    (fault,) = faults(side, tmp_path, **{setting.name: raw})
    assert (fault.field, fault.origin) == (setting.name, "the environment")
    assert fault.message.endswith(".")
    assert fault.mend.startswith(("Write ", "Give "))
    assert str(fault).isprintable(), "one line, and nothing that steers a terminal"
    assert len(str(fault)) < 400
    assert not setting.secret or raw not in str(fault)


@pytest.mark.parametrize("side", CLASSES)
def test_all_of_them_wrong_at_once_are_one_list(side: Side, tmp_path: Path) -> None:
    wrong = {setting.name: next(badly(setting))[1] for setting in DECLARED[side]}
    found = faults(side, tmp_path, **wrong)
    assert [fault.field for fault in found] == [setting.name for setting in DECLARED[side]]
    assert len(SettingsError(found).message.splitlines()) == len(found)


@pytest.mark.parametrize("side", CLASSES)
def test_a_relation_that_does_not_hold_names_both_and_both_sources(side: Side, tmp_path: Path) -> None:
    """Where both can be within their bounds and yet not go together."""
    by_name = {setting.name: setting for setting in DECLARED[side]}
    tried = 0
    for setting in DECLARED[side]:
        other = by_name.get(setting.relation.other) if setting.relation is not None else None
        if other is None or setting.relation is None or setting.maximum is None or other.minimum is None:
            continue
        if setting.relation.holds(setting.in_base_unit(setting.maximum), other.in_base_unit(other.minimum)):
            continue
        given = {setting.name: f"{setting.maximum:.0f}", other.name: f"{other.minimum:.12f}".rstrip("0").rstrip(".")}
        found = [fault for fault in faults(side, tmp_path, **given) if fault.field == setting.name]
        assert len(found) == 1, given
        assert f"{setting.name} must be at most {other.name}: it is " in found[0].message
        assert found[0].message.count("(from the environment)") == 1
        assert found[0].origin == "the environment"
        assert found[0].mend == f"Lower {setting.name} or raise {other.name}."
        tried += 1
    assert tried == sum(1 for one in DECLARED[side] if one.relation and one.relation.other in by_name)
