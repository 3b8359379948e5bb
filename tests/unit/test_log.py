"""The log: one line a record whatever it holds, valid JSON, and never a wait for who reads it."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec import log as log_module
from cmdexec.clock import SystemClock
from cmdexec.log import Log, Trouble, set_up

any_text = st.text(max_size=200)


@pytest.fixture(autouse=True)
def _root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def written(call: Callable[[Log], None], form: str = "text", level: str = "debug") -> str:
    """What `call` logs, after all of it has been written."""
    stream = io.StringIO()
    set_up(SystemClock(), level, form, stream)
    call(Log("cmdexec.test"))
    logging.getLogger().handlers[0].close()
    return stream.getvalue()


def test_a_line_of_text_has_time_level_message_and_fields() -> None:
    line = written(lambda log: log.info("job ended", job="j1", exit_code=0))
    stamp, level, rest = line.split(maxsplit=2)
    assert stamp.endswith("Z")
    assert level == "info"
    assert rest == "job ended job=j1 exit_code=0\n"


def test_a_line_of_json_has_time_level_log_message_and_fields() -> None:
    body = json.loads(written(lambda log: log.warning("job ended", job="j1", exit_code=0, ok=True, why=None), "json"))
    assert body.pop("time").endswith("Z")
    assert body == {
        "level": "warning",
        "log": "cmdexec.test",
        "message": "job ended",
        "job": "j1",
        "exit_code": 0,
        "ok": True,
        "why": None,
    }


@given(any_text, any_text)
def test_text_is_one_line_without_control_characters(message: str, value: str) -> None:
    line = written(lambda log: log.info(message, about=value))
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@given(any_text, any_text | st.floats() | st.integers() | st.binary(max_size=20))
def test_json_is_one_valid_line(message: str, value: object) -> None:
    line = written(lambda log: log.info(message, value=value), "json")
    assert line.count("\n") == 1

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(line, parse_constant=refuse)["message"] == message


def test_control_bytes_are_escaped_not_dropped() -> None:
    line = written(lambda log: log.info("a\r\nb\x1b[31m\x00\u2028\udc80", name="x\ny"))
    assert "a\\r\\nb\\x1b[31m\\x00\\u2028\\udc80" in line
    assert 'name="x\\ny"' in line


def test_a_value_cannot_pass_for_another_field() -> None:
    line = written(lambda log: log.info("job ended", name='x reason="exit"', reason="signal"))
    assert line.endswith('job ended name="x reason=\\"exit\\"" reason=signal\n')


def test_a_field_cannot_replace_the_parts_of_the_line() -> None:
    body = json.loads(written(lambda log: log.info("job ended", level="none", log="x", time=0), "json"))
    assert body["level"] == "info"
    assert body["about_level"] == "none"
    assert body["about_time"] == 0


def test_what_is_too_long_is_cut() -> None:
    assert len(written(lambda log: log.info("x" * 100_000, value="y" * 100_000))) < 10_000
    assert len(written(lambda log: log.info("x" * 100_000, value="y" * 100_000), "json")) < 10_000


def fail(log: Log) -> None:
    try:
        raise ValueError("first\n2025-11-25T00:00:00.000Z info forged")
    except ValueError as wrong:
        log.error("it failed", exc=wrong, job="j1")


def test_a_traceback_cannot_pass_for_a_record_of_its_own() -> None:
    first, *others = written(fail).splitlines()
    assert first.endswith("it failed job=j1")
    assert any("ValueError: first" in line for line in others)
    assert any("forged" in line for line in others)
    assert all(line.startswith("  | ") for line in others)


def test_a_traceback_is_a_field_in_json() -> None:
    line = written(fail, "json")
    assert line.count("\n") == 1
    assert "ValueError: first" in json.loads(line)["traceback"]


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["d", "i", "w", "e"]),
        ("info", ["i", "w", "e"]),
        ("warning", ["w", "e"]),
        ("error", ["e"]),
    ],
)
def test_levels(level: str, logged: list[str]) -> None:
    def log_one_each(log: Log) -> None:
        log.debug("d")
        log.info("i")
        log.warning("w")
        log.error("e")

    lines = written(log_one_each, "json", level).splitlines()
    assert [json.loads(line)["message"] for line in lines] == logged


def test_refused_tokens_cannot_flood_the_log() -> None:
    def as_the_library_does(_log: Log) -> None:
        logging.getLogger("aiohttp_jwt.middleware").error("Invalid token", exc_info=ValueError())

    assert written(as_the_library_does) == ""


def test_a_reader_that_stops_stops_nobody_and_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, caught_up = threading.Event(), threading.Event()

    class Stalled(io.StringIO):
        def write(self, text: str) -> int:
            go_on.wait(30)
            count = super().write(text)
            if self.getvalue().count("\n") >= 10:
                caught_up.set()
            return count

    monkeypatch.setattr(log_module, "_MAX_WAITING", 10)
    stream = Stalled()
    set_up(SystemClock(), "info", "json", stream)
    log = Log("cmdexec.test")
    for count in range(100):
        log.info("line", count=count)
    go_on.set()
    handler = logging.getLogger().handlers[0]
    assert caught_up.wait(30)
    log.info("after")
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    missed = [line["lines"] for line in lines if line["message"] == "log lines were dropped"]
    seen = [line["count"] for line in lines if line["message"] == "line"]
    assert seen == list(range(len(seen)))
    assert sum(missed) + len(seen) == 100
    assert len(seen) in (10, 11)
    assert lines[-1]["message"] == "after"


def test_the_end_of_the_process_writes_what_waits_and_waits_for_no_stalled_reader() -> None:
    code = """
from cmdexec.clock import SystemClock
from cmdexec.log import Log, Trouble, set_up
set_up(SystemClock(), "info", "text")
for count in range(int(__import__("sys").argv[1])):
    Log("cmdexec.test").info("x" * 1000, count=count)
"""
    told = subprocess.run([sys.executable, "-c", code, "50"], stderr=subprocess.PIPE, check=True, timeout=30)
    assert told.stderr.count(b"\n") == 50
    reading, writing = os.pipe()  # 64 KiB that nobody reads
    try:
        subprocess.run([sys.executable, "-c", code, "500"], stderr=writing, check=True, timeout=30)
    finally:
        os.close(reading)
        os.close(writing)


def test_trouble_is_a_warning_when_it_begins_and_when_it_becomes_another_and_else_for_debugging() -> None:
    def call(log: Log) -> None:
        trouble = Trouble(log, "it does not work")
        for code in ("away", "away", "full", "full"):
            trouble.tell(code, "Why.", worker="w1")
        trouble.over()
        trouble.tell("full", "Why.")

    lines = [line.split(maxsplit=2)[1:] for line in written(call).splitlines()]
    assert [level for level, _ in lines] == ["warning", "debug", "warning", "debug", "warning"]
    assert lines[0][1] == "it does not work code=away why=Why. worker=w1"
