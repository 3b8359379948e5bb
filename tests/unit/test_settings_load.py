"""From all sources to one object: which one counts, and how everything that is wrong is told at once."""

import dataclasses
from pathlib import Path

import pytest

from cmdexec.settings.client import ClientSettings
from cmdexec.settings.declare import Fault, Side
from cmdexec.settings.load import DECLARED, SettingsError, load, make
from cmdexec.settings.refused import NOT_PROVIDED
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.server_checks import is_loopback
from cmdexec.settings.worker import WorkerSettings

KEY = "k8#vTq0zL5!mXw2@Rb9$Yc4%Nd7^Gf1&"
OTHER_KEY = "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"


class Place:
    """A folder with the sources of settings in it, and what is loaded from them."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.dotenv = folder / ".env"
        self.config = self.data / "cmdexec.toml"
        self.environ = {"DATA_DIR": str(self.data)}

    def load(self, **flags: object) -> ServerSettings:
        return load(ServerSettings, flags=flags, environ=self.environ, dotenv=self.dotenv).settings

    def faults(self, kind: type[ServerSettings | WorkerSettings] = ServerSettings, **flags: object) -> list[Fault]:
        with pytest.raises(SettingsError) as caught:
            load(kind, flags=flags, environ=self.environ, dotenv=self.dotenv)
        return list(caught.value.faults)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_first_source_that_has_it_counts(place: Place) -> None:
    assert place.load().port == 3000
    place.config.write_text("port = 3001\n")
    assert place.load().port == 3001
    place.dotenv.write_text("PORT=3002\n")
    assert place.load().port == 3002
    place.environ["PORT"] = "3003"
    assert place.load().port == 3003
    assert place.load(port="3004").port == 3004
    assert place.load(port=None).port == 3003, "a flag that was not given"


def test_a_data_folder_that_is_a_file_holds_no_settings(place: Place, tmp_path: Path) -> None:
    """What opens it says what it is, and names DATA_DIR."""
    (tmp_path / "file").touch()
    place.environ["DATA_DIR"] = str(tmp_path / "file")
    assert place.load().data_dir == tmp_path / "file"


def test_a_user_without_a_home_has_to_name_the_folder(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """As in a container that runs as some number: the system knows no such user."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    monkeypatch.setattr("os.getuid", lambda: 54321)
    place.environ = {"PORT": "http"}
    assert [str(fault) for fault in place.faults()] == [
        "DATA_DIR (from the default): It is not set, and this user has no home folder to put it into. Write a path.",
        "PORT (from the environment): 'http' is not a whole number. Write a whole number, from 0 to 65535.",
    ]
    place.environ = {"DATA_DIR": str(place.data)}
    assert place.load().data_dir == place.data
    assert load(ClientSettings, environ={"SERVER_URL": "http://localhost:3000"}).settings.server_url


def test_each_value_says_where_it_came_from(place: Place) -> None:
    place.config.write_text("flush_items = 1\n")
    place.dotenv.write_text("LEASE_SEC=90\n")
    place.environ |= {"NODE_ENV": "production", "CMDEXEC_ADMIN_PASSWORD_FILE": str(place.data / "password")}
    (place.data / "password").write_text("correct horse battery\n")
    loaded = load(ServerSettings, flags={"port": 0}, environ=place.environ, dotenv=place.dotenv)
    rows = {row.name: (row.origin, row.shown) for row in loaded.describe()}
    assert rows["PORT"] == ("the command line", "0")
    assert rows["DATA_DIR"] == ("the environment", str(place.data))
    assert rows["LEASE_SEC"] == (str(place.dotenv), "90 s")
    assert rows["FLUSH_ITEMS"] == (str(place.config), "1")
    assert rows["CMDEXEC_ENV"] == ("NODE_ENV in the environment", "production")
    assert rows["CMDEXEC_ADMIN_PASSWORD"] == ("CMDEXEC_ADMIN_PASSWORD_FILE in the environment", "set (hidden)")
    assert rows["JWT_SECRET"] == ("the default", "unset")
    assert list(rows) == [setting.name for setting in DECLARED["server"]]


