"""The key of a submission: one rule, and what a submission that fails otherwise leaves behind."""

import asyncio
from typing import Any

import pytest

import cmdexec
from tests.unit.client.test_blocking import Jobs, elsewhere


@pytest.mark.parametrize("key", ["", "a b\n", "日本", "a" * 181])
async def test_what_is_no_key_is_refused_before_anything_is_sent_and_all_else_goes_on(key: str) -> None:
    server = Jobs()
    async with server.connected() as c:
        earlier = await elsewhere(lambda: c.submit("a"))
        for call in (
            lambda: c.submit("b", key=key), lambda: list(c.map("b {}", [1], key=key)),
            lambda: c.call(cmdexec.Client.rerun, earlier.id, key=key),
        ):  # fmt: skip
            with pytest.raises(cmdexec.CmdexecError, match="Write 1 to 180 printable ASCII") as wrong:
                await elsewhere(call)
            assert (wrong.value.code, wrong.value.field) == ("invalid_field", "key")
        assert len(server.keys) == 1
        assert (await elsewhere(lambda: c.submit("b", key="a" * 180))).id == earlier.id


async def test_a_submission_that_fails_oddly_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises: the others in its thread do not end by it."""
    server = Jobs()

    async def oddly(*_: Any, **__: Any) -> None:
        raise ValueError("odd")

    async with server.connected() as c:
        earlier = await elsewhere(lambda: c.submit("a"))
        with monkeypatch.context() as patched:
            patched.setattr(c.client, "submit", oddly)
            with pytest.raises(ValueError, match="odd"):
                await elsewhere(lambda: c.submit("b"))
        later = await elsewhere(lambda: c.submit("c"))
        server.status[earlier.id] = "completed"
        assert (await asyncio.wait_for(asyncio.wrap_future(later), 20)).job.status == "completed"
