"""Messages as bytes, and back; what comes from outside is bounded before it is built.

A text message of a socket is one frame or a list of frames: `{"op", "id"?, "items": […]}` asks or tells,
`{"re": id, "items": […]}` answers, item by item. A binary message is output: `u32` length of the header (big-endian),
the header (`OutputHeader` as JSON), the bytes.
"""

import re
import struct
from collections.abc import Sequence
from types import GenericAlias
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from cmdexec.errors import Refused
from cmdexec.protocol.faults import explain
from cmdexec.protocol.messages import OutputHeader

T = TypeVar("T")

ITEMS_MAX = 10_000
"""The most items of one frame."""

HEADER_MAX = 4096
"""The largest header of a binary message, in bytes."""

_FORM = "Send the length of the header in 4 bytes, big-endian, then the header as JSON, then the output itself."

_LENGTH = struct.Struct(">I")
_LIST = re.compile(rb"[ \t\n\r]*\[")
_LIST_AS_TEXT = re.compile(r"[ \t\n\r]*\[")
_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(OutputHeader)


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One frame as read: `items` is still JSON, to be decoded as what `op` says, or as what was asked with `re`."""

    items: msgspec.Raw = msgspec.Raw(b"[]")
    op: str | None = None
    id: int | None = None
    re: int | None = None


class _Outgoing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    items: Sequence[Any]
    op: str | None = None
    id: int | None = None
    re: int | None = None


_frames_decoder = msgspec.json.Decoder(tuple[Frame, ...])
_frame_decoder = msgspec.json.Decoder(Frame)


def ask(op: str, items: Sequence[Any], number: int | None = None) -> Any:
    """A frame that asks or tells."""
    return _Outgoing(items=items, op=op, id=number)


def answer(number: int, items: Sequence[Any]) -> Any:
    """The answer to the frame that had this `id`."""
    return _Outgoing(items=items, re=number)


def encode(value: Any) -> bytes:
    """Any message, or a list of frames, as JSON."""
    return _encoder.encode(value)


def is_list(json: bytes | str) -> bool:
    """Whether this JSON is a list, however many blanks come first."""
    return (_LIST.match(json) if isinstance(json, bytes) else _LIST_AS_TEXT.match(json)) is not None


def decode_frames(text: bytes | str) -> tuple[Frame, ...]:
    """The frames of one text message. Raises Refused("bad_json")."""
    try:
        if is_list(text):
            return _frames_decoder.decode(text)
        return (_frame_decoder.decode(text),)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        kind = _frames_decoder.type if is_list(text) else Frame
        raise explain(wrong, kind, text if isinstance(text, bytes) else text.encode(errors="replace")) from wrong


def list_decoder(kind: Any) -> "msgspec.json.Decoder[tuple[Any, ...]]":
    """A decoder for the items of a frame, each of them a `kind`."""
    several: Any = GenericAlias(tuple, (kind, ...))
    return msgspec.json.Decoder(Annotated[several, Meta(max_length=ITEMS_MAX)])


def decode_items(raw: msgspec.Raw, decoder: "msgspec.json.Decoder[T]") -> T:
    """The items of a frame, checked. Raises Refused with the field at fault, counted from the items: `[3].attempt`."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        refused = explain(wrong, decoder.type, bytes(raw))
        if refused.field is None and isinstance(wrong, msgspec.ValidationError):
            message = f"`items` {refused.message.removeprefix('This ')}"
            mend = refused.mend and "Send several frames."
            refused = Refused("invalid_field", message, field="items", mend=mend)
        raise refused from wrong


def pack_output(header: OutputHeader, data: bytes | memoryview) -> bytes:
    """A binary message."""
    head = _encoder.encode(header)
    return b"".join((_LENGTH.pack(len(head)), head, data))


def unpack_output(message: bytes) -> tuple[OutputHeader, memoryview]:
    """Header and bytes of a binary message. Raises Refused."""
    if len(message) < _LENGTH.size:
        raise Refused("bad_request", "This binary message is shorter than the length that it begins with.", mend=_FORM)
    (size,) = _LENGTH.unpack_from(message)
    if size > HEADER_MAX or _LENGTH.size + size > len(message):
        raise Refused(
            "bad_request", mend=_FORM,
            message=f"The header of this binary message is longer than {HEADER_MAX:,} bytes, or than the message.",
        )  # fmt: skip
    body = memoryview(message)[_LENGTH.size :]
    try:
        return _header_decoder.decode(body[:size]), body[size:]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise explain(wrong, OutputHeader, bytes(body[:size])) from wrong