def test_an_empty_text_counts_as_not_given(place: Place) -> None:
    place.environ |= {"PORT": "", "NODE_ENV": "", "JWT_SECRET_FILE": "", "OIDC_CLIENT_ID": ""}
    place.config.write_text('host = ""\n')
    settings = place.load()
    assert (settings.port, settings.env, settings.jwt_secret) == (3000, "development", None)
    assert settings.host == "127.0.0.1"


def test_two_names_of_one_setting_have_to_agree(place: Place) -> None:
    place.environ |= {"CMDEXEC_ENV": "development", "NODE_ENV": "production"}
    assert [str(fault) for fault in place.faults()] == [
        "CMDEXEC_ENV (from the environment): It says 'development', and NODE_ENV, another name of it, 'production'. "
        "Keep one of them, or write the same in both."
    ]
    place.environ["CMDEXEC_ENV"] = "production"
    assert place.load().production
    del place.environ["CMDEXEC_ENV"]
    assert place.load().production
    place.environ["NODE_ENV"] = "test"
    assert not place.load().production


def test_whether_it_is_production_two_names_say_alike_wherever_they_stand(place: Place) -> None:
    """The variable of another program must not turn off what the file asks for; of one name the first place counts."""
    place.environ["NODE_ENV"] = "development"
    place.dotenv.write_text("CMDEXEC_ENV=production\n")
    assert [str(fault) for fault in place.faults()] == [
        "CMDEXEC_ENV (from NODE_ENV in the environment): It says 'development', and CMDEXEC_ENV in "
        f"{place.dotenv}, another name of it, 'production'. Keep one of them, or write the same in both."
    ]
    place.environ["NODE_ENV"] = "production"
    assert place.load().production
    place.dotenv.write_text("CMDEXEC_ENV=test\n")
    assert [fault.field for fault in place.faults()] == ["CMDEXEC_ENV"]
    place.environ["NODE_ENV"] = "development"
    assert place.load().env == "development"
    place.dotenv.write_text("NODE_ENV=production\n")
    assert place.load().env == "development"
    (place.data / "cmdexec.toml").write_text('env = "production"\n')
    assert [fault.field for fault in place.faults()] == ["CMDEXEC_ENV"]


def test_variables_that_nobody_declared_are_none_of_our_business(place: Place) -> None:
    place.environ |= {"HOST": "example", "PYTHONPATH": "/", "LC_ALL": "C"}
    place.dotenv.write_text("DEBUG=1\n")
    assert place.load().host == "127.0.0.1"


def test_a_secret_may_stand_in_a_file_of_its_own(place: Place) -> None:
    secret = place.data / "jwt"
    for content in (KEY, f"{KEY}\n", f"{KEY}\r\n"):
        secret.write_bytes(content.encode())
        place.config.write_text(f'jwt_secret_file = "{secret}"\n')
        assert place.load().jwt_secret == KEY
    place.environ["JWT_SECRET"] = OTHER_KEY
    assert place.load().jwt_secret == OTHER_KEY, "another source, that goes before"
    place.environ["JWT_SECRET_FILE"] = str(secret)
    assert [(fault.field, fault.origin) for fault in place.faults()] == [("JWT_SECRET", "the environment")]


def test_dotenv_is_read_as_written_and_leaves_the_environment_alone(place: Place) -> None:
    lines = ["# a comment", "", "export PORT=4000", "CMDEXEC_ADMIN_EMAIL='a${PORT}@b'", f'JWT_SECRET="{KEY}"']
    place.dotenv.write_text("\n".join(lines))
    settings = place.load()
    assert (settings.port, settings.admin_email, settings.jwt_secret) == (4000, "a${PORT}@b", KEY)
    assert "PORT" not in place.environ


