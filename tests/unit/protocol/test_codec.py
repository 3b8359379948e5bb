"""Messages there and back, and what is no message."""

import struct
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.errors import Refused
from cmdexec.protocol import messages
from cmdexec.protocol.codec import (
    HEADER_MAX,
    ITEMS_MAX,
    answer,
    ask,
    decode_frames,
    decode_items,
    encode,
    list_decoder,
    pack_output,
    unpack_output,
)
from cmdexec.protocol.messages import Done, Held, Inline, OutputDone, OutputHeader, Released, StreamDone

JOB_IDS = st.uuids().map(str)
ATTEMPTS = st.integers(1, 2**31 - 1)
OFFSETS = st.integers(0, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
STREAM_DONE = st.builds(
    StreamDone, bytes=st.none() | OFFSETS, digest=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    lost=st.lists(st.tuples(OFFSETS, OFFSETS), max_size=3).map(tuple),
)  # fmt: skip
DONE = st.builds(
    Done, job_id=JOB_IDS, attempt=ATTEMPTS, exit_code=st.none() | st.integers(-(2**31), 2**32 - 1),
    signal=st.none() | st.integers(1, 64), message=st.none() | TEXT,
    output=st.builds(OutputDone, stdout=STREAM_DONE, stderr=STREAM_DONE),
    inline=st.builds(Inline, stdout=st.binary(max_size=4096), stderr=st.binary(max_size=4096)),
    cpu_sec=st.floats(0, 1e12), peak_rss_bytes=OFFSETS,
)  # fmt: skip
RELEASED = st.builds(
    Released, job_id=JOB_IDS, attempt=ATTEMPTS, why=st.sampled_from(["neverSpawned", "declined", "handedBack", "dead"]),
    message=st.none() | TEXT,
)  # fmt: skip
HELD = st.builds(Held, job_id=JOB_IDS, attempt=ATTEMPTS)
KINDS = {"done": Done, "released": Released, "start": Held}


@pytest.mark.parametrize("blanks", ["", " " * 63, "\n" * 64, " \t\r\n" * 1000], ids=len)
def test_blanks_before_it_change_nothing(blanks: str) -> None:
    for text in (f'{blanks}{{"op":"x"}}', f'{blanks}[{{"op":"x"}}]'):
        assert decode_frames(text) == decode_frames(text.encode()) == decode_frames('{"op":"x"}')


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("done"), st.lists(DONE, max_size=3)),
            st.tuples(st.just("released"), st.lists(RELEASED, max_size=3)),
            st.tuples(st.just("start"), st.lists(HELD, max_size=3)),
        ),
        max_size=4,
    )
)
def test_frames_come_back_as_they_were(frames: list[tuple[str, list[object]]]) -> None:
    sent = [ask(op, items, number) for number, (op, items) in enumerate(frames)]
    got = decode_frames(encode(sent))
    assert [(frame.op, frame.id) for frame in got] == [(op, number) for number, (op, _) in enumerate(frames)]
    for frame, (op, items) in zip(got, frames, strict=True):
        assert decode_items(frame.items, list_decoder(KINDS[op])) == tuple(items)


@given(st.binary(max_size=5000), JOB_IDS, ATTEMPTS, st.sampled_from(["stdout", "stderr"]), OFFSETS)
def test_output_comes_back_as_it_was(data: bytes, job_id: str, attempt: int, stream: str, offset: int) -> None:
    header = OutputHeader(job_id=job_id, attempt=attempt, stream=stream, offset=offset)  # type: ignore[arg-type]
    got, body = unpack_output(pack_output(header, data))
    assert (got, bytes(body)) == (header, data)


def test_a_single_frame_needs_no_list_and_an_answer_names_what_it_answers() -> None:
    (frame,) = decode_frames('  {"op": "start", "items": [1]}')
    assert (frame.op, frame.re, bytes(frame.items)) == ("start", None, b"[1]")
    (back,) = decode_frames(encode(answer(7, ["x"])))
    assert (back.op, back.re, bytes(back.items)) == (None, 7, b'["x"]')


def test_what_an_unknown_version_adds_is_ignored() -> None:
    """Versions mix (promise 10): fields, not kinds of frames."""
    (frame,) = decode_frames('{"op": "start", "new": {"a": [1]}, "items": []}')
    assert frame.op == "start"
    item = b'[{"jobId": "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f", "attempt": 1, "new": true}]'
    assert decode_items(msgspec.Raw(item), list_decoder(Held))[0].attempt == 1


BAD_TEXT = [
    "", " ", "{", "[", "[[", "]", "null", "5", '"x"', "[1]", '{"op": 1}', '{"items": ', "{'op': 'x'}", '{"op": "x"} {}',
    '{"op": "\\ud800"}', "[" * 100_000, '{"op": ' * 5000, '{"id": 1.5}', '{"id": 1e999}', '{"re": "1"}', "NaN", "\0",
    '{"op": "x", "op": 5}', '[{"op": "x"},]', "\ufeff{}", "[,]",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_TEXT, ids=range(len(BAD_TEXT)))
def test_what_is_no_frame_is_refused_in_our_own_words(text: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_frames(text)
    assert refused.value.status in (400, 422)
    for word in ("Expected", "msgspec", "JSON is malformed", "truncated", "Object "):
        assert word not in str(refused.value)


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_no_text_makes_anything_but_frames_or_a_refusal(text: str | bytes) -> None:
    with suppress(Refused):
        decode_frames(text)


@given(st.binary(max_size=200))
def test_no_binary_makes_anything_but_output_or_a_refusal(data: bytes) -> None:
    with suppress(Refused):
        unpack_output(data)


def test_bounds_of_a_binary_message() -> None:
    fits = OutputHeader(job_id="0" * 36, attempt=1, stream="stdout", offset=0)
    message = pack_output(fits, b"x")
    for cut in range(len(message) - 1):
        with pytest.raises(Refused):
            unpack_output(message[:cut])
    with pytest.raises(Refused):
        unpack_output(struct.pack(">I", HEADER_MAX + 1) + b" " * (HEADER_MAX + 1))


def test_items_are_bounded_and_the_one_at_fault_is_named() -> None:
    decoder = list_decoder(Held)
    with pytest.raises(Refused):
        decode_items(msgspec.Raw(b"[" + b",".join([b'{"jobId":"x","attempt":1}'] * (ITEMS_MAX + 1)) + b"]"), decoder)
    good = b'{"jobId":"01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f","attempt":1}'
    with pytest.raises(Refused) as refused:
        decode_items(msgspec.Raw(b"[" + good + b"," + good.replace(b":1}", b":0}") + b"]"), decoder)
    assert refused.value.field == "[1].attempt"


def test_every_number_and_every_length_that_comes_from_outside_is_bounded() -> None:
    """A field without a bound is a way to fill the memory."""
    for kind in (messages.Register, messages.Heartbeat, messages.OutputHeader, messages.Done, messages.Released):
        for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
            _bounded(field.type, f"{kind.__name__}.{field.name}")


def _bounded(kind: msgspec.inspect.Type, where: str) -> None:
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        assert kind.ge is not None or kind.gt is not None, where
        assert kind.le is not None or kind.lt is not None, where
    elif isinstance(kind, msgspec.inspect.StrType):
        assert kind.max_length is not None or "{64}" in (kind.pattern or ""), where
    elif isinstance(kind, msgspec.inspect.BytesType | msgspec.inspect.DictType):
        assert kind.max_length is not None, where
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        assert kind.max_length is not None, where
        _bounded(kind.item_type, where)
    elif isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            _bounded(one, where)
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            _bounded(field.type, f"{where}.{field.name}")
