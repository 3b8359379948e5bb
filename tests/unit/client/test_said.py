"""What is told to programs in Python is said in its own words: of arguments, and not of options or of the API."""

import re
from functools import partial
from typing import Any

import pytest

import cmdexec
from cmdexec.client.wanted import said_of_fields
from cmdexec.errors import Refused
from cmdexec.settings.load import SettingsError
from tests.unit.client.test_blocking import FIRST, Jobs, elsewhere


def test_a_field_of_a_job_has_the_name_that_it_has_here() -> None:
    told = said_of_fields(Refused("invalid_field", "`[3].ramMb` must be a number.", field="[3].ramMb", mend="Do."))
    assert str(told) == "`[3].ram_mb` must be a number. Do."
    assert told.field == "[3].ram_mb"
    told = said_of_fields(Refused("invalid_field", "`backoff.firstSec` is above maxSec, not maxSecs.", field=None))
    assert told.message == "`backoff.first_sec` is above max_sec, not maxSecs."


def test_a_setting_that_cannot_be_used_is_one_of_connect() -> None:
    for given in ({"token": "bad"}, {"patience_sec": "often"}):
        with pytest.raises(SettingsError, match=r"\(from what connect\(\) was given\): "):
            cmdexec.connect(**given)


async def test_a_wait_that_takes_too_long_says_what_for() -> None:
    server = Jobs()
    async with server.connected() as c:
        job = await elsewhere(lambda: c.submit("a"))
        for wait in (
            lambda: job.result(timeout=0.01), lambda: job.exception(timeout=0.01),
            lambda: list(c.map("a {}", [1], timeout=0.01)),
        ):  # fmt: skip
            with pytest.raises(TimeoutError, match=re.escape(f"Job {FIRST} has not ended in time. It goes on")):
                await elsewhere(wait)


async def test_what_gives_one_thing_after_the_other_is_no_call() -> None:
    server = Jobs()
    async with server.connected() as c:
        for method, name in ((cmdexec.Client.jobs, "jobs"), (cmdexec.Client.follow, "follow")):
            call: Any = c.call
            with pytest.raises(TypeError, match=re.escape(f"for one in c.each(c.client.{name}(…))")):
                await elsewhere(partial(call, method, *([FIRST] if name == "follow" else [])))
