"""Every declaration is whole, and everything that is made from the declarations agrees with them."""

import dataclasses
import typing
from pathlib import Path

import pytest

from cmdexec.settings.client import ClientSettings
from cmdexec.settings.declare import Kind, Setting, Side
from cmdexec.settings.document import settings_page
from cmdexec.settings.facts import default_of
from cmdexec.settings.flags import flags
from cmdexec.settings.load import DECLARED, load, make
from cmdexec.settings.parse import parse
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings
from tests.support.each import over

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
CLASSES: dict[Side, type] = {"server": ServerSettings, "worker": WorkerSettings, "client": ClientSettings}
SIDES = list(DECLARED)
EVERY = [(side, setting) for side in SIDES for setting in DECLARED[side]]
TYPES = {
    Kind.TEXT: str,
    Kind.BOOLEAN: bool,
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.DURATION: float,
    Kind.SIZE: int,
    Kind.PATH: Path,
    Kind.URL: str,
    Kind.LIST: tuple[str, ...],
}
NAMES_OF_THE_GUIDE = {"RAM_LIMIT"}
"""Settings that the deployment guide names, without their unit."""
UNITS = {Kind.DURATION: {"_SEC": "s", "_MS": "ms"}, Kind.SIZE: {"_BYTES": "bytes"}}

each = over({f"{side}-{setting.name}": (side, setting) for side, setting in EVERY})
each_side = pytest.mark.parametrize("side", SIDES)


