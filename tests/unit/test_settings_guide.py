"""The `.env` of the deployment guide, the server's and the worker's, also as one file: well, badly, contradictory."""

from pathlib import Path

import pytest

from cmdexec.settings.declare import Fault
from cmdexec.settings.load import SettingsError, load
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings

JWT, SHARED = "q4Tz!8vLm2#Xw9$Rb5%Nc7^Yd1&Gf3*Hk", "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"

SERVER = {
    "MONGODB_URI": "mongodb+srv://user:password@cluster.mongodb.net/cmd_executor",
    "MONGODB_POOL_SIZE": "10",
    "REDIS_URL": "redis://:password@redis.example.com:6379",
    "JWT_SECRET": "your-jwt-secret-key-min-32-chars",
    "WORKER_TOKEN_SECRET": "your-worker-secret-key-min-32-chars",
    "OIDC_PROVIDER_URL": "https://your-oidc-provider.com",
    "OIDC_CLIENT_ID": "your-client-id",
    "OIDC_CLIENT_SECRET": "your-client-secret",
    "RATE_LIMIT_WINDOW_MS": "60000",
    "RATE_LIMIT_MAX_JOBS": "50",
    "RATE_LIMIT_MAX_HEARTBEAT": "600",
    "RATE_LIMIT_MAX_REGISTER": "10",
    "PORT": "3000",
    "WS_PORT": "8080",
    "NODE_ENV": "production",
    "CORS_ORIGINS": "http://localhost:3000,https://your-domain.com",
}
WORKER = {
    "SERVER_URL": "http://localhost:3000",
    "WORKER_TOKEN_SECRET": "your-worker-secret-key-min-32-chars",
    "CPU_LIMIT": "2",
    "RAM_LIMIT": "512",
    "AUTO_START": "false",
    "NODE_ENV": "production",
}
LATER = [name for name in SERVER if name in NOT_PROVIDED["server"]]
OURS = {
    "JWT_SECRET": JWT, "WORKER_TOKEN_SECRET": SHARED, "ALLOW_SHARED_WORKER_SECRET": "true",
    "REDIS_URL": "rediss://:password@redis.example.com:6379",
}  # fmt: skip
NOW = {name: raw for name, raw in SERVER.items() if name not in LATER} | OURS
Kind = type[ServerSettings] | type[WorkerSettings]


class Env:
    """A `.env`, and what comes of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".env"
        self.data = folder / "data"

    def load(self, kind: Kind, variables: dict[str, str]) -> tuple[ServerSettings | WorkerSettings, list[str]]:
        self.path.write_text("".join(f"{name}={raw}\n" for name, raw in variables.items()))
        loaded = load(kind, environ={"DATA_DIR": str(self.data)}, dotenv=self.path)
        return loaded.settings, [str(one).replace(str(self.path), ".env") for one in loaded.warnings]

    def faults(self, kind: Kind, variables: dict[str, str]) -> list[Fault]:
        with pytest.raises(SettingsError) as caught:
            self.load(kind, variables)
        return list(caught.value.faults)


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return Env(tmp_path)


def test_every_variable_of_the_servers_is_read_or_refused_by_name(env: Env) -> None:
    settings, warnings = env.load(ServerSettings, NOW)
    assert isinstance(settings, ServerSettings)
    assert (settings.port, settings.ws_port, settings.production) == (3000, 8080, True)
    assert (settings.jwt_secret, settings.worker_token_secret, warnings) == (JWT, SHARED, [])
    found = env.faults(ServerSettings, SERVER | OURS)
    assert [fault.field for fault in found] == LATER
    assert sorted([*LATER, *NOW]) == sorted([*SERVER, "ALLOW_SHARED_WORKER_SECRET"])


def test_every_variable_of_the_workers_is_read(env: Env) -> None:
    settings, warnings = env.load(WorkerSettings, WORKER | {"WORKER_TOKEN_SECRET": SHARED})
    assert isinstance(settings, WorkerSettings)
    assert (settings.server_url, settings.worker_token_secret) == ("http://localhost:3000", SHARED)
    assert (settings.cpu_limit, settings.ram_limit, settings.env, warnings) == (2, 512, "production", [])


def test_one_file_serves_both(env: Env) -> None:
    """Each takes what is its own, refuses what it would have to provide, and is silent on the other's."""
    one = NOW | WORKER | OURS
    assert env.load(ServerSettings, one)[1] == []
    assert env.load(WorkerSettings, one)[1] == []
    asks = one | {"AUTO_START": "please", "OIDC_CLIENT_ID": "cmdexec"}
    assert [fault.field for fault in env.faults(ServerSettings, asks)] == ["OIDC_CLIENT_ID"]
    assert [fault.field for fault in env.faults(WorkerSettings, asks)] == ["AUTO_START"]


