"""Each house rule finds what it forbids, and only that. The forbidden words are put together, as in `words.py`."""

import pytest

from tests.house import given, shape, whole, words
from tests.house.source import File, Rule
from tests.house.test_house import RULES

HERE = "cmdexec/server/jobs/submit.py"
CHOOSING = (
    '"""x"""\nimport sys\nif sys.platform == "win32":\n    from a_windows import b\nelse:\n    from a_posix import b\n'
    '__all__ = ["b"]\n'
)
LONG_FUNCTION = "def long():\n" + "    x = 1\n" * 60

Example = tuple[Rule, str, str]

BAD: list[Example] = [
    *((shape.RULES[0], path, "x = 1\n" * 401) for path in (HERE, "tests/e2e/test_a.py", "webui/a.js", "README.md")),
    (shape.RULES[1], HERE, LONG_FUNCTION),
    (shape.RULES[1], HERE, f"async {LONG_FUNCTION}"),
    (shape.RULES[1], HERE, "class A:\n    " + LONG_FUNCTION.replace("\n", "\n    ")),
    *(
        (shape.RULES[2], path, "")
        for path in ("cmdexec/utils.py", "cmdexec/common/a.py", "tests/support/job_helpers.py", "cmdexec/Manager.py")
    ),
    (shape.RULES[3], HERE, "import os\n"),
    (shape.RULES[3], "cmdexec/server/__init__.py", ""),
    (shape.RULES[4], "scripts/a.sh", ""),
    (shape.RULES[4], "notes.txt", ""),
    (shape.RULES[5], HERE, "x = 1  # " + "TO" + "DO: more\n"),
    *(
        (given.RULES[0], HERE, code)
        for code in (
            "import time\ntime.time()\n",
            "import time as t\nt.monotonic()\n",
            "from time import monotonic as tick\ntick()\n",
            "import time\nnow = time.time_ns\n",
            "import datetime\ndatetime.datetime.now(datetime.UTC)\n",
            "from datetime import datetime\ndatetime.utcnow()\n",
            "import asyncio\nasync def f(): await asyncio.sleep(1)\n",
            "import asyncio\nasyncio.get_running_loop().time()\n",
            "self._loop.time()\n",
        )
    ),
    (given.RULES[0], "cmdexec/worker/warden/serve.py", "import time\ntime.time()\n"),
    *(
        (given.RULES[1], HERE, code)
        for code in (
            "import random\nrandom.random()\n",
            "import random\nr = random.Random(1)\n",
            "from random import shuffle\nshuffle([])\n",
            "import uuid\nuuid.uuid4()\n",
            "import secrets\nsecrets.token_hex()\n",
            "from os import urandom\nsource = urandom\n",
        )
    ),
    *(
        (given.RULES[2], HERE, code)
        for code in (
            "import asyncio\nasyncio.create_task(f())\n",
            "from asyncio import ensure_future as go\ngo(f())\n",
            "import asyncio\nasyncio.get_running_loop().create_task(f())\n",
            "self._loop.create_task(f())\n",
        )
    ),
    *(
        (given.RULES[3], HERE, code)
        for code in (
            "import asyncio\nq = asyncio.Queue()\n",
            "import asyncio\nq: asyncio.Queue[int] = asyncio.Queue(0)\n",
            "import asyncio\nq = asyncio.PriorityQueue(maxsize=0)\n",
            "from queue import Queue\nq = Queue()\n",
            "import queue\nq = queue.SimpleQueue()\n",
        )
    ),
    (given.RULES[4], HERE, "import sys\nif sys.platform == 'win32': pass\n"),
    (given.RULES[4], HERE, "from os import name\nif name == 'nt': pass\n"),
    (given.RULES[4], HERE, "import platform\nplatform.system()\n"),
    (given.RULES[4], HERE, '"""x"""\nimport sys\nif sys.platform == "win32":\n    from a import b\nelse:\n    b = 1\n'),
    (given.RULES[5], "tests/e2e/test_a.py", "import subprocess\nsubprocess.run('ls', shell=True)\n"),
    (given.RULES[5], HERE, "run('ls', shell=flag)\n"),
    (given.RULES[5], HERE, "import os\nos.system('ls')\n"),
    (given.RULES[5], HERE, "import asyncio\nasyncio.create_subprocess_shell('ls')\n"),
    *(
        (given.RULES[6], HERE, code)
        for code in ("token == other\n", "row.token_hash != hash(x)\n", "x == self._jwt_secret\n", "a == password\n")
    ),
    (given.RULES[7], "tests/e2e/test_a.py", "import time\ntime.sleep(0.2)\n"),
    (given.RULES[7], "tests/support/system.py", "import asyncio\nasync def f(): await asyncio.sleep(STEP)\n"),
    (words.RULES[0], "docs/a.md", "Written with the help of Cla" + "ude.\n"),
    (words.RULES[0], "README.md", "an ll" + "m wrote it\n"),
    (words.RULES[0], HERE, "# for coding " + "agents\n"),
    (words.RULES[1], HERE, "# see brief" + ".md\n"),
    (words.RULES[1], "CHANGELOG.md", "made at this work" + "place\n"),
    *(
        (words.RULES[2], "docs/a.md", f"cd {path}\n")
        for path in ("/wo" + "rk/main", "/ro" + "ot/.bashrc", "/ho" + "me/ada/x", "'/wo" + "rk'", "/tmp/" + "brief/a")
    ),
    (words.RULES[3], "pyproject.toml", "--index" + "-url=https://example.com\n"),
    (words.RULES[3], ".ci/run", "curl https://py" + "pi.org/simple\n"),
]

