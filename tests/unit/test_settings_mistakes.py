"""Settings as people get them wrong: said at once, under the right name, and with a mend that helps."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from cmdexec.settings import sources
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import SettingsError, load, make
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings

Kind = type[ServerSettings] | type[WorkerSettings] | type[ClientSettings]


def warned(tmp_path: Path, env: str = "", environ: Mapping[str, str] | None = None) -> list[str]:
    """What a server is warned of."""
    (tmp_path / ".env").write_text(env)
    given = {"DATA_DIR": str(tmp_path / "d")} | dict(environ or {})
    loaded = load(ServerSettings, environ=given, dotenv=tmp_path / ".env")
    return [str(one).replace(f"{tmp_path}/", "") for one in loaded.warnings]


def faults(kind: Kind, dotenv: Path | None = None, config: Path | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(kind, environ=environ, dotenv=dotenv, config=config)
    return [str(one) for one in caught.value.faults]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CMDEXEC_PORT", "PORT"), ("SERVER_PORT", "PORT"), ("CMDEXEC_DATA_DIR", "DATA_DIR"), ("HOST", "CMDEXEC_HOST"),
        ("SERVER_HOST", "CMDEXEC_HOST"), ("WORKER_SLOTS", "SLOTS"),
    ],
)  # fmt: skip
def test_the_name_with_another_prefix_is_what_was_meant(tmp_path: Path, name: str, meant: str) -> None:
    said = f"{name} (from .env): There is no such setting, so it counts for nothing. Did you mean {meant}?"
    assert warned(tmp_path, f"{name}=1\n") == [said]


def test_our_prefix_before_a_name_that_has_none_is_warned_of_in_the_environment(tmp_path: Path) -> None:
    theirs = {"CMDEXEC_JOB_ID": "1", "CMDEXEC_REQUIRE_ALL": "1", "SERVER_PORT": "1", "CMDEXEC_SLOTS": "1"}
    assert warned(tmp_path, environ={"CMDEXEC_PORT": "4000", "CMDEXEC_HOST": "::1"} | theirs) == [
        "CMDEXEC_PORT (from the environment): There is no such setting, so it counts for nothing. Did you mean PORT?"
    ]


def test_a_name_twice_in_one_file_is_warned_of_with_both_lines(tmp_path: Path) -> None:
    assert warned(tmp_path, "PORT=1\n# between\n\nPORT=2\n") == [
        "PORT (from .env): Lines 1 and 4 both give it; the last counts. Keep one of them."
    ]


def test_a_flag_with_an_empty_text_counts_as_not_given(tmp_path: Path) -> None:
    loaded = load(
        ServerSettings, flags={"port": "", "jwt_secret": ""}, environ={"PORT": "7", "DATA_DIR": str(tmp_path)}
    )
    assert (loaded.settings.port, loaded.settings.jwt_secret) == (7, None)


def test_a_token_that_is_none_says_where_tokens_come_from() -> None:
    (said,) = faults(ClientSettings, CMDEXEC_TOKEN="abc")
    mend = "Set it to a token of the server; `cmdexec login --print-token` prints one."
    assert said.endswith(f": 3 bytes is too short. {mend}")


@pytest.mark.parametrize(("raw", "mb"), [("512", 512), ("512MB", 512), ("512 mib", 512), ("2GB", 2048), ("2GiB", 2048)])
def test_memory_may_be_written_with_its_unit(tmp_path: Path, raw: str, mb: int) -> None:
    assert make(WorkerSettings, data_dir=tmp_path, ram_limit=raw).ram_limit == mb


@pytest.mark.parametrize("raw", ["512KB", "0.5GB", "MB", "1TB", "512MBB"])
def test_memory_in_other_units_is_refused(raw: str) -> None:
    (said,) = faults(WorkerSettings, DATA_DIR="/nowhere", RAM_LIMIT=raw)
    assert said.startswith(f"RAM_LIMIT (from the environment): '{raw}' is not a whole number.")


@pytest.mark.parametrize("worker_id", ["a b", "a/..", "ä", "x\u00b2"])
def test_an_id_that_servers_refuse_is_refused_here(worker_id: str) -> None:
    (said,) = faults(WorkerSettings, DATA_DIR="/nowhere", WORKER_ID=worker_id)
    assert said.startswith(f"WORKER_ID (from the environment): {worker_id!r} holds characters that no server takes")
    assert make(WorkerSettings, worker_id="Az0_.:-").worker_id == "Az0_.:-"


def test_a_file_that_nobody_named_is_to_be_saved_anew_or_removed(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_bytes(b"PORT=\xff\n")
    assert faults(ServerSettings, env) == [f".env: {env} is not UTF-8 text. Save it as UTF-8, or remove it."]
    env.write_text("PORT=1\nnonsense\n")
    assert faults(ServerSettings, env) == [".env: Line 2 is not of the form NAME=value. Correct it there."]


def test_of_a_folder_that_cannot_be_looked_into_its_settings_file_says_nothing(tmp_path: Path) -> None:
    """Whoever takes the folder says what is wrong with it."""
    folder = tmp_path / ("x" * 300)
    assert load(ServerSettings, environ={"DATA_DIR": str(folder)}, dotenv=None).settings.data_dir == folder
    (tmp_path / "cmdexec.toml").mkdir()
    (said,) = faults(ServerSettings, DATA_DIR=str(tmp_path))
    assert said.endswith("cmdexec.toml cannot be read: Is a directory. Make it a file that can be read, or remove it.")


def test_a_pipe_is_read_but_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PIPE_SEC", 0.05)
    pipe = tmp_path / ".env"
    os.mkfifo(pipe)
    said = f"{pipe} is a pipe out of which nothing came within 0.05 s."
    assert faults(ServerSettings, pipe) == [f".env: {said} Make it a file, or remove it."]
    (said_of_secret,) = faults(ServerSettings, JWT_SECRET_FILE=str(pipe))
    assert said_of_secret == f"JWT_SECRET_FILE: {said} Name a file."
    monkeypatch.setattr(sources, "_PIPE_SEC", 10.0)
    writer = threading.Thread(target=pipe.write_text, args=("PORT=12\n",))
    writer.start()
    assert load(ServerSettings, environ={"DATA_DIR": str(tmp_path)}, dotenv=pipe).settings.port == 12
    writer.join(10)


def test_what_each_setting_is_and_where_it_is_from_goes_to_the_log_and_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from cmdexec.log import Log

    caplog.set_level("DEBUG")
    secret = "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"
    loaded = load(ServerSettings, environ={"DATA_DIR": str(tmp_path), "PORT": "7", "JWT_SECRET": secret}, dotenv=None)
    loaded.log_to(Log("cmdexec.test"))
    about = [record.__dict__["about"] for record in caplog.records]
    assert {"name": "PORT", "value": "7", "origin": "the environment"} in about
    assert {"name": "JWT_SECRET", "value": "set (hidden)", "origin": "the environment"} in about
    assert secret not in str(about)