@each
def test_it_has_a_help_sentence(side: Side, setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert setting.help[0].isupper()
    assert setting.help.isprintable()
    assert side in setting.sides


@each
def test_its_default_is_within_its_bounds(side: Side, setting: Setting) -> None:
    default = setting.default_for(side)
    if default is None:
        return
    assert not setting.secret, "a secret with a default is no secret"
    assert parse(setting, default) == default
    assert isinstance(default, typing.get_origin(TYPES[setting.kind]) or TYPES[setting.kind])


@each
def test_numbers_have_both_bounds(side: Side, setting: Setting) -> None:
    if setting.kind in (Kind.INTEGER, Kind.DURATION, Kind.SIZE) or setting.secret:
        assert setting.minimum is not None
        assert setting.maximum is not None
        assert setting.minimum <= setting.maximum


@each
def test_its_name_says_its_unit(side: Side, setting: Setting) -> None:
    suffixes = UNITS.get(setting.kind, {})
    if suffixes:
        assert setting.unit == next(unit for suffix, unit in suffixes.items() if setting.name.endswith(suffix))
    elif setting.name not in NAMES_OF_THE_GUIDE:
        assert setting.unit is None
        assert not setting.name.endswith(("_SEC", "_MS", "_BYTES"))


@each
def test_its_name_is_the_name_of_a_variable(side: Side, setting: Setting) -> None:
    assert setting.name == setting.name.upper()
    assert setting.name.isidentifier()
    assert setting.field.isidentifier()


@each
def test_its_relation_is_to_a_setting_of_the_same_measure(side: Side, setting: Setting) -> None:
    if setting.relation is None:
        return
    everywhere = {one.name: one for declared in DECLARED.values() for one in declared}
    assert everywhere[setting.relation.other].kind is setting.kind


@each
def test_a_computed_default_has_a_sentence_for_the_documentation(side: Side, setting: Setting) -> None:
    text = default_of(setting, side)
    assert text
    if callable(setting.default):
        assert " " in text
        assert str(setting.default_for(side)) not in text


@each_side
def test_the_class_has_the_declared_fields_in_their_order_and_types(side: Side) -> None:
    fields = dataclasses.fields(CLASSES[side])
    assert [field.name for field in fields] == [setting.field for setting in DECLARED[side]]
    hints = typing.get_type_hints(CLASSES[side])
    for field, setting in zip(fields, DECLARED[side], strict=True):
        optional = setting.default is None
        assert hints[field.name] == (TYPES[setting.kind] | None if optional else TYPES[setting.kind]), field.name
        assert field.repr is not setting.secret, f"{field.name}: a secret, and only a secret, is left out of the repr"
    assert CLASSES[side].side == side


@each_side
def test_names_fields_flags_and_aliases_are_unique(side: Side) -> None:
    declared = DECLARED[side]
    names = [name for setting in declared for name in (setting.name, *setting.aliases)]
    names += [f"{setting.name}_FILE" for setting in declared if setting.secret]
    for taken in (names, [s.field for s in declared], [s.flag for s in declared if s.flag]):
        assert sorted(taken) == sorted(set(taken))
    assert not NOT_PROVIDED[side].keys() & set(names)


def test_a_setting_of_several_sides_is_declared_once() -> None:
    by_name: dict[str, set[Setting]] = {}
    for _side, setting in EVERY:
        by_name.setdefault(setting.name, set()).add(setting)
    assert {name for name, settings in by_name.items() if len(settings) > 1} == set()


@each_side
def test_every_flag_becomes_an_option_that_load_understands(side: Side) -> None:
    made = flags(side)
    assert [flag.parameter for flag in made] == [setting.field for setting in DECLARED[side] if setting.flag]
    for flag, setting in zip(made, [s for s in DECLARED[side] if s.flag], strict=True):
        assert setting.flag is not None
        assert flag.option.split("/")[0] == setting.flag
        assert flag.switch == (setting.kind is Kind.BOOLEAN)
        assert setting.name in flag.help
        assert not setting.secret, "arguments can be seen by every user of the machine"


def test_the_options_of_the_command_line_contract_are_there() -> None:
    assert {"--host", "--port", "--data-dir"} <= {flag.option for flag in flags("server")}
    worker = {flag.option.split("/")[0] for flag in flags("worker")}
    assert {"--server", "--allow-host", "--slots", "--data-dir"} <= worker
    assert "--server" in {flag.option for flag in flags("client")}


def test_a_switch_can_be_turned_off_by_flag() -> None:
    option = next(flag.option for flag in flags("worker") if flag.parameter == "allow_host")
    assert option == "--allow-host/--no-allow-host"
    loaded = load(WorkerSettings, flags={"allow_host": False}, environ={"ALLOW_HOST": "true"}, dotenv=None)
    assert loaded.settings.allow_host is False


def test_the_shipped_values_are_those_of_the_design() -> None:
    server, worker = make(ServerSettings), make(WorkerSettings)
    assert (server.lease_sec, server.heartbeat_sec, server.server_drain_sec) == (60, 10, 15)
    assert (server.lost_timeout_sec, server.token_ttl_sec, server.session_cache_sec) == (86400, 86400, 5)
    assert (server.max_batch_jobs, server.max_body_bytes, server.max_queued_per_user) == (1000, 8 << 20, 100_000)
    assert (server.prefetch_max, worker.start_ahead_max) == (256, 96)
    assert (worker.flush_ms, worker.flush_items, server.flush_ms, server.flush_items) == (3, 64, 3, 64)
    assert (worker.output_cap_bytes, server.max_output_bytes, server.follow_keep_bytes) == (1 << 30, 1 << 30, 1 << 20)
    assert (server.host, server.port, server.env, worker.allow_host) == ("127.0.0.1", 3000, "development", False)
    assert worker.slots >= 4


@pytest.mark.parametrize("lease", [3.0, 0.3])
def test_fault_tests_can_run_at_short_leases(lease: float) -> None:
    beat = lease / 6
    lost = max(lease, 1.0)
    settings = make(
        ServerSettings, lease_sec=lease, heartbeat_sec=beat, lease_sweep_sec=beat / 2, lost_timeout_sec=lost
    )
    assert settings.lease_sec == lease
    assert make(WorkerSettings, heartbeat_sec=beat, reconnect_min_sec=0.01, reconnect_max_sec=lease / 4)


def test_the_page_is_what_the_declarations_say() -> None:
    assert PAGE.read_text() == settings_page(), (
        "docs/settings.md is not what the declarations say. Make it again:\n"
        "    python -m cmdexec.settings.document > docs/settings.md"
    )


def test_the_page_names_every_setting_and_everything_that_is_refused() -> None:
    page = settings_page()
    for _side, setting in EVERY:
        assert f"`{setting.name}`" in page
        assert setting.flag is None or f"`{setting.flag}`" in page
    for names in NOT_PROVIDED.values():
        assert all(f"`{name}`" in page for name in names)
