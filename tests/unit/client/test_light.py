"""What importing the library loads: nothing until something of it is used, and never what only a server needs."""

import subprocess
import sys
from types import ModuleType

import cmdexec


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True,
        timeout=30,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_package_alone_loads_nothing() -> None:
    names = loaded("import cmdexec")
    assert {name for name in names if name.startswith("cmdexec")} == {"cmdexec"}
    assert not names & {"asyncio", "aiohttp", "msgspec", "typing"} - loaded("pass")


def test_the_library_loads_no_server() -> None:
    names = loaded("import cmdexec; cmdexec.connect")
    assert "cmdexec.client.blocking" in names
    parts = {".".join(name.split(".")[:2]) for name in names}
    assert not parts & {"aiohttp.web", "cmdexec.server", "cmdexec.store", "cmdexec.worker", "cmdexec.cli"}
    assert not names & {"apsw", "jwt", "cryptography", "argon2", "click"}


def test_all_that_is_offered_is_there() -> None:
    for name in cmdexec.__all__:
        assert not isinstance(getattr(cmdexec, name), ModuleType)
    assert set(cmdexec.__all__) <= set(dir(cmdexec))
