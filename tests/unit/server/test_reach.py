"""What address of a server other machines are told."""

import socket

import pytest

from cmdexec.server.reach import others_url


@pytest.mark.parametrize(
    ("host", "proxy", "told"),
    [
        ("127.0.0.1", False, None),
        ("::1", False, None),
        ("192.0.2.7", False, "http://as-here:3000"),
        ("0.0.0.0", False, "http://machine:3000"),
        ("::", False, "http://machine:3000"),
        ("127.0.0.1", True, "https://NAME"),
        ("0.0.0.0", True, "https://NAME"),
    ],
)
def test_the_address_for_other_machines(
    host: str, proxy: bool, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that has no way to others, so that its name is all there is."""

    def no_way(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket.socket, "connect", no_way)
    monkeypatch.setattr(socket, "gethostname", lambda: "machine")
    assert others_url(host, 3000, url="http://as-here:3000", behind_tls_proxy=proxy) == told


def test_a_server_on_all_addresses_is_told_by_one_of_this_machine() -> None:
    told = others_url("0.0.0.0", 3000, url="http://127.0.0.1:3000", behind_tls_proxy=False)
    assert told is not None
    assert told.startswith("http://")
    assert told.endswith(":3000")
    assert "0.0.0.0" not in told
    assert "127.0.0.1" not in told
