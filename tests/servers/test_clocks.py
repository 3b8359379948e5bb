"""Servers whose machines do not agree what time it is: they go by the store's."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.servers import ahead
from tests.servers.pair import LOOKS_OFTEN, Pair
from tests.services.mongo import shared_uri
from tests.services.packages import Missing
from tests.support.api import Api
from tests.support.system import EMAIL, ends
from tests.support.waiting import holds, until

DAYS = 2
"""More than LOST_TIMEOUT_SEC."""


@pytest.mark.timeout(120)
def test_a_server_whose_clock_is_days_ahead_does_nothing_too_early_and_says_so(tmp_path: Path) -> None:
    try:
        pair = Pair(tmp_path, shared_uri(), None, **LOOKS_OFTEN)
    except Missing as missing:
        pytest.skip(f"an engine is missing here: {missing}")
    pair.b.command = (sys.executable, ahead.__file__, str(DAYS * 24 * 3600))
    worker = pair.worker(pair.a, "w")
    try:
        with ends(*pair.processes):
            pair.start()
            a, b = pair.apis()
            assert "this machine's clock is not the store's" in pair.b.log.read_text()
            assert "this machine's clock" not in pair.a.log.read_text()
            at_b = Api(pair.b.url)
            at_b.login(EMAIL, pair.a.password)
            a.token = at_b.token
            later = a.create({"command": "true", "runAt": (datetime.now(UTC) + timedelta(hours=20)).isoformat()})
            patient = a.create({"command": "true", "requires": {"kind": "none"}, "ttlSec": 20 * 3600})
            worker.locate(pair.a).start(a)
            held = b.create({"command": "sleep 60"})
            assert abs(datetime.fromisoformat(held["createdAt"]) - datetime.now(UTC)) < timedelta(minutes=5)
            a.wait_status(held["jobId"], "running")
            worker.kill9()
            a.wait_status(held["jobId"], "unknown", within=15)

            def stand() -> bool:
                return [job["status"] for job in b.jobs([later["jobId"], patient["jobId"], held["jobId"]])] == [
                    "scheduled", "queued", "unknown",
                ]  # fmt: skip

            holds(stand, "none is begun, expired or given up", during=3)
            b.cancel(held["jobId"])
            soon = datetime.now(UTC) + timedelta(seconds=1)
            due = b.create({"command": "true", "runAt": soon.isoformat(), "requires": {"kind": "none"}})
            until(lambda: a.job(due["jobId"])["status"] == "queued", "what is due comes in time", 5)
    finally:
        pair.drop()
