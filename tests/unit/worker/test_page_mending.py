"""Whatever is wrong with the settings file can be mended in the window: taken out, or the whole file put aside."""

import os
from pathlib import Path
from secrets import token_hex

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.settings.load import SettingsError, load
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.page.configuration import Configuration
from tests.unit.worker.test_page_host import host_of

BEFORE = "cmdexec.toml.before"


def at(folder: Path, **more: object) -> Configuration:
    return Configuration({"data_dir": folder, **more})


@pytest.mark.parametrize(
    "line",
    [
        'worker-name = "x"', '"we ird" = 1', "'a.b' = 1", "a.b = 1", '"" = 1', f"{'long' * 40} = 1", '"tab\\t" = 1',
        'log_level = "loud"', 'labels = "none"', "[labels]\ngpu = 'a100'", "[worker]\nslots = 3",
        "reconnect_min_sec = 3000", "reconnect_max_sec = 0.01", 'data_dir = "/elsewhere"',
        'worker_token_secret_file = "/nothing/here"', "worker_token_secret_file = 3",
        "[[slotz]]\na = 1\n[[slotz]]\na = 2",
    ],
)  # fmt: skip
def test_each_fault_that_has_no_field_names_what_can_be_taken_out(tmp_path: Path, line: str) -> None:
    file = tmp_path / "cmdexec.toml"
    file.write_text(f"# mine\nslots = 4\n{line}\n")
    configuration = at(tmp_path)
    keys = {problem.key for problem in configuration.unusable()}
    assert len(keys) == 1
    assert configuration.save(configuration.base(), {str(keys.pop()): None}).problems == []
    assert configuration.unusable() == []
    assert file.read_text() == "# mine\nslots = 4\n"


def test_both_of_a_secret_and_its_file_are_mended_by_taking_out_the_file(tmp_path: Path) -> None:
    (tmp_path / "cmdexec.toml").write_text(f'worker_token_secret = "{token_hex(32)}"\nworker_token_secret_file = "x"\n')
    assert [problem.key for problem in at(tmp_path).unusable()] == ["worker_token_secret_file"]


def test_what_has_a_field_or_stands_elsewhere_is_not_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cmdexec.toml").write_text('slots = "many"\n')
    monkeypatch.setenv("LOG_LEVEL", "loud")
    problems = {problem.field: problem for problem in at(tmp_path).unusable()}
    assert {field: problem.key for field, problem in problems.items()} == {"SLOTS": None, "LOG_LEVEL": None}
    assert problems["LOG_LEVEL"].mend.endswith("It is set by the environment.")


def test_the_mark_of_an_editor_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "cmdexec.toml").write_bytes(b"\xef\xbb\xbfslots = 3\r\n")
    configuration = at(tmp_path)
    assert load(WorkerSettings, flags=configuration.given).settings.slots == 3
    assert configuration.save(configuration.base(), {"worker_name": "a"}) == ([], None)
    assert (tmp_path / "cmdexec.toml").read_bytes() == b'slots = 3\r\nworker_name = "a"\r\n'


def test_a_pipe_or_a_folder_in_its_place_is_no_file_and_is_put_aside(tmp_path: Path) -> None:
    for name, make in (("pipe", os.mkfifo), ("folder", os.mkdir)):
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "cmdexec.toml")
        configuration = at(folder)
        with pytest.raises(SettingsError, match=r"cmdexec.toml (is no file|cannot be read: Is a directory)\."):
            configuration.load({}, rejoin=False)
        assert configuration.puts_aside(configuration.base()) == folder / BEFORE
        assert configuration.save(configuration.base(), {"slots": "2"}) == ([], folder / BEFORE)
        assert (folder / BEFORE).exists()
        assert configuration.puts_aside(configuration.base()) is None
        assert configuration.unusable() == []


def test_a_device_is_neither_read_nor_replaced() -> None:
    configuration = Configuration({}, Path(os.devnull))
    with pytest.raises(OSError, match="It is a device"):
        configuration.save(configuration.base(), {"slots": "2"})


async def test_it_is_told_that_a_file_was_put_aside_and_what_hinders_saving(tmp_path: Path) -> None:
    (tmp_path / "cmdexec.toml").write_text("slots = = 2\n")
    host = host_of(at(tmp_path))
    assert host.shown()[1] == BEFORE
    assert await host.save({"slots": "2"}) == ([], 0, BEFORE)
    assert host.shown()[1] is None
    assert f"is now {tmp_path / BEFORE}" in host.activity.since(0)[-1].text
    (tmp_path / "cmdexec.toml.new").mkdir()
    with pytest.raises(CmdexecError) as caught:
        await host.save({"slots": "3"})
    assert (caught.value.code, "room" in str(caught.value.mend)) == ("bad_settings", False)