@pytest.mark.parametrize("raw", ["", "false", "False", "0", "no", "off", "true", "1", "yes"])
def test_what_asks_for_nothing_is_no_fault(env: Env, raw: str) -> None:
    env.load(WorkerSettings, WORKER | {"WORKER_TOKEN_SECRET": SHARED, "AUTO_START": raw})
    env.load(ServerSettings, NOW | dict.fromkeys(LATER, ""))


def test_as_it_stands_in_the_guide_all_that_is_wrong_is_one_list(env: Env) -> None:
    """The placeholders are known, the shared secret is off, what is not provided yet is named, and
    Redis wants TLS."""
    found = env.faults(ServerSettings, SERVER)
    assert [fault.field for fault in found] == [*LATER, *["WORKER_TOKEN_SECRET"] * 2, "JWT_SECRET", "REDIS_URL"]
    said = "\n".join(map(str, found))
    assert said.count("This is the placeholder of the deployment guide: everybody knows it.") == 2
    assert "ALLOW_SHARED_WORKER_SECRET=true" in said
    assert all(raw not in said for name, raw in SERVER.items() if "SECRET" in name or "password" in raw)
    assert [fault.field for fault in env.faults(WorkerSettings, WORKER)] == ["WORKER_TOKEN_SECRET"]


def test_while_developing_the_placeholders_are_warned_of(env: Env) -> None:
    now = {name: raw for name, raw in SERVER.items() if name not in LATER} | {"NODE_ENV": "development"}
    settings, warnings = env.load(ServerSettings, now)
    assert settings.worker_token_secret == "your-worker-secret-key-min-32-chars"
    assert warnings == [
        f"{name} (from .env): This is the placeholder of the deployment guide: everybody knows it. "
        "Make a secret of your own, for example with `openssl rand -hex 32`."
        for name in ("WORKER_TOKEN_SECRET", "JWT_SECRET")
    ]
    short = {"WORKER_TOKEN_SECRET": "dev-worker-token-secret", "SERVER_URL": "http://localhost:3000"}
    assert len(env.load(WorkerSettings, short)[1]) == 1
    far = now | {"CMDEXEC_HOST": "0.0.0.0", "INSECURE_HTTP": "true"}
    assert [one.field for one in env.faults(ServerSettings, far)] == ["WORKER_TOKEN_SECRET", "JWT_SECRET"]


def test_all_of_it_wrong_is_one_list(env: Env) -> None:
    wrong = {"PORT": "http", "WS_PORT": "-1", "NODE_ENV": "staging", "JWT_SECRET": "short", "WORKER_TOKEN_SECRET": "x"}
    found = env.faults(ServerSettings, SERVER | wrong)
    assert sorted(fault.field for fault in found) == sorted([*LATER, "CMDEXEC_ENV", *(wrong.keys() - {"NODE_ENV"})])
    wrong = {
        "SERVER_URL": "localhost:3000", "WORKER_TOKEN_SECRET": "x", "CPU_LIMIT": "two", "RAM_LIMIT": "-1",
        "AUTO_START": "please", "NODE_ENV": "staging",
    }  # fmt: skip
    found = env.faults(WorkerSettings, WORKER | wrong)
    assert sorted(fault.field for fault in found) == sorted(["CMDEXEC_ENV", *(wrong.keys() - {"NODE_ENV"})])
    assert all(str(env.path) in str(fault.origin) for fault in found)


def test_contradictions_are_in_the_same_list(env: Env) -> None:
    against = {
        "WS_PORT": "3000", "HEARTBEAT_SEC": "30", "INSECURE_HTTP": "true", "BEHIND_TLS_PROXY": "true",
        "ALLOW_SHARED_WORKER_SECRET": "", "JWT_SECRET_FILE": "/run/secrets/jwt", "MAX_FRAME_BYTES": "8MiB",
    }  # fmt: skip
    found = env.faults(ServerSettings, NOW | against)
    assert [fault.field for fault in found] == [
        "WORKER_TOKEN_SECRET", "HEARTBEAT_SEC", "MAX_FRAME_BYTES", "WS_PORT", "INSECURE_HTTP", "JWT_SECRET",
    ]  # fmt: skip
    assert all(fault.origin == str(env.path) for fault in found)


