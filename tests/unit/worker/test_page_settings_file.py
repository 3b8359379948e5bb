"""Single settings changed in a file that people write as well."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.settings.load import SettingsError
from cmdexec.worker.page.configuration import Configuration
from cmdexec.worker.page.settings_file import TooElaborate, Unreadable, changed, put_aside, read

MINE = '# mine\nslots = 4  # as many as fit\nlabels = ["a=b",\n  "c=d"]\n'


def edited(content: str, **values: object) -> str:
    return changed(content, tomllib.loads(content), values)


def test_what_stands_beside_it_stays() -> None:
    after = edited(MINE, slots=2, worker_name='a "b" \\ ü')
    assert after == '# mine\nslots = 2\nlabels = ["a=b",\n  "c=d"]\nworker_name = "a \\"b\\" \\\\ ü"\n'
    assert edited(after, worker_name=None, slots=4) == '# mine\nslots = 4\nlabels = ["a=b",\n  "c=d"]\n'


def test_a_value_of_several_lines_is_replaced_as_one() -> None:
    assert edited(MINE, labels="x=y") == '# mine\nslots = 4  # as many as fit\nlabels = "x=y"\n'


def test_a_table_goes_from_its_header_to_the_next_and_takes_its_remarks_along() -> None:
    content = (
        'day = 1979-05-27  # a date stays\n[labels]\ngpu = "a100"\n\n# of the worker\n[worker]\n# as many\nslots = 3\n'
        '[worker.more]\nlist = [\n  "[other]",\n]\n# of the other\n[other]\nslots = 5\n'
    )
    after = edited(content, worker=None)
    first, last = content.split("[worker]\n")[0], content[content.index("# of the other") :]
    assert after == first + last
    assert edited(after, labels="gpu=a100", other=None, day=None).splitlines()[0] == 'labels = "gpu=a100"'


@pytest.mark.parametrize(
    "line",
    ['worker-name = "x"', '"we ird" = 1', "'a.b' = 1", "a.b.c = 1\na.d = 2", '"" = 1', '"q\\"" = """\na = 1\n"""'],
)
def test_any_key_is_taken_out_however_it_is_written(line: str) -> None:
    (key,) = tomllib.loads(line)
    assert edited(f"# mine\r\nslots = 4\r\n{line}\r\ncpu_limit = 2\r\n", **{key: None}) == (
        "# mine\r\nslots = 4\r\ncpu_limit = 2\r\n"
    )


def test_what_cannot_be_changed_alone_is_left_as_it_is(tmp_path: Path) -> None:
    content = "slots = 4\nlist = [\n" + "1,\n" * 300 + "]\n"
    with pytest.raises(TooElaborate):
        edited(content, slots=2)
    file = tmp_path / "cmdexec.toml"
    file.write_text(content)
    configuration = Configuration({"data_dir": tmp_path})
    (problem,) = configuration.save(configuration.base(), {"slots": "2"}).problems
    assert problem.mend == f"Edit {file}."
    assert file.read_text() == content


def test_a_new_key_comes_before_the_first_table() -> None:
    assert tomllib.loads(edited("slots = 1\n[other]\nslots = 3\n", cpu_limit=0.5))["cpu_limit"] == 0.5


def test_half_a_character_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        edited("", worker_name="\ud800")


@given(st.dictionaries(st.sampled_from(["a", "b", "slots", "x-y"]), st.none() | st.booleans() | st.integers(0, 10**6)
       | st.text(st.characters(codec="utf-8"), max_size=20), max_size=4))  # fmt: skip
def test_whatever_is_written_is_read_again(values: dict[str, object]) -> None:
    for before in ("", MINE):
        wanted = {**tomllib.loads(before), **values}
        assert tomllib.loads(edited(before, **values)) == {key: one for key, one in wanted.items() if one is not None}


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == ("", {})
    for content in (b"\xff", b"a = ", b"[a]\n[a]\n"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(Unreadable):
            read(tmp_path / "bad")


def saves(folder: Path, **values: object) -> list[str]:
    """The fields of what is wrong with `values`."""
    configuration = Configuration({"data_dir": folder})
    return [one.field for one in configuration.save(configuration.base(), values).problems]


def test_nothing_is_saved_that_a_command_line_would_refuse(tmp_path: Path) -> None:
    assert saves(tmp_path, slots="0", server_url="nowhere") == ["SERVER_URL", "SLOTS"]
    assert not list(tmp_path.iterdir())
    assert saves(tmp_path, slots="3", server_url="http://a.example/") == []
    assert (tmp_path / "cmdexec.toml").read_text().splitlines()[1:] == ["slots = 3", 'server_url = "http://a.example/"']
    assert saves(tmp_path, slots=None, server_url="") == []
    assert tomllib.loads((tmp_path / "cmdexec.toml").read_text()) == {}


def test_a_file_that_cannot_be_read_is_put_aside_and_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "cmdexec.toml"
    file.write_text("slots = = 2\n")
    with pytest.raises(SettingsError, match="is not TOML"):
        Configuration({"data_dir": tmp_path}).load({}, rejoin=False)
    assert saves(tmp_path, slots="2") == []
    assert (tmp_path / "cmdexec.toml.before").read_text() == "slots = = 2\n"
    file.write_text("again = = 2\n")
    assert put_aside(file).name == "cmdexec.toml.before.2"


def test_the_server_that_was_joined_is_not_exchanged_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "joined.json").write_text('{"server": "https://a.example", "workerId": "w-1"}')
    assert saves(tmp_path, server_url="https://b.example") == ["SERVER_URL"]
    assert saves(tmp_path, server_url="https://a.example/") == []


def test_what_the_command_line_says_is_shown_as_fixed(tmp_path: Path) -> None:
    secret = "not to be shown to anybody at all"
    (tmp_path / "cmdexec.toml").write_text(f'slots = "many"\nworker_token_secret = "{secret}"\n')
    fields = {one.field: one for one in Configuration({"data_dir": tmp_path, "cpu_limit": "2"}).fields()}
    assert (fields["slots"].value, fields["slots"].fixed) == ("many", None)
    assert fields["cpu_limit"].fixed == "Set by the command line, which counts before what is saved here."
    hidden = fields["worker_token_secret"]
    assert (hidden.value, hidden.is_set) == (None, True)
