"""A token that was found good is not verified again, and yet ends when it says."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from cmdexec.clock import SystemClock
from cmdexec.server.edge import bearer as module
from cmdexec.server.edge.bearer import Bearer
from cmdexec.server.perform import Presented
from tests.support.server import KEYS, token


class Shifted(SystemClock):
    """The machine's clock, `seconds` ahead."""

    seconds = 0.0

    def now(self) -> int:
        return super().now() + int(self.seconds * 1000)


async def shown(bearer: Bearer, **headers: str) -> Presented:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await bearer.presented(make_mocked_request("GET", "/", headers=named))


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that were really verified."""
    seen: list[str] = []
    genuine = Bearer._verify_anew

    async def counting(self: Bearer, one: str) -> Any:
        seen.append(one)
        return await genuine(self, one)

    monkeypatch.setattr(Bearer, "_verify_anew", counting)
    return seen


async def test_a_good_token_is_verified_once_and_refused_after_its_end(verifications: list[str]) -> None:
    clock = Shifted()
    bearer, good = Bearer(KEYS, clock), token("ann", "jti-1", clock.now())
    for _ in range(3):
        found = await shown(bearer, Authorization=f"Bearer {good}")
        assert found.claims is not None
        assert (found.claims.user_id, found.claims.jti) == ("ann", "jti-1")
    assert verifications == [good]
    clock.seconds = 24 * 3600 + 1
    assert (await shown(bearer, Authorization=f"Bearer {good}")).bad is not None


@pytest.mark.parametrize("off_sec", [3600, -3600, 2 * 86400, -2 * 86400])
async def test_a_token_is_judged_by_the_servers_clock_and_not_by_its_machines(off_sec: int) -> None:
    """It may be the store's, or be set right in a moment."""
    clock = Shifted()
    clock.seconds = off_sec
    bearer, good = Bearer(KEYS, clock), token("ann", "jti-1", clock.now())
    assert (await shown(bearer, Authorization=f"Bearer {good}")).claims is not None
    late = token("ann", "jti-2", clock.now() - 24 * 3600 * 1000)
    assert (await shown(bearer, Authorization=f"Bearer {late}")).bad is not None


async def test_a_bad_token_is_never_kept(verifications: list[str]) -> None:
    bearer = Bearer(KEYS, SystemClock())
    for _ in range(3):
        assert (await shown(bearer, Authorization="Bearer a.b.c")).bad is not None
    assert len(verifications) == 3
    assert not bearer._verified


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    clock = SystemClock()
    bearer = Bearer(KEYS, clock)
    for number in range(5):
        await shown(bearer, Authorization=f"Bearer {token('ann', f'jti-{number}', clock.now())}")
    assert len(bearer._verified) == 3


async def test_no_token_itself_is_kept() -> None:
    clock = SystemClock()
    bearer, good = Bearer(KEYS, clock), token("ann", "jti-1", clock.now())
    await shown(bearer, Authorization=f"Bearer {good}")
    assert good not in repr(bearer._verified)


@pytest.mark.parametrize(("headers", "expected"), [
    ({}, "none"), ({"x_worker_token": "t"}, "worker"), ({"x_worker_token": ""}, "bad"),
    ({"x_worker_token": "t" * 4097}, "bad"), ({"x_worker_token": "t", "Authorization": "Bearer x"}, "bad"),
    ({"Authorization": ""}, "bad"), ({"Cookie": "cmdexec-3000=x"}, "none"),
])  # fmt: skip
async def test_which_credential_decides(headers: dict[str, str], expected: str) -> None:
    found = await shown(Bearer(KEYS, SystemClock()), **headers)
    kind = "bad" if found.bad else "worker" if found.worker_token else "none"
    assert (kind, found.claims) == (expected, None)
