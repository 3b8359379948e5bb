"""Two servers on one MongoDB, with a Redis between them or without."""

from collections.abc import Iterator

import pytest

from tests.servers.pair import Pair
from tests.services.mongo import shared_uri
from tests.services.packages import Missing
from tests.services.redis import RedisServer
from tests.support.system import ends


@pytest.fixture(scope="module", params=["redis", "alone"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """With Redis what one server does is known to the other at once; alone, when it looks, which is often here."""
    folder = tmp_path_factory.mktemp(request.param)
    redis = RedisServer(folder / "redis") if request.param == "redis" else None
    try:
        uri = shared_uri()
        if redis is not None:
            redis.start()
    except Missing as missing:
        pytest.skip(f"an engine is missing here: {missing}")
    pair = Pair(folder, uri, redis)
    try:
        with ends(*pair.processes):
            pair.start()
            yield pair
    finally:
        pair.drop()