GOOD: list[Example] = [
    *((shape.RULES[0], path, "x = 1\n" * 400) for path in (HERE, "tests/e2e/test_a.py")),
    *((shape.RULES[0], path, "x\n" * 401) for path in ("docs/settings.md", "CHANGELOG.md", "LICENSE")),
    (shape.RULES[1], HERE, "@decorated\n" + LONG_FUNCTION.removesuffix("    x = 1\n")),
    (shape.RULES[2], "cmdexec/commons.py", ""),
    (shape.RULES[3], HERE, '"""Takes jobs in."""\n'),
    (shape.RULES[4], ".ci/run", ""),
    (shape.RULES[4], "docs/a.md", ""),
    (given.RULES[0], "cmdexec/clock.py", "import time\ntime.time()\n"),
    (given.RULES[0], "cmdexec/worker/warden/serve.py", "import time\ntime.monotonic()\n"),
    (given.RULES[0], HERE, "import time\ntime.gmtime(0)\nself._clock.now()\nrow.time()\n"),
    (given.RULES[1], HERE, "import random\ndef f(rng: random.Random) -> float:\n    return rng.random()\n"),
    (given.RULES[1], "cmdexec/runtime.py", "import os\nos.urandom(1)\n"),
    (given.RULES[2], HERE, "import asyncio\nasync with asyncio.TaskGroup() as group:\n    group.create_task(f())\n"),
    (given.RULES[3], HERE, "import asyncio\nq = asyncio.Queue(bound)\nr = asyncio.Queue(maxsize=self._bound)\n"),
    (given.RULES[4], "cmdexec/worker/files_posix.py", "import sys\nsys.platform\n"),
    (given.RULES[4], HERE, CHOOSING),
    (given.RULES[5], HERE, "import subprocess\nsubprocess.run(['ls'], shell=False)\n"),
    (given.RULES[6], HERE, "import hmac\nhmac.compare_digest(token, other)\ntoken == ''\ntoken.kind == kind\n"),
    (given.RULES[6], "tests/unit/test_a.py", "assert token == other\n"),
    (given.RULES[7], "tests/e2e/test_a.py", "import asyncio\nasync def f(): await asyncio.sleep(0)\n"),
    (given.RULES[7], "tests/faults/evil.py", "import time\ntime.sleep(60)\n"),
    (words.RULES[0], HERE, "# wellmade claws, an open air cluster\n"),
    (words.RULES[1], HERE, "# a session of the worker; be brief\n"),
    (words.RULES[2], HERE, "x = f'{folder}/wo" + "rk'; y = 'a/wo" + "rk'; z = '/wo" + "rkers/list'; w = '/home'\n"),
    (words.RULES[3], "README.md", ".venv/bin/pip install -q .\n"),
]