def test_the_client_takes_nothing_from_the_folder_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SERVER_URL=https://elsewhere.example.com\nLOG_LEVEL=nonsense\n")
    (tmp_path / "cmdexec.toml").write_text('server_url = "https://elsewhere.example.com"\n')
    environ = {"DATA_DIR": str(tmp_path)}
    assert load(ClientSettings, environ=environ, dotenv=tmp_path / ".env").settings.server_url is None
    named = load(ClientSettings, environ=environ, config=tmp_path / "cmdexec.toml")
    assert named.settings.server_url == "https://elsewhere.example.com"


def test_a_named_settings_file_replaces_the_data_folders_own(place: Place, tmp_path: Path) -> None:
    place.config.write_text("port = 1\n")
    other = tmp_path / "other.toml"
    other.write_text(f'host = "::1"\ndata_dir = "{tmp_path}"\n')
    loaded = load(ServerSettings, environ={}, dotenv=None, config=other).settings
    assert (loaded.host, loaded.port, loaded.data_dir) == ("::1", 3000, tmp_path)
    with pytest.raises(SettingsError, match="does not exist"):
        load(ServerSettings, environ={}, dotenv=None, config=tmp_path / "absent.toml")


def test_all_faults_are_told_at_once_in_the_order_of_the_declarations(place: Place) -> None:
    place.environ |= {"PORT": "99999", "NODE_ENV": "staging", "OIDC_CLIENT_ID": "cmdexec"}
    place.dotenv.write_text("FLUSH_ITEMS=none\nnonsense here\n")
    place.config.write_text('lease_sec = "5s"\nno_such_setting = 1\njwt_secret = "change-me-in-production"\n')
    faults = place.faults(host="0.0.0.0")
    assert [fault.field for fault in faults] == [
        ".env", "OIDC_CLIENT_ID", "no_such_setting", "HEARTBEAT_SEC", "FLUSH_ITEMS", "CMDEXEC_ENV", "CMDEXEC_HOST",
        "PORT", "JWT_SECRET",
    ]  # fmt: skip
    error = SettingsError(faults)
    assert error.code == "bad_settings"
    assert str(error).splitlines() == [str(fault) for fault in faults]


def test_a_fault_names_the_setting_the_source_and_the_mend(place: Place) -> None:
    place.environ |= {"LEASE_SEC": "15", "NODE_ENV": "staging"}
    place.config.write_text('port = "http"\n')
    assert [str(fault) for fault in place.faults()] == [
        "HEARTBEAT_SEC (from the default): 3 times HEARTBEAT_SEC must be at most LEASE_SEC: it is 10 s, "
        "LEASE_SEC is 15 s (from the environment). Lower HEARTBEAT_SEC or raise LEASE_SEC.",
        "CMDEXEC_ENV (from NODE_ENV in the environment): 'staging' is none of the choices. "
        "Write one of: development, test, production.",
        f"PORT (from {place.config}): 'http' is not a whole number. Write a whole number, from 0 to 65535.",
    ]


