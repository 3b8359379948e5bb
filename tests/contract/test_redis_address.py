"""REDIS_URL is looked at before anything is sent: what it says that cannot be is refused at the start."""

from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from tests.contract.notifiers import link_to


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:6379", "redis://", "127.0.0.1:6379", "redis://h:port/0", "redis://h/x", "unix://"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(CmdexecError) as refused:
        link_to(url)
    assert (refused.value.code, refused.value.field) == ("bad_settings", "REDIS_URL")


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("redis://h/0?foo=secret-9", "foo"),
        ("redis://h/0?decode_responses=true", "decode_responses"),
        ("redis://h/0?max_connections=1", "max_connections"),
        ("rediss://h/0?socket_timeout=1", "socket_timeout"),
        ("redis://h/0?ssl_ca_certs=FILE", "ssl_ca_certs"),
        ("unix:///run/redis.sock?socket_keepalive=true", "socket_keepalive"),
        ("redis://h/0?foo=", "foo"),
    ],
)
def test_an_option_that_has_no_place_in_it_is_named_and_its_value_is_not(url: str, option: str) -> None:
    with pytest.raises(CmdexecError) as refused:
        link_to(url)
    assert (refused.value.code, refused.value.field) == ("bad_settings", "REDIS_URL")
    assert option in refused.value.message
    assert "secret-9" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("ssl_ca_certs={folder}/none.pem", "cannot be read: No such file"),
        ("ssl_ca_certs={folder}/text.pem", "says of TLS is not understood"),
        ("ssl_certfile={folder}/none.pem&ssl_keyfile={folder}/none.pem", "cannot be read: No such file"),
        ("ssl_cert_reqs=never", "no address of a Redis"),
    ],
)
def test_certificates_that_cannot_be_read_are_told_of_at_the_start(options: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate\n")
    with pytest.raises(CmdexecError, match=said) as refused:
        link_to(f"rediss://h/0?{options.format(folder=tmp_path)}")
    assert (refused.value.code, refused.value.field) == ("bad_settings", "REDIS_URL")


def test_what_a_person_may_choose_is_taken(tmp_path: Path) -> None:
    for url in (
        "redis://user:p%40ss@h:6380/3?client_name=jobs&protocol=3&health_check_interval=10&socket_keepalive=true",
        "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=false",
        "unix:///run/redis.sock?db=2&password=secret-9",
    ):
        assert "not reached yet" in link_to(url).state
