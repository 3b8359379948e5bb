"""Which host names a server answers to, by what it listens on."""

import pytest
from aiohttp.test_utils import make_mocked_request

from cmdexec.errors import Refused
from cmdexec.server.edge.hosts import Hosts


def known(own: str, asked: str, allowed: tuple[str, ...] = (), machine: str = "Box.example.org") -> bool:
    """Whether a request that names the host `asked` is taken."""
    try:
        Hosts(own, allowed, machine).check(make_mocked_request("GET", "/", {"Host": asked}))
    except Refused:
        return False
    return True


@pytest.mark.parametrize("own", ["0.0.0.0", "::", "192.0.2.7"])
@pytest.mark.parametrize("asked", ["box:3000", "BOX", "box.example.org:1", "box.example.org.", "localhost"])
def test_this_machines_name_counts_where_others_reach_it(own: str, asked: str) -> None:
    assert known(own, asked)


@pytest.mark.parametrize("own", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_only_loopbacks_names_do(own: str) -> None:
    """No other machine can mean it."""
    assert not known(own, "box:3000")
    assert known(own, "localhost:3000")


@pytest.mark.parametrize("asked", ["org", "example.org", "box.example", "box.evil.example", "other:3000"])
def test_no_other_name_does(asked: str) -> None:
    assert not known("0.0.0.0", asked)
    assert known("0.0.0.0", asked, (asked,))
    assert not known("0.0.0.0", "", machine="")
