"""Large bodies: decoded in a thread, item by item, and refused in the same words as small ones."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from cmdexec.errors import Refused
from cmdexec.protocol.operations import BY_NAME
from cmdexec.runtime import Inline
from cmdexec.server.perform import Asked, _Decoder

T = TypeVar("T")
JSON = "application/json"
GOOD = '{"command":"x","env":{"A":"1"}}'
LARGE = json.dumps({"command": "x", "env": {"B": "y" * 100_000}})


class Counted(Inline):
    """Says how often it was used."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def run(self, call: Callable[[], T]) -> T:
        self.calls += 1
        return await super().run(call)


async def decode(body: str, threads: Inline | None = None, name: str = "jobs.create") -> tuple[Any, bool]:
    asked = Asked(body=body.encode("utf-8", "surrogateescape"), content_type=JSON)
    return await _Decoder(BY_NAME[name]).decode(asked, threads or Inline())


def listed(*items: str) -> str:
    return f"[{','.join(items)}]"


async def test_what_is_large_is_decoded_in_a_thread_and_nothing_else_is() -> None:
    threads = Counted()
    request, is_list = await decode(listed(GOOD, GOOD), threads)
    assert ([one.command for one in request], is_list, threads.calls) == (["x", "x"], True, 0)
    request, is_list = await decode(listed(GOOD, LARGE, LARGE, LARGE), threads)
    assert ([len(one.env) for one in request], is_list, threads.calls) == ([1, 1, 1, 1], True, 1)
    request, is_list = await decode(GOOD.replace('"1"', '"' + "z" * 131_072 + '"') + " " * 200_000, threads)
    assert ([one.env["A"][:1] for one in request], is_list, threads.calls) == (["z"], False, 2)
    request, is_list = await decode(f'{{"jobs":[]{" " * 300_000}}}', threads, "workers.heartbeat")
    assert (request.jobs, is_list, threads.calls) == ((), False, 3)


async def test_items_that_are_written_alike_are_decoded_once_and_stay_in_their_places() -> None:
    request, is_list = await decode(
        listed(GOOD, '{"command":"y"}', GOOD, GOOD, '{ "command":"x","env":{"A":"1"}}', GOOD)
    )
    assert ([one.command for one in request], is_list) == (["x", "y", "x", "x", "x", "x"], True)
    assert request[0] is request[2] is request[3] is request[5]
    assert request[4] == request[0]


BAD = {
    "an unknown field": '{"command":"x","comand":1}',
    "one not provided": '{"command":"x","gpu":1}',
    "a field missing": "{}",
    "a value of another kind": '{"command":"x","env":{"A":"1","B":2}}',
    "a name that may not be": '{"command":"x","env":{"A=":"1"}}',
    "a name given twice": '{"command":"x","env":{"A":"1","A":"2"}}',
    "a field given twice": '{"command":"x","command":"y"}',
    "no object": "5",
    "a list": "[]",
    "no JSON": "{]",
    "text that is no UTF-8": '{"command":"\udcff"}',
    "half of a pair": '{"command":"\\ud800"}',
}


@pytest.mark.parametrize("item", BAD.values(), ids=BAD)
async def test_it_is_refused_as_a_small_one_is(item: str) -> None:
    with pytest.raises(Refused) as small:
        await decode(listed(GOOD, GOOD, item))
    with pytest.raises(Refused) as large:
        await decode(listed(GOOD, GOOD, item, LARGE, LARGE, LARGE))
    assert large.value.details() == small.value.details()
    assert large.value.field is None or large.value.field.startswith("[2]")
    with pytest.raises(Refused) as alike:
        await decode(listed(item, item, item))
    assert alike.value.code == small.value.code
    assert alike.value.field == (small.value.field and small.value.field.replace("[2]", "[0]"))


@pytest.mark.parametrize("name", ["comandz" * 100_000, " - at `$.a`" * 100_000, "`" * 500_000, "\n" * 500_000])
async def test_a_name_of_any_length_is_shown_by_its_beginning(name: str) -> None:
    bad = json.dumps({"command": "x", name: 1})
    for body, place in ((bad, ""), (listed(GOOD, bad), "[1].")):
        with pytest.raises(Refused) as wrong:
            await decode(body)
        assert wrong.value.code == "unknown_field"
        assert wrong.value.field is not None
        assert wrong.value.field.startswith(place + name[:5])
        assert len(wrong.value.field) < 120
