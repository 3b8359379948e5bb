"""The lines for a shell that the documents give work as they stand."""

import os
import shutil
import subprocess

import pytest

from cmdexec.protocol.openapi import document
from cmdexec.protocol.reading import Entry, entries
from tests.support.api import Api
from tests.support.server import Running
from tests.support.system import EMAIL

ENTRIES = [entry for entry in entries(document()) if "x-worker-token" not in entry.curl]
REFUSED = {"auth.login": "401", "auth.password": "403", "workers.join": "401"}
"""Those that show a password, or a token, which is none."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_each_is_understood_and_at_worst_finds_nothing(server: Running, entry: Entry) -> None:
    assert "{" not in entry.curl.partition("\n")[0], "every part of the path has an example"
    api = Api(server.url)
    api.login(EMAIL, server.process.password)
    line = entry.curl.replace("curl ", "curl -s -m 10 -o /dev/null -w '%{http_code}' ", 1)
    surroundings = {"PATH": os.environ["PATH"], "URL": server.url, "TOKEN": api.token or ""}
    ran = subprocess.run(["sh", "-c", line], env=surroundings, capture_output=True, text=True, check=True, timeout=20)
    assert ran.stdout in ({REFUSED[entry.name]} if entry.name in REFUSED else {"200", "404"}), entry.curl
