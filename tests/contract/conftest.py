"""Each engine in turn, each test in a store of its own."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.engines import ENGINES, Place, Store

_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: what a flush costs is not what these tests are about."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cmdexec-contract-", dir=base) as name:
        yield Path(name)


@pytest.fixture(params=sorted(ENGINES))
async def place(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Place]:
    place = Place(request.param, folder)
    yield place
    await place.end()


@pytest.fixture
async def store(place: Place) -> Store:
    return place.open()
