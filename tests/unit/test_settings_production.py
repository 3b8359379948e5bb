"""What a server refuses in production, all of it at once, and what it takes."""

import pytest

from cmdexec.settings.declare import Fault
from cmdexec.settings.load import SettingsError, load
from cmdexec.settings.production_checks import _goes_over_tls, _other_machines
from cmdexec.settings.server import ServerSettings

JWT, SHARED = "q4Tz!8vLm2#Xw9$Rb5%Nc7^Yd1&Gf3*Hk", "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"
PRODUCTION = {"NODE_ENV": "production"}
UNSAFE = {
    "JWT_SECRET": "your-jwt-secret-key-min-32-chars",
    "WORKER_TOKEN_SECRET": SHARED,
    "CMDEXEC_HOST": "0.0.0.0",
    "INSECURE_HTTP": "true",
    "CORS_ORIGINS": "*",
    "MONGODB_URI": "mongodb://user:u8kq-Zt4-w0xPb@mongo.example.com:27017/cmd_executor",
    "CMDEXEC_ADMIN_PASSWORD": "changeme1234",
}


def faults(**environ: str) -> list[Fault]:
    try:
        load(ServerSettings, environ={"DATA_DIR": "/srv/cmdexec", **environ}, dotenv=None)
    except SettingsError as wrong:
        return list(wrong.faults)
    return []


def test_all_that_is_unsafe_is_one_list() -> None:
    found = faults(**PRODUCTION, **UNSAFE)
    assert {fault.field for fault in found} == UNSAFE.keys() - {"CMDEXEC_HOST"}
    assert len(found) == len(UNSAFE) - 1
    assert all(fault.mend for fault in found)
    said = "\n".join(map(str, found))
    assert not [raw for name, raw in UNSAFE.items() if name.endswith(("SECRET", "PASSWORD", "URI")) and raw in said]


@pytest.mark.parametrize("env", ["development", "test"])
def test_while_developing_what_is_wrong_everywhere_is_refused_alone(env: str) -> None:
    alone = {"JWT_SECRET": JWT, "CMDEXEC_HOST": "127.0.0.1", "CMDEXEC_ADMIN_PASSWORD": "rather long a password"}
    assert [fault.field for fault in faults(NODE_ENV=env, **UNSAFE | alone)] == ["CORS_ORIGINS"]


@pytest.mark.parametrize("given", [
    {},
    {"CMDEXEC_HOST": "0.0.0.0", "BEHIND_TLS_PROXY": "true"},
    {"INSECURE_HTTP": "true"},
    {"WORKER_TOKEN_SECRET": SHARED, "ALLOW_SHARED_WORKER_SECRET": "true"},
    {"MONGODB_URI": "mongodb://mongo.example.com/jobs", "JWT_SECRET": JWT, "ALLOW_PLAIN_STORE": "true"},
    {"MONGODB_URI": "mongodb://localhost:27017,127.0.0.1/jobs", "JWT_SECRET": JWT},
    {"CORS_ORIGINS": "http://localhost:3000,https://your-domain.com"},
    {"REDIS_URL": "redis://localhost:6379"},
    {"REDIS_URL": "rediss://:u8kq-Zt4-w0xPb@b.example.com:6379"},
    {"REDIS_URL": "rediss://b.example.com?ssl_cert_reqs=required&ssl_check_hostname=true"},
    {"REDIS_URL": "rediss://localhost?ssl_cert_reqs=none"},
    {"MONGODB_URI": "mongodb+srv://a.example.com/?tlsAllowInvalidHostnames=false&w=majority", "JWT_SECRET": JWT},
    {"REDIS_URL": "redis://:u8kq-Zt4-w0xPb@b.example.com:6379", "ALLOW_PLAIN_STORE": "true"},
])  # fmt: skip
def test_what_is_safe_is_taken(given: dict[str, str]) -> None:
    assert faults(**PRODUCTION, **given) == []


@pytest.mark.parametrize(("given", "field", "said"), [
    ({"CMDEXEC_HOST": "10.0.0.5", "INSECURE_HTTP": "true"}, "INSECURE_HTTP", "do not go in clear"),
    ({"CMDEXEC_HOST": "0.0.0.0"}, "CMDEXEC_HOST", "there is no TLS"),
    ({"WORKER_TOKEN_SECRET": SHARED}, "WORKER_TOKEN_SECRET", "shared by all workers"),
    ({"MONGODB_URI": "mongodb://a.example.com/jobs", "JWT_SECRET": JWT}, "MONGODB_URI", "to a.example.com needs TLS"),
])  # fmt: skip
def test_each_alone_is_refused(given: dict[str, str], field: str, said: str) -> None:
    (fault,) = faults(**PRODUCTION, **given)
    assert (fault.field, said in fault.message) == (field, True)


