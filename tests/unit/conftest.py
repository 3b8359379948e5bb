"""What tests of single parts share."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def hang_up() -> Iterator[None]:
    """SIGHUP means to the process what the system gives it, although the tests may run below `nohup`; and afterwards
    what it did before."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