def names(examples: list[Example]) -> list[str]:
    return [f"{rule.name}-{number}" for number, (rule, _, _) in enumerate(examples)]


def test_every_rule_is_broken_and_kept_here() -> None:
    assert {rule.name for rule, _, _ in BAD} == {rule.name for rule in RULES}
    assert {rule.name for rule, _, _ in GOOD} == {rule.name for rule in RULES} - {"unfinished"}


@pytest.mark.parametrize(("rule", "path", "text"), BAD, ids=names(BAD))
def test_what_breaks_a_rule_is_found(rule: Rule, path: str, text: str) -> None:
    found = list(rule.check(File(path, text)))
    assert len(found) == 1, found
    line, what = found[0]
    assert 1 <= line <= max(1, len(text.splitlines()))
    assert what
    assert rule.instead.endswith("."), "a rule says what to do instead"


@pytest.mark.parametrize(("rule", "path", "text"), GOOD, ids=names(GOOD))
def test_what_keeps_a_rule_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert list(rule.check(File(path, text))) == []


def test_settings_that_nothing_reads_are_found() -> None:
    reading = File(HERE, "self._settings.lease_sec\nsettings.port\nother.host\n")
    declaring = File("cmdexec/settings/server.py", "settings.token_ttl_sec\n")
    testing = File("tests/unit/test_a.py", "settings.log_level\n")
    assert whole.fields_used([reading, declaring, testing]) == {"lease_sec", "port"}
    checking = File("cmdexec/settings/server_checks.py", "values.get('insecure_http')\n")
    assert whole.fields_used([checking]) == {"insecure_http"}
    behind = File("cmdexec/settings/server.py", "@property\ndef production(self): return self.env == 'production'\n")
    assert whole.fields_used([behind, reading]) == {"lease_sec", "port"}
    assert whole.fields_used([behind, File(HERE, "settings.production\n")]) == {"production", "env"}
    unused = whole.settings_without_use([reading, declaring, testing])
    assert {"CMDEXEC_HOST", "TOKEN_TTL_SEC", "LOG_LEVEL"} <= set(unused)
    assert not {"LEASE_SEC", "PORT"} & set(unused)


def test_error_codes_that_nobody_declared_or_nobody_uses_are_found() -> None:
    raising = File(HERE, "raise errors.Conflict('no_such_code', 'No.')\nraise Refused('conflict', 'No.')\n")
    assert whole.undeclared_codes([raising]) == [f"{HERE}:1 no_such_code"]
    unused = whole.codes_without_use([raising, File("cmdexec/errors.py", "CODES = {'internal': 500}\n")])
    assert "internal" in unused
    assert "conflict" not in unused


def test_of_promises_those_without_a_test_are_found() -> None:
    good = "x `tests/a/test_a.py`\n## Promises, and what breaks them\n1. **A.** *Broken by*\n   `tests/a/test_a.py`.\n"
    there = {"tests/a/test_a.py"}
    assert whole.promises_unproved(good, there) == []
    assert whole.promises_unproved(good, set()) == ["no file tests/a/test_a.py"]
    assert whole.promises_unproved(good + "2. **B.** By `tests/a/test_a.py`.\n\n## More\n3. C\n", there) == [
        "promise 2 names no test that breaks something"
    ]
    assert whole.promises_unproved(good.replace("1.", "2."), there) == ["promise 2 stands in place 1"]
    assert whole.promises_unproved("", there) == ["no promises"]
