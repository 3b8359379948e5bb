"""A core for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.server.core import Core, core


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Core]:
    """A server's core over a store of its own, with the shipped settings."""
    async with core(tmp_path) as made:
        yield made
