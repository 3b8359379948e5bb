"""Nothing that an item holds is run: it is one word, or the template is refused."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdexec.client.template import Command, Item, filled


@pytest.mark.parametrize(
    ("template", "item", "made"),
    [
        ("cat {}", "a b", "cat 'a b'"),
        ("cp {} {}.old", "x", "cp x x.old"),
        (["cat", "{}"], "a b", ["cat", "a b"]),
        (["sh", "-c", "echo ${HOME} {n}"], {"n": 3}, ["sh", "-c", "echo ${HOME} 3"]),
        ("awk '{print}' {file}", {"file": Path("a b")}, "awk '{print}' 'a b'"),
        ("echo {a} ${c} {b}", {"a": 1, "b": "x;y"}, "echo 1 ${c} 'x;y'"),
        ("sleep {}", 0.5, "sleep 0.5"),
        ("echo {c} {}", "x", "echo {c} x"),
        ("xargs -I{} cp {} {to}", {"to": "a b"}, "xargs -I{} cp {} 'a b'"),
        ('cd "$HOME"; echo $(cat {}) ${x%.png} {} # .', "a b", "cd \"$HOME\"; echo $(cat 'a b') ${x%.png} 'a b' # ."),
        ("echo $(({} * {})) \"{}\" '{}' `echo {}`", 3, "echo $((3 * 3)) \"3\" '3' `echo 3`"),
        ("a \\\n  {}", "$(id)", "a \\\n  '$(id)'"),
    ],
)  # fmt: skip
def test_an_item_stands_in_its_places_and_other_braces_stay(template: Command, item: Item, made: Command) -> None:
    assert filled(template, item) == made


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_whatever_an_item_holds_it_is_one_word_for_the_shell(text: str) -> None:
    line = filled("echo {} end", text)
    assert isinstance(line, str)
    assert shlex.split(line) == ["echo", text, "end"]


@pytest.mark.parametrize(
    ("template", "where"),
    [
        ('echo "{}"', "within quotes"),
        ("echo '{}'", "within quotes"),
        ('echo "a$"\'b\'"{}"', "within quotes"),
        ("echo a # {}", "in a comment"),
        ("# {}", "in a comment"),
        (r"echo \{}", "behind a backslash"),
        ("echo ${}", "behind a `$`"),
        ("echo ${x:-{}}", "behind something"),
        ("echo $(({}))", "behind something"),
        ("echo $[{}]", "behind something"),
        ("(( x = {} ))", "behind something"),
        ("echo `echo {}`", "behind something"),
        ("cat <<EOF\n{}\nEOF", "behind something"),
        ('echo "$(echo "{}")"', "behind something"),
        ("echo $'\\'{}'", "behind something"),
        ("echo \\ #'\n{}'", "behind something"),
        ("cat <\\\n<EOF\n{}\nEOF", "behind something"),
        ('echo "$\\\n(echo "{}")"', "behind something"),
        ("echo 'it {}", "behind something"),
    ],
)
def test_where_an_item_cannot_be_quoted_it_is_refused(template: str, where: str) -> None:
    with pytest.raises(ValueError, match=r"the place \{\} stands") as told:
        filled(template, "$(id)")
    assert where in str(told.value)


PIECES = (
    "{}", "{}", "{}", "'", '"', "\\", "\n", " ", "#", "$", "$(", ")", "((", "`", "<<E", "\nE\n", "${x", "}", "echo ",
    ";", "a", "&", "[", "[x", "case x in x) ", " esac",
)  # fmt: skip
HOSTILE = "';touch run;'\n$(touch run)`touch run`\";touch run;\"\ntouch run\n#\\"


@given(st.lists(st.sampled_from(PIECES), max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_template_that_is_taken_lets_a_shell_run_what_an_item_holds(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    """Also where the line itself is no good one."""
    folder = tmp_path_factory.getbasetemp() / "shell"
    folder.mkdir(exist_ok=True)
    try:
        line = filled("".join(pieces), HOSTILE)
    except ValueError:
        return
    assert isinstance(line, str)
    for shell in ("sh", "bash"):
        subprocess.run(
            [shell, "-c", f"PATH={folder}; touch() {{ :>run; }}\n{line}"], cwd=folder, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=10, check=False,
        )  # fmt: skip
        assert not (folder / "run").exists(), f"{shell} ran it: {line!r}"


@pytest.mark.parametrize(("item", "places"), [("x", "{}"), ({"a": 1, "b": 2}, "{a} or {b}")])
def test_a_template_without_a_place_is_refused(item: Item, places: str) -> None:
    with pytest.raises(ValueError, match="has no place for the item") as told:
        filled("echo '{c}'", item)
    assert f"write {places} into it" in str(told.value)


@pytest.mark.parametrize("template", ["echo {a} {b}", ["echo", "{a} {b}"]])
def test_a_place_that_the_item_has_nothing_for_is_refused(template: Command) -> None:
    with pytest.raises(ValueError, match=r"has a place \{b\}, and the item only a. Give it a value"):
        filled(template, {"a": 1})
    assert filled(template, {"a": 1, "b": "{b}"}) in ("echo 1 '{b}'", ["echo", "1 {b}"])


@pytest.mark.parametrize(("item", "said"), [(None, "An item is None"), (b"x", "An item is of type bytes"),
                                            ({"n": None}, "The item's `n` is None")])  # fmt: skip
def test_what_is_neither_text_nor_number_is_refused(item: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        filled("echo {} {n}", item)