def test_a_shared_secret_that_is_wrong_as_well_is_told_as_both(env: Env) -> None:
    """So that mending one does not bring up the other."""
    found = env.faults(ServerSettings, {"NODE_ENV": "production", "WORKER_TOKEN_SECRET": "too-short"})
    assert len(found) == 2
    assert {fault.field for fault in found} == {"WORKER_TOKEN_SECRET"}


def test_a_name_that_looks_misspelt_is_warned_of(env: Env) -> None:
    given = {"WORKER_TOKEN_SECERT": SHARED, "HOST": "0.0.0.0", "CMDEXEC_FROBNICATE": "1", "DEBUG": "1", "LANG": "C"}
    _, warnings = env.load(ServerSettings, given)
    assert warnings == [
        "WORKER_TOKEN_SECERT (from .env): There is no such setting, so it counts for nothing. "
        "Did you mean WORKER_TOKEN_SECRET?",
        "HOST (from .env): There is no such setting, so it counts for nothing. Did you mean CMDEXEC_HOST?",
        "CMDEXEC_FROBNICATE (from .env): There is no such setting, so it counts for nothing. "
        "Remove it, or correct its name.",
    ]


def test_a_credential_that_would_go_in_clear_is_warned_of_and_refused_in_production(env: Env) -> None:
    for url, warned in (("http://10.0.0.5:3000", True), ("https://10.0.0.5", False), ("http://127.0.0.1:1", False)):
        warnings = env.load(WorkerSettings, {"SERVER_URL": url})[1]
        assert [one.partition(" ")[0] for one in warnings] == (["SERVER_URL"] if warned else [])
        production = {"SERVER_URL": url, "NODE_ENV": "production"}
        if warned:
            assert [one.field for one in env.faults(WorkerSettings, production)] == ["SERVER_URL"]
        else:
            env.load(WorkerSettings, production)


def test_a_proxy_whose_host_nobody_named_is_warned_of(env: Env) -> None:
    behind = {"CMDEXEC_HOST": "0.0.0.0", "BEHIND_TLS_PROXY": "true"}
    (said,) = env.load(ServerSettings, behind)[1]
    assert said == (
        "ALLOWED_HOSTS (from the default): Requests that a proxy passes on with its own host name are refused: only "
        "this machine's names are known. Name the proxy's host, as people type it."
    )
    assert env.load(ServerSettings, behind | {"ALLOWED_HOSTS": "cmdexec.example.com"})[1] == []


def test_a_name_that_nobody_knows_is_warned_of_where_passwords_go_in_clear(env: Env) -> None:
    clear = {"CMDEXEC_HOST": "0.0.0.0", "INSECURE_HTTP": "true"}
    (names,) = env.load(ServerSettings, clear)[1]
    assert names.startswith("ALLOWED_HOSTS (from the default): Only this machine's own addresses and its host name are")
    assert env.load(ServerSettings, clear | {"ALLOWED_HOSTS": "a.example"})[1] == []


def test_one_settings_file_serves_both_too(env: Env, tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text("port = 4000\nslots = 3\nauto_start = true\nprot = 1\n")
    with pytest.raises(SettingsError) as caught:
        load(ServerSettings, environ={}, dotenv=None, config=file)
    assert [str(fault) for fault in caught.value.faults] == [
        f"prot (from {file}): The server has no such setting. Did you mean port? Else remove it."
    ]


def test_the_way_from_the_guides_file_to_one_that_starts_is_written_down(env: Env) -> None:
    """Each line that production refuses has its row, and the lines of the example make it one that is taken."""
    text = (Path(__file__).parents[2] / "docs/bounds.md").read_text().partition("## From a `.env` of the guide")[2]
    guides = {
        "MONGODB_URI": "mongodb://user:password@host:27017/cmd_executor", "REDIS_URL": "redis://localhost:6379",
    }  # fmt: skip
    asked = {name: raw for name, raw in SERVER.items() if name != "WS_PORT"} | guides
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert [fault.field for fault in env.faults(ServerSettings, asked) if f"`{fault.field}`" not in "".join(rows)] == []
    lines = text.partition("```sh\n")[2].partition("```")[0].splitlines()
    instead = dict(line.split("=", 1) for line in lines if line[:1] != "#")
    assert [name for name, raw in instead.items() if raw == "OWN"] == ["JWT_SECRET", "WORKER_TOKEN_SECRET"]
    settings, warnings = env.load(ServerSettings, asked | instead | {"JWT_SECRET": JWT, "WORKER_TOKEN_SECRET": SHARED})
    assert isinstance(settings, ServerSettings)
    assert (settings.production, warnings) == (True, [])
