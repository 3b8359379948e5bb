"""What the command line says of itself, and how it tells failures: a sentence and what to do, never a traceback."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cmdexec.cli import main as entry
from cmdexec.cli.colour import in_colour
from cmdexec.cli.document import command_page
from cmdexec.cli.main import COMMANDS, cmdexec, command_line
from cmdexec.cli.told import printable, tell, tell_error
from cmdexec.errors import CmdexecError
from cmdexec.settings.flags import flags
from tests.support.system import clean_environment

Captured = pytest.CaptureFixture[str]


def test_help_names_every_command(capsys: Captured) -> None:
    assert command_line(["--help"]) == 0
    said = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  {name} " in said
        assert command_line([name, "--help"]) == 0


@pytest.mark.parametrize("name", ["run", "submit"])
def test_help_says_where_a_job_starts_and_that_its_files_go_with_it(name: str, capsys: Captured) -> None:
    assert command_line([name, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "It starts in an empty folder of its own on the worker's machine" in said
    assert "its HOME too and is deleted when it ends" in said
    assert "make -C /srv/project test" in said


def test_help_is_a_command_too(capsys: Captured) -> None:
    for asked, typed in (([], []), (["run"], ["run"]), (["workers", "drain"], ["workers", "drain"])):
        assert command_line([*typed, "--help"]) == 0
        shown = capsys.readouterr().out
        assert command_line(["help", *asked]) == 0
        assert capsys.readouterr().out == shown
    assert command_line(["users", "--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2], "no sentence is cut short"


def test_help_fits_a_narrow_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (40, 52, 60):
        monkeypatch.setenv("COLUMNS", str(columns))
        for words in every_command():
            assert command_line([*words, "--help"]) == 0
            told = capsys.readouterr().out
            assert max(map(len, told.splitlines())) <= columns, (columns, words)
            assert re.search(r"\n  (-h, )?--help\n      Show this message and exit\.\n", told), "each alone on its line"


def every_command() -> Iterator[list[str]]:
    context = click.Context(cmdexec)
    yield []
    for name in COMMANDS:
        yield [name]
        command = cmdexec.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ([name, one] for one in command.commands)


@pytest.mark.parametrize(("side", "command"), [("server", "serve"), ("worker", "worker"), ("client", "run")])
def test_every_setting_with_a_flag_is_an_option(side: str, command: str) -> None:
    known = cmdexec.get_command(click.Context(cmdexec), command)
    assert known is not None
    options = {name for parameter in known.params for name in parameter.opts}
    assert {flag.option.partition("/")[0] for flag in flags(side)} <= options  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["wroker"], 2, "Did you mean `worker`?"),
        (["frobnicate"], 2, "There are: run, attach, submit, jobs, "),
        (["workers", "drian"], 2, "There is no command `workers drian`. Did you mean `drain`?"),
        (["--frobnicate"], 2, "No such option '--frobnicate'. `cmdexec --help` shows what there is."),
        (["serve", "--prot", "1"], 2, "--port"),
        (["run"], 125, "COMMAND"),
        (["run", "--cpu"], 125, "'--cpu' requires an argument. `cmdexec run --help` shows what there is."),
        (["join-token", "create", "--uses"], 2, "`cmdexec join-token create --help` shows what there is."),
        (["join-token", "create", "--uses", "x"], 2, "'x' is not a whole number. Write one from 1 to 100,000."),
        (["jobs", "--limit", "0"], 2, "0 is out of bounds. Write one from 1 to 100,000."),
        (["users", "add", "nobody"], 2, "'nobody' is no e-mail address. Write one such as ada@example.com."),
        (["run", "--frobnicate", "--", "true"], 125, "--frobnicate"),
        (["run", "--timeout", "soon", "--", "true"], 125, "--timeout"),
        (["run", "--standalone", "--server", "http://a", "--", "true"], 125, "--standalone has a server of its own"),
        (["run", "--server", "nonsense", "--", "true"], 125, "SERVER_URL"),
        (["run", "--config", "missing.toml", "--", "true"], 125, "missing.toml does not exist"),
        (["run", "--image", "alp ine", "--", "true"], 125, "'alp ine' is no name of an image. Write one such as "),
        (["run", "--image", "alpine\n", "--", "true"], 125, "is no name of an image"),
        (["run", "--pull", "never", "--", "true"], 125, "This is of a container, and the job names none. Write also "),
        (["run", "--image", "a", "--network", "host", "--", "true"], 125, "Write none or bridge."),
        (["submit", "--image", "a", "--user", "root", "--", "true"], 2, "Write UID or UID:GID, such as 1000"),
        (["submit", "--image", "a", "--pull", "often", "--", "true"], 2, "Write missing, always or never."),
        (["jobs", "--match", "\udcff"], 2, "Write up to 200 characters of UTF-8 text."),
        (["workers", "--server", "http://a", "drain", "w"], 2, "Write the options behind `drain`"),
        (["users", "remove", "ada@example.com"], 2, "Did you mean `disable`?"),
        (["workers", "delete", "w1"], 2, "Did you mean `revoke`?"),
        (["help", "workers", "drian"], 2, "There is no command `workers drian`. Did you mean `drain`?"),
        (["help", "jobs", "x"], 2, "There is no command `jobs x`."),
        (["join-token", "create", "--name", ""], 2, "--name"),
        (["completion"], 2, "Choose from: bash, zsh, fish"),
        (["doctor", "--data-dir", "/nowhere/at/all", "--verify"], 1, "There is no store in /nowhere/at/all."),
        (["doctor", "--config", "missing.toml"], 1, "missing.toml does not exist"),
        (["worker", "--headless", "--slots", "none"], 1, "SLOTS (from the command line)"),
        (["serve", "--port", "99999"], 1, "PORT (from the command line)"),
        (["serve", "--host", "0.0.0.0"], 1, "--behind-tls-proxy"),
    ],
)
def test_bad_input_is_told_with_its_mend(arguments: list[str], code: int, said: str, capsys: Captured) -> None:
    assert command_line(arguments) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert all(line.startswith("cmdexec: ") for line in captured.err.splitlines())
    assert captured.out == ""


def test_an_unforeseen_fault_is_one_sentence(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ExceptionGroup("several", [ZeroDivisionError("a secret")])

    monkeypatch.setattr(entry.cmdexec, "main", fail)
    assert command_line(["run", "--", "true"]) == 125
    said = capsys.readouterr().err
    assert "This is a fault of cmdexec: ZeroDivisionError" in said
    assert len(said.splitlines()) == 1
    assert "secret" not in said


def test_what_could_steer_a_terminal_is_escaped() -> None:
    assert printable("\x1b[31mred\x9b \u202e \r\n\udcff") == "\\x1b[31mred\\x9b \\u202e \\r\\n\\udcff"
    assert printable("plain – ünd") == "plain – ünd"


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_only_on_a_terminal_that_wants_it(environment: dict[str, str], coloured: bool) -> None:
    terminal, end = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "cmdexec", "worker"], stderr=end, stdin=subprocess.DEVNULL, timeout=20, check=False,
        env=clean_environment(**environment),
    )  # fmt: skip
    said = os.read(terminal, 4096)
    os.close(end)
    os.close(terminal)
    assert b"--headless" in said
    assert (b"\x1b[1mcmdexec:\x1b[0m" in said) == coloured


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, False), ({"CLICOLOR_FORCE": "1"}, True), ({"CLICOLOR_FORCE": "0"}, False),
     ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False)],
)  # fmt: skip
def test_colour_can_be_forced_and_no_colour_counts_before_that(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert in_colour(None) == coloured


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("invalid_field", "`email` must be an address.", "`email` must be an address."),
        ("invalid_field", "It is empty.", "email: It is empty."),
        ("not_found", "There is none.", "There is none."),
    ],
)
def test_a_field_is_named_once(code: str, message: str, said: str, capsys: Captured) -> None:
    tell_error(CmdexecError(code, message, field="email"))
    assert capsys.readouterr().err == f"cmdexec: {said}\n"


def test_no_colour_in_a_file(capsys: Captured) -> None:
    command_line(["worker"])
    assert "\x1b" not in capsys.readouterr().err


def test_a_closed_pipe_is_no_fault() -> None:
    """`cmdexec --help | true`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "cmdexec"], stdout=write_end, stderr=subprocess.PIPE, timeout=20, check=False
    )
    os.close(write_end)
    assert done.stderr == b""
    assert done.returncode != 0


def test_the_page_of_commands_is_up_to_date() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    assert page == command_page(), "make it anew: python -m cmdexec.cli.document > docs/cli.md"


INTERRUPTED_IN_EVAL = """
import cmdexec.__main__ as entry
import os, signal, time

def run():
    try:
        eval("(os.kill(os.getpid(), signal.SIGINT), time.sleep(5))")
    except KeyboardInterrupt:
        return 130

entry._run = run
entry.main()
"""


def test_ctrl_c_ends_with_the_code_also_when_it_came_during_an_eval(tmp_path: Path) -> None:
    """The interpreter remembers that interrupt as unhandled, and would end itself by the signal."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED_IN_EVAL)
    ended = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, timeout=30)
    assert ended.returncode == 130


def test_a_line_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log writes to the same place from a thread of its own."""
    pieces: list[str] = []

    class Unbuffered:
        def write(self, text: str) -> None:
            pieces.append(text)

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stderr", Unbuffered())
    tell("one\ntwo")
    assert pieces == ["cmdexec: one\ncmdexec: two\n"]
