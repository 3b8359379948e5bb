"""The house rules hold for every file of the repository. What each forbids, and that it can fail: `test_rules.py`."""

from collections.abc import Callable

import pytest

from tests.house import given, shape, words
from tests.house.source import Rule, repository
from tests.house.whole import (
    codes_without_use,
    folders_in_the_table,
    folders_of_tests,
    folders_on_the_map,
    promises_unproved,
    settings_without_use,
    undeclared_codes,
)

RULES = (*shape.RULES, *given.RULES, *words.RULES)


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_rule(rule: Rule) -> None:
    """Every file keeps it."""
    found = [f"{file.path}:{line}: {what}" for file in repository() for line, what in rule.check(file)]
    assert not found, "\n".join([rule.instead, *found])


def test_every_setting_is_used() -> None:
    """A setting that nothing reads promises what is not there."""
    unused = settings_without_use(repository())
    assert not unused, "Read them outside cmdexec/settings, as `settings.field`, or drop them: " + ", ".join(unused)


def test_every_code_that_is_raised_is_declared() -> None:
    """Each error has its HTTP status."""
    undeclared = undeclared_codes(repository())
    assert not undeclared, "Declare the code in cmdexec/errors.py: " + ", ".join(undeclared)


def test_every_declared_code_is_used() -> None:
    """The list of codes is what callers may meet, not what they might have met."""
    unused = codes_without_use(repository())
    assert not unused, "Use the code, or take it out of cmdexec/errors.py: " + ", ".join(unused)


@pytest.mark.parametrize(("path", "named"), [
    ("docs/architecture.md", folders_on_the_map), ("docs/contributing.md", folders_in_the_table),
])  # fmt: skip
def test_the_documents_name_each_folder_of_tests(path: str, named: Callable[[str], set[str]]) -> None:
    """Who looks for a test, or for a place for one, finds it."""
    (text,) = (file.text for file in repository() if file.path == path)
    there = folders_of_tests(repository())
    assert named(text) == there, f"Name in {path} what is missing, and what is there no more: {named(text) ^ there}"


def test_every_promise_names_a_test_that_breaks_something_and_each_is_there() -> None:
    """Who reads a promise can see it broken."""
    (text,) = (file.text for file in repository() if file.path == "docs/promises.md")
    wrong = promises_unproved(text, {file.path for file in repository()})
    assert not wrong, "See to docs/promises.md: " + ", ".join(wrong)


@pytest.mark.parametrize("excepted", [given.TASKS_WITHOUT_A_GROUP, given.BOUNDED_OTHERWISE, given.REAL_TIME])
def test_exceptions_are_of_files_that_exist_and_give_a_reason(excepted: dict[str, str]) -> None:
    """An exception does not outlive its file."""
    assert not excepted.keys() - {file.path for file in repository()}
    assert all(excepted.values())