@pytest.mark.parametrize(("address", "far"), [
    ("mongodb://a.example.com/db", ["a.example.com"]),
    ("mongodb://u:p%40q@a.example.com:1,localhost,b.example.com/db?w=1", ["a.example.com", "b.example.com"]),
    ("mongodb://a.example.com/db?tls=true", []),
    ("mongodb://a.example.com/?w=1&SSL=true", []),
    ("mongodb://a.example.com?tls=false", ["a.example.com"]),
    ("mongodb://[::1]:27017/db", []),
    ("mongodb://[2001:db8::1]:27017/db", ["2001:db8::1"]),
    ("mongodb://%2Frun%2Fmongodb-27017.sock/db", []),
    ("mongodb+srv://u:p@a.example.com/db", []),
    ("mongodb+srv://a.example.com/db?tls=false", ["a.example.com"]),
    ("redis://redis.example.com:6379/0", ["redis.example.com"]),
    ("redis://:secret@10.0.0.7", ["10.0.0.7"]),
    ("redis://redis.example.com?ssl=true&tls=true", ["redis.example.com"]),
    ("redis://localhost:6379", []),
    ("redis://127.0.0.1", []),
    ("rediss://redis.example.com:6379", []),
    ("unix:///run/redis.sock", []),
    ("", []),
])  # fmt: skip
def test_who_is_reached_in_clear(address: str, far: list[str]) -> None:
    assert ([] if _goes_over_tls(address) else list(_other_machines(address))) == far


@pytest.mark.parametrize(("option", "said"), [
    ("mongodb://a.example.com/d?tls=true&tlsAllowInvalidCertificates=true", "tlsAllowInvalidCertificates=true"),
    ("mongodb+srv://a.example.com/d?tlsInsecure=true", "tlsInsecure=true"),
    ("mongodb://a.example.com/d?ssl=true&TLSallowinvalidhostnames=TRUE", "TLSallowinvalidhostnames=TRUE"),
    ("rediss://a.example.com?ssl_cert_reqs=none", "ssl_cert_reqs=none"),
    ("rediss://a.example.com?ssl_cert_reqs=optional", "ssl_cert_reqs=optional"),
    ("rediss://a.example.com?ssl_check_hostname=False", "ssl_check_hostname=False"),
])  # fmt: skip
def test_tls_that_checks_nobody_is_refused_as_such(option: str, said: str) -> None:
    name = "REDIS_URL" if option.startswith("redis") else "MONGODB_URI"
    (fault,) = faults(**PRODUCTION, JWT_SECRET=JWT, **{name: option})
    assert (fault.field, fault.message.startswith(f"{said} in it lets anybody")) == (name, True)
    assert "in clear" not in fault.message
    assert faults(**PRODUCTION, JWT_SECRET=JWT, ALLOW_PLAIN_STORE="true", **{name: option}) == []
    assert faults(JWT_SECRET=JWT, **{name: option}) == []


@pytest.mark.parametrize("origin", [
    "*", "null", "https://*.example.com", "ci.example.com", "https://ci.example.com/", "https://CI.example.com",
    "https://ci.example.com:443", "http://ci.example.com:80", "https://ci.example.com:99999", "ftp://ci.example.com",
    "https://", "https://ci.example.com/path", "https://a@ci.example.com",
])  # fmt: skip
def test_what_is_no_origin_is_refused_everywhere(origin: str) -> None:
    for env in ("development", "production"):
        (fault,) = faults(NODE_ENV=env, CORS_ORIGINS=f"https://good.example.com,{origin}")
        assert (fault.field, repr(origin) in fault.message) == ("CORS_ORIGINS", True)
    assert faults(CORS_ORIGINS="http://localhost:3000,https://your-domain.com,http://[::1]:5,http://10.0.0.1") == []


def test_fewer_heartbeats_than_workers_send_are_warned_of() -> None:
    def warned(**given: str) -> list[str]:
        return [one.field for one in load(ServerSettings, environ=given, dotenv=None).warnings]

    assert warned(RATE_LIMIT_MAX_HEARTBEAT="5") == ["RATE_LIMIT_MAX_HEARTBEAT"]
    assert warned(RATE_LIMIT_MAX_HEARTBEAT="6") == []
    assert warned(RATE_LIMIT_MAX_HEARTBEAT="6", RATE_LIMIT_WINDOW_MS="90000") == ["RATE_LIMIT_MAX_HEARTBEAT"]
