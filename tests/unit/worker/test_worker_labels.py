"""What a worker says of itself that jobs may require."""

import os
import platform
from pathlib import Path

import pytest

from cmdexec.settings.load import SettingsError, make
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.machine import labels
from tests.support.worker_server import serving


async def test_its_own_and_those_it_was_given_are_registered(tmp_path: Path) -> None:
    async with serving(tmp_path, labels=("gpu=a100", "zone = b=c")) as (server, _):
        await server.until(lambda: server.of("register"), "it registers")
        said = server.of("register")[0].labels
    assert said == {
        "os": "linux", "arch": os.uname().machine, "hostname": platform.node(), "gpu": "a100", "zone": "b=c",
    }  # fmt: skip


def test_what_was_given_stands_over_its_own() -> None:
    assert labels(("hostname=build-07",))["hostname"] == "build-07"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("gpu", "has no value"), ("gpu=", "has no value"), ("g p u=1", "has a key that no server takes"),
        (f"{'k' * 101}=1", "has a key that no server takes"), (f"k={'v' * 201}", "longer than 200 characters"),
        ("a=1,a=2", "is the second one with the key a"),
    ],
)  # fmt: skip
def test_a_label_that_no_server_takes_is_refused_at_the_start(given: str, what: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make(WorkerSettings, labels=given)
    (fault,) = raised.value.faults
    assert fault.field == "LABELS"
    assert what in fault.message
    assert fault.mend.startswith("Write KEY=VALUE")