SERVER_FAULTS = [
    ({"HEARTBEAT_SEC": "30"}, "HEARTBEAT_SEC", "at most LEASE_SEC"),
    ({"FLUSH_MS": "500", "HEARTBEAT_SEC": "100ms"}, "FLUSH_MS", "at most HEARTBEAT_SEC"),
    ({"LEASE_SEC": "2d", "HEARTBEAT_SEC": "10"}, "LEASE_SEC", "too large"),
    ({"LOST_TIMEOUT_SEC": "30"}, "LEASE_SEC", "at most LOST_TIMEOUT_SEC"),
    ({"TOKEN_TTL_SEC": "1", "SESSION_CACHE_SEC": "2"}, "SESSION_CACHE_SEC", "at most TOKEN_TTL_SEC"),
    ({"LEASE_SWEEP_SEC": "61"}, "LEASE_SWEEP_SEC", "at most LEASE_SEC"),
    ({"MAX_OUTPUT_BYTES": "1KiB"}, "FOLLOW_KEEP_BYTES", "at most MAX_OUTPUT_BYTES"),
    ({"CMDEXEC_HOST": "0.0.0.0"}, "CMDEXEC_HOST", "no TLS"),
    ({"CMDEXEC_HOST": "example.com"}, "CMDEXEC_HOST", "no TLS"),
    ({"NODE_ENV": "production", "WORKER_TOKEN_SECRET": KEY}, "WORKER_TOKEN_SECRET", "shared by all workers"),
    ({"ALLOWED_HOSTS": "a.example.com, *.example.com"}, "ALLOWED_HOSTS", "not a host name"),
    ({"ALLOWED_HOSTS": "https://a.example.com"}, "ALLOWED_HOSTS", "not a host name"),
    ({"CMDEXEC_ADMIN_EMAIL": "nobody"}, "CMDEXEC_ADMIN_EMAIL", "not an e-mail address"),
    ({"CMDEXEC_ADMIN_EMAIL": "a@b@c"}, "CMDEXEC_ADMIN_EMAIL", "not an e-mail address"),
    ({"CMDEXEC_ADMIN_EMAIL": "@host"}, "CMDEXEC_ADMIN_EMAIL", "not an e-mail address"),
    ({"CMDEXEC_ADMIN_PASSWORD": "short-pw"}, "CMDEXEC_ADMIN_PASSWORD", "8 bytes is too short"),
    ({"JWT_SECRET": "change-me-in-production"}, "JWT_SECRET", "easy to guess"),
    ({"WORKER_TOKEN_SECRET": "your-own-secret-of-at-least-32-chars"}, "WORKER_TOKEN_SECRET", "easy to guess"),
    ({"INSECURE_HTTP": "1", "BEHIND_TLS_PROXY": "1"}, "INSECURE_HTTP", "a proxy ends it"),
    ({"WS_PORT": "3000"}, "WS_PORT", "PORT is 3000 as well"),
    ({"MAX_FRAME_BYTES": "5MiB"}, "MAX_FRAME_BYTES", "at most SOCKET_QUEUE_BYTES"),
    ({"JWT_SECRET_FILE": "/no/such/file"}, "JWT_SECRET_FILE", "does not exist"),
    ({"JWT_SECRET_FILE": "/"}, "JWT_SECRET_FILE", "cannot be read"),
    ({"JWT_SECRET_FILE": "a\0b"}, "JWT_SECRET_FILE", "not a path"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "field", "said"), SERVER_FAULTS)
def test_contradictions_are_refused(place: Place, given: dict[str, str], field: str, said: str) -> None:
    place.environ |= given
    faults = place.faults()
    assert [fault.field for fault in faults] == [field]
    assert said in faults[0].message
    assert faults[0].mend.endswith(".")


GOOD_TOGETHER = [
    {"CMDEXEC_HOST": "0.0.0.0", "BEHIND_TLS_PROXY": "true"},
    {"CMDEXEC_HOST": "0.0.0.0", "INSECURE_HTTP": "true"},
    {"CMDEXEC_HOST": "::1"},
    {"CMDEXEC_HOST": "localhost"},
    {"NODE_ENV": "production", "WORKER_TOKEN_SECRET": KEY, "ALLOW_SHARED_WORKER_SECRET": "true"},
    {"WORKER_TOKEN_SECRET": KEY},
    {"ALLOWED_HOSTS": "a.example.com, 10.0.0.5:3000, [::1]:3000"},
]


