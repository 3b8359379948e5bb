"""A name that is there twice is refused, wherever it stands; what only looks like it is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.errors import Refused
from cmdexec.protocol.repeats import refuse_repeats

TWICE = [
    ('{"a":1,"a":2}', "a"), ('{"a":1,"\\u0061":1}', "a"), ('[{"a":1},{"b":1,"b":1}]', "[1].b"),
    ('{"env":{"A":"1","B":"2","A":"1"}}', "env.A"), ('[{"c":[[{"x":1,"x":1}]]}]', "[0].c[0][0].x"),
    ('{"a":{"b":1,"b":1},"a":1}', "a.b"), ('{"":1,"":2}', ""), ('{"a":1e999,"a":' + "9" * 5000 + "}", "a"),
    (json.dumps({"n" * 200: 1})[:-1] + f', "{"n" * 200}": 2}}', "n" * 100 + "…"),
]  # fmt: skip
ONCE = ['{"a":1}', "{}", '{"a":"a:b","b":"{\\"a\\":1,\\"a\\":2}"}', '[{"a":1},{"a":1}]', '{"a":{"a":{"a":1}}}', "5"]


@pytest.mark.parametrize(("body", "where"), TWICE, ids=range(len(TWICE)))
def test_a_name_twice_is_refused_with_its_place(body: str, where: str) -> None:
    with pytest.raises(Refused) as refused:
        refuse_repeats(body.encode(), 0)
    assert (refused.value.code, refused.value.field) == ("invalid_field", where)
    assert str(refused.value) == f"`{where}` is given more than once. Give it once."


@pytest.mark.parametrize("body", ONCE)
def test_what_is_there_once_is_taken(body: str) -> None:
    refuse_repeats(body.encode(), 0)


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), st.text(max_size=5)), max_size=4))
def test_no_body_that_a_program_makes_is_refused(value: dict[str, dict[str, str]]) -> None:
    refuse_repeats(json.dumps(value).encode(), 0)


def test_as_many_colons_as_names_that_must_be_there_need_no_second_look() -> None:
    refuse_repeats(b"this is not read: at all", 1)
