"""What is wrong with a request, in our own words."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from cmdexec.protocol.faults import explain
from cmdexec.protocol.messages import Done, Held, Register, Released
from cmdexec.protocol.operations import OPERATIONS
from cmdexec.protocol.requests import NewJob

CASES: list[tuple[Any, str, str, str | None, str]] = [
    (NewJob, '{"command":"x","timeoutSec":"5"}', "invalid_field", "timeoutSec",
     "`timeoutSec` must be a number above 0 and at most 31,622,400; it is text."),
    (NewJob, '{"command":"x","timeoutSec":0}', "invalid_field", "timeoutSec",
     "`timeoutSec` must be a number above 0 and at most 31,622,400."),
    (NewJob, "{}", "invalid_field", "command", "`command` is missing. It must be text"),
    (NewJob, '{"command":["a",{}]}', "invalid_field", "command[1]", "it is an object."),
    (NewJob, '{"command":"x","env":{"A":null}}', "invalid_field", "env.A", "`env.A` must be text"),
    (NewJob, '{"command":"x","env":{"B":"x","A.b":1,"C":2}}', "invalid_field", "env.A.b", "it is a number."),
    (NewJob, '{"command":"x","env":{"A":1,"A":"x"}}', "invalid_field", "env", "Each value in `env` must be text"),
    (NewJob, '{"command":"x","env":{"A":1,', "invalid_field", "env", "NUL characters; one is a number."),
    (NewJob, '{"command":"x","env":{"a[...]b":1}}', "invalid_field", "env.a[...]b", "`env.a[...]b` must be text"),
    (tuple[NewJob, ...], '[{"command":"x"},{"command":"x","env":{"A":[]}}]', "invalid_field", "[1].env.A", "a list."),
    (NewJob, '{"command":"x","env":{"":"x"}}', "invalid_field", "env", "Each name in `env` must be text of 1 to 1,000"),
    (NewJob, '{"command":"x","foo":1}', "unknown_field", "foo", "There is no field `foo`. Leave it out."),
    (NewJob, '{"command":"x","timeoutsec":1}', "unknown_field", "timeoutsec", "Did you mean `timeoutSec`?"),
    (NewJob, '{"command":"x","gpu":1}', "not_provided", "gpu", "`gpu` is not provided by this version. Leave it out."),
    (NewJob, "[]", "bad_request", None, "This must be an object; it is a list."),
    (NewJob, "{", "bad_json", None, "This JSON ends before it is whole. Close what is open"),
    (NewJob, '{"command":"x","timeoutSec":NaN}', "bad_json", None, "JSON has no NaN; there is one at line 1"),
    (tuple[NewJob, ...], '[{"command":"x"},{"command":1}]', "invalid_field", "[1].command", "`[1].command` must be"),
    (tuple[NewJob, ...], '[{"command":"x","gpu":1}]', "not_provided", "[0].gpu", "`[0].gpu` is not provided"),
    (Held, '{"jobId":"x","attempt":1}', "invalid_field", "jobId", "an id of 36 characters, such as 01936f0e"),
    (Held, '{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1.5}', "invalid_field", "attempt",
     "a whole number from 1 to 2,147,483,647; it is a number with a fraction or an exponent."),
    (Released, '{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1,"why":"x"}', "invalid_field", "why",
     "`why` must be one of `dead`, `declined`, `handedBack`, "),
    (Done, '{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1,"inline":{"stdout":"#"}}', "invalid_field",
     "inline.stdout", "base64 of at most 4,096 bytes"),
    (Done, '{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1,"output":{"stdout":{"digest":"X"}}}',
     "invalid_field", "output.stdout.digest", "must be 64 hexadecimal digits in lower case."),
    (Done, '{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1,"output":{"stdout":{"lost":[[1]]}}}',
     "invalid_field", "output.stdout.lost[0]", "must be a list of 2 items."),
    (Done, '{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1,"peakRssBytes":-1}',
     "invalid_field", "peakRssBytes", "must be a whole number from 0 to 9,007,199,254,740,991."),
    (Register, '{"labels":{"a b":"c"}}', "invalid_field", "labels", "text of 1 to 100 letters, digits or _ . : -."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "code", "field", "says"), CASES, ids=range(len(CASES)))
def test_a_fault_names_its_field_and_what_it_must_be(
    kind: Any, text: str, code: str, field: str | None, says: str
) -> None:
    with pytest.raises(msgspec.MsgspecError) as wrong:
        msgspec.json.decode(text, type=kind)
    refused = explain(wrong.value, kind, text.encode())
    assert (refused.code, refused.field) == (code, field)
    assert says in str(refused)


def test_a_description_of_a_field_changes_nothing_of_what_is_said() -> None:
    class Told(msgspec.Struct):
        held: Annotated[tuple[Annotated[Held, Meta(description="one")], ...], Meta(max_length=3, description="all")]

    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.json.decode(b'{"held":[{"jobId":"x"}]}', type=Told)
    assert str(explain(wrong.value, Told)).startswith("`held[0].jobId` must be an id of 36 characters")
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.json.decode(b'{"held":1}', type=Told)
    assert str(explain(wrong.value, Told, b'{"held":1}')) == "`held` must be a list of at most 3 items; it is a number."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([operation.request for operation in OPERATIONS]), JSON, st.data())
def test_whatever_comes_is_taken_or_refused_in_our_own_words(kind: Any, value: Any, data: st.DataObject) -> None:
    fields = [field.encode_name for field in msgspec.inspect.type_info(kind).fields]  # type: ignore[attr-defined]
    body = {name: data.draw(JSON) for name in fields if data.draw(st.booleans())} if data.draw(st.booleans()) else value
    try:
        msgspec.json.decode(msgspec.json.encode(body), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        refused = explain(wrong, kind)
        assert refused.status in (400, 422)
        for word in ("Expected `", "got `", "Object ", "$.", "msgspec", "(byte "):
            assert word not in refused.message
