"""Which place a request counts for, directly and through proxies."""

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import BaseRequest
from multidict import CIMultiDict

from cmdexec.server.edge.source import Sources
from tests.support.worker import inline_runtime

PEER = "127.0.0.9"


def source(proxies: int, *forwarded: str) -> str:
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    return Sources(proxies, inline_runtime().log).of(request(headers))


def request(headers: "CIMultiDict[str]") -> BaseRequest:
    return make_mocked_request("GET", "/", headers).clone(remote=PEER)


def test_without_a_proxy_nobody_can_say_that_he_is_somebody_else() -> None:
    assert source(0, "203.0.113.9") == PEER
    assert source(0) == PEER


@pytest.mark.parametrize(("said", "place"), [
    (("203.0.113.9",), "203.0.113.9"), (("made up, 198.51.100.7, 203.0.113.9",), "203.0.113.9"),
    (("198.51.100.7", "203.0.113.9"), "203.0.113.9"), (("203.0.113.9:61234",), "203.0.113.9"),
    (("2001:db8::1",), "2001:db8::1"), (("[2001:DB8::1]:61234",), "2001:db8::1"),
    ((), ""), (("",), ""), (("203.0.113.9,",), ""), (("unknown",), ""), (("_hidden",), ""), (("[",), ""),
])  # fmt: skip
def test_behind_a_proxy_it_is_whom_the_proxy_was_asked_by(said: tuple[str, ...], place: str) -> None:
    assert source(1, *said) == place


def test_behind_two_it_is_whom_the_outer_one_was_asked_by() -> None:
    assert source(2, "made up, 203.0.113.9, 10.0.0.1") == "203.0.113.9"
    assert source(2, "10.0.0.1") == ""
