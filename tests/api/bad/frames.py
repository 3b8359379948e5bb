"""Messages that are no frame of a worker: what is sent, and code, field, sentence and mend of the `error` frame. The
sentence closes the socket with 4400 as well, or with what `closes` names."""

import json
import struct
from dataclasses import dataclass

from tests.api.bad.row import AN_ID, JOB

HELD = f'{{"jobId":"{JOB}","attempt":1}}'


@dataclass(frozen=True)
class Said:
    name: str
    sent: str | bytes
    code: str
    field: str | None
    message: str
    mend: str | None = None
    closes: int = 4400

    @property
    def failure(self) -> dict[str, str]:
        told = {"code": self.code, "message": self.message, "field": self.field, "mend": self.mend}
        return {name: value for name, value in told.items() if value is not None}


def start(*items: str) -> str:
    return f'{{"op":"start","items":[{",".join(items)}]}}'


def binary(header: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I", len(header) if size is None else size) + header + b"output"


def header(**more: object) -> bytes:
    return json.dumps({"jobId": JOB, "attempt": 1, "stream": "stdout", "offset": 0} | more).encode()


ONE_OF = "Send one of `register`, `heartbeat`, `start`, `released`, `done`."
UNSAID = "This frame does not say what it is."
WHOLE = "`{}` must be a whole number from 0 to 9,007,199,254,740,991."
FORM = "Send the length of the header in 4 bytes, big-endian, then the header as JSON, then the output itself."
SHORT = "This binary message is shorter than the length that it begins with."
LONG = "The header of this binary message is longer than 4,096 bytes, or than the message."
FIRST = "The first frame of a worker has to be `register`."
ONCE = "`register` is said once, with one item."

TEXTS = (
    Said("half a frame", "{", "bad_json", None,
         "This JSON ends before it is whole.", "Close what is open: quotes, brackets and braces."),
    Said("empty text", "", "bad_json", None, "This is empty.", "Send JSON."),
    Said("NaN", "NaN", "bad_json", None,
         "JSON has no NaN; there is one at line 1, column 1.", "Leave the field out, or send a number."),
    Said("two documents", '{"op":"start"}{}', "bad_json", None,
         "There is more after the end of this JSON, at line 1, column 15.", "Send one document and nothing else."),
    Said("half a surrogate pair", '{"op":"\\ud800"}', "bad_json", None,
         "There is half of a surrogate pair before line 1, column 14.", "Send both halves, or the character itself."),
    Said("a number", "5", "bad_request", None, "This must be an object; it is a number."),
    Said("a list of numbers", "[1]", "invalid_field", "[0]", "`[0]` must be an object; it is a number."),
    Said("10,000 lists", "[" * 10_000, "invalid_field", "[0]", "`[0]` must be an object; it is a list."),
    Said("10,000 objects", '{"op":' * 10_000, "invalid_field", "op", "`op` must be text; it is an object."),
    Said("no op", '{"items":[]}', "bad_request", "op", UNSAID, ONE_OF),
    Said("an op that is null", '{"op":null}', "bad_request", "op", UNSAID, ONE_OF),
    Said("an answer to nothing", '{"re":7,"items":[]}', "bad_request", "op", UNSAID, ONE_OF),
    Said("an op that is a number", '{"op":1}', "invalid_field", "op", "`op` must be text; it is a number."),
    Said("an unknown op", '{"op":"destroy"}', "bad_request", "op", "No frame of a worker is called `destroy`.", ONE_OF),
    Said("an op of the server", '{"op":"go"}', "bad_request", "op", "No frame of a worker is called `go`.", ONE_OF),
    Said("an op in capitals", '{"op":"START"}', "bad_request", "op", "No frame of a worker is called `START`.", ONE_OF),
    Said("a long op", f'{{"op":"{"x" * 300}"}}', "bad_request", "op",
         f"No frame of a worker is called `{'x' * 60}…`.", ONE_OF),
    Said("output as text", '{"op":"output","items":[]}', "bad_request", "op",
         "Output comes in binary messages.", "Send it so, or up to 4 KiB of it in `inline` of `done`."),
    Said("an id that is text", '{"op":"start","id":"1"}', "invalid_field", "id",
         "`id` must be a whole number; it is text."),
    Said("an id that is huge", '{"op":"start","id":1e400}', "invalid_field", "id", "`id` must be a whole number."),
    Said("items that are no list", '{"op":"start","items":{}}', "invalid_field", "items",
         "`items` must be a list of at most 10,000 items; it is an object."),
    Said("items that are null", '{"op":"start","items":null}', "invalid_field", "items",
         "`items` must be a list of at most 10,000 items; it is null."),
    Said("too many items", start(*[HELD] * 10_001), "invalid_field", "items",
         "`items` must be a list of at most 10,000 items.", "Send several frames."),
    Said("an item that is a number", start("5"), "invalid_field", "[0]", "`[0]` must be an object; it is a number."),
    Said("an item that is null", start("null"), "invalid_field", "[0]", "`[0]` must be an object; it is null."),
    Said("a field missing in the second item", start(HELD, "{}"), "invalid_field", "[1].jobId",
         "`[1].jobId` is missing.", f"It must be {AN_ID}."),
    Said("10,000 lists in an item", start(f'{{"new":{"[" * 10_000}{"]" * 10_000}}}'), "bad_json", None,
         "This is nested too deeply.", "Send what is flat."),
    Said("a label with a blank", '{"op":"register","items":[{"labels":{"a b":"c"}}]}', "invalid_field", "[0].labels",
         "Each name in `[0].labels` must be text of 1 to 100 letters, digits or _ . : -."),
    Said("a label that is a number", '{"op":"register","items":[{"labels":{"a":1}}]}', "invalid_field", "[0].labels.a",
         "`[0].labels.a` must be text of 1 to 200 characters; it is a number."),
    Said("the name of another", '{"op":"register","items":[{"workerId":"somebody"}]}', "forbidden", "workerId",
         "This credential is that of worker worker-1, not of somebody.",
         "Leave WORKER_ID unset: the credential says which worker it is.", closes=4403),
    Said("another protocol", '{"op":"register","items":[{"protocol":"cmdexec.v9"}]}', "protocol_mismatch", None,
         "This server speaks cmdexec.v1, the worker cmdexec.v9.", "Update whichever of the two is older."),
    Said("a heartbeat first", '{"op":"heartbeat","items":[{}]}', "bad_request", "op", FIRST),
    Said("a start first", start(HELD), "bad_request", "op", FIRST),
    Said("a register of nobody", '{"op":"register","id":1}', "bad_request", "op", ONCE),
    Said("a register of two", '{"op":"register","id":1,"items":[{},{}]}', "bad_request", "op", ONCE),
    Said("two registers", '[{"op":"register","items":[{}]},{"op":"register","items":[{}]}]', "bad_request", "op", ONCE),
)  # fmt: skip

BINARIES = (
    Said("empty", b"", "bad_request", None, SHORT, FORM),
    Said("three bytes", b"\0\0\0", "bad_request", None, SHORT, FORM),
    Said("a header longer than the message", binary(b"{}", 100), "bad_request", None, LONG, FORM),
    Said("a header of 2 GiB", binary(b"{}", 2**31), "bad_request", None, LONG, FORM),
    Said("a header of 4,097 bytes", binary(header().ljust(4097)), "bad_request", None, LONG, FORM),
    Said("no header", binary(b""), "bad_json", None, "This is empty.", "Send JSON."),
    Said("a header that is no JSON", binary(b"{]"), "bad_json", None,
         "This is no JSON from line 1, column 2 on.", "Check it with a JSON tool."),
    Said("a header that is no UTF-8", binary(b'{"jobId":"\xff"}'), "bad_json", None,
         "This is not UTF-8: see line 1, column 11.", "Send text in UTF-8, and no other bytes."),
    Said("a header that is a list", binary(b"[]"), "bad_request", None, "This must be an object; it is a list."),
    Said("a header without fields", binary(b"{}"), "invalid_field", "jobId",
         "`jobId` is missing.", f"It must be {AN_ID}."),
    Said("an unknown stream", binary(header(stream="stdin")), "invalid_field", "stream",
         "`stream` must be one of `stderr`, `stdout`."),
    Said("an offset below 0", binary(header(offset=-1)), "invalid_field", "offset", WHOLE.format("offset")),
    Said("an offset beyond all", binary(header(offset=2**53)), "invalid_field", "offset", WHOLE.format("offset")),
    Said("output first", binary(header()), "bad_request", "op", FIRST),
)  # fmt: skip