@pytest.mark.parametrize("given", GOOD_TOGETHER)
def test_what_goes_together_is_taken(place: Place, given: dict[str, str]) -> None:
    place.environ |= given
    assert place.load().data_dir == place.data


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port = ", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"#" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (b"port = " + b"9" * 5000, "is not TOML"),
        (b"port = " + b"9" * 400, "This is too large"),
        (b"a = " + b"[" * 5000, "is not TOML"),
        (b"port = 1\nport = 2\n", "is not TOML"),
        (b"[server]\nport = 1\n", "no such setting"),
        (b'"a\\nb" = 1\n', "no such setting"),
        (b'data_dir = "/elsewhere"\n', "cannot set it"),
        (b"jwt_secret_file = 7\n", "not a path"),
        (b'oidc_client_id = "cmdexec"\n', "not provided yet"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_a_fault(place: Place, content: bytes, said: str) -> None:
    place.config.write_bytes(content)
    faults = place.faults()
    assert len(faults) == 1
    assert said in str(faults[0])
    assert str(faults[0]).isprintable()


def test_a_line_of_dotenv_that_says_nothing_is_a_fault_that_does_not_quote_it(place: Place) -> None:
    place.dotenv.write_text("PORT=4000\nJWT_SECRET='hidden-in-plain-sight\nhidden-in-plain-sight\n")
    faults = place.faults()
    assert [fault.message for fault in faults] == [f"Line {line} is not of the form NAME=value." for line in (2, 3)]
    assert "hidden" not in str(SettingsError(faults))


@pytest.mark.parametrize("side", [side for side in NOT_PROVIDED if NOT_PROVIDED[side]])
def test_what_is_not_provided_yet_is_refused_by_name(place: Place, side: Side) -> None:
    place.environ |= dict.fromkeys(NOT_PROVIDED[side], "x")
    faults = place.faults(ServerSettings if side == "server" else WorkerSettings)
    assert [fault.field for fault in faults] == list(NOT_PROVIDED[side])
    mend = "Remove it there, or leave it empty."
    assert {(fault.mend, fault.origin) for fault in faults} == {(mend, "the environment")}


def test_no_message_row_or_repr_ever_holds_a_secret(place: Place) -> None:
    secrets = [setting for setting in DECLARED["server"] if setting.secret]
    assert secrets
    place.environ |= {setting.name: f"{KEY}{setting.name}" for setting in secrets}
    place.environ["MONGODB_URI"] = f"mongodb://user:{KEY}@localhost"
    place.environ["REDIS_URL"] = f"redis://:{KEY}@localhost"
    loaded = load(ServerSettings, environ=place.environ, dotenv=None)
    assert loaded.settings.jwt_secret == f"{KEY}JWT_SECRET"
    assert KEY not in repr(loaded)
    assert KEY not in repr(loaded.describe())
    for bad in (f"{KEY}\n{KEY}", KEY * 1000, f"your-{KEY}"):
        place.environ |= {setting.name: bad for setting in secrets}
        faults = place.faults()
        assert [fault.field for fault in faults] == [setting.name for setting in secrets]
        error = SettingsError(faults)
        assert KEY not in f"{error} {error!r} {error.details()} {error.__cause__!r} {error.__context__!r}"


def test_settings_cannot_be_changed() -> None:
    settings = make(ServerSettings)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_make_takes_fields_and_checks_them() -> None:
    settings = make(ServerSettings, lease_sec=3, heartbeat_sec="500ms", allowed_hosts=["a.example.com"])
    assert (settings.lease_sec, settings.heartbeat_sec, settings.allowed_hosts) == (3.0, 0.5, ("a.example.com",))
    with pytest.raises(SettingsError) as caught:
        make(ServerSettings, lease_sec=1, no_such=1, port="x")
    assert [fault.field for fault in caught.value.faults] == ["no_such", "HEARTBEAT_SEC", "PORT"]
    assert {fault.origin for fault in caught.value.faults} == {None, "the default", "the caller"}


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_which_hosts_only_this_machine_can_reach(host: str, near: bool) -> None:
    assert is_loopback(host) is near


def test_a_store_that_servers_share_wants_a_key_that_they_share(place: Place) -> None:
    place.environ["MONGODB_URI"] = "mongodb://localhost/jobs"
    (fault,) = place.faults()
    assert (fault.field, "MONGODB_URI" in fault.message) == ("JWT_SECRET", True)
    place.environ["JWT_SECRET"] = KEY
    assert load(ServerSettings, environ=place.environ, dotenv=None).settings.mongodb_uri == "mongodb://localhost/jobs"
    place.environ["MONGODB_URI"] = f"postgres://user:{KEY}@localhost"
    (fault,) = place.faults()
    assert fault.field == "MONGODB_URI"
    assert KEY not in str(fault)
