"""Messages of workers and people made at random from the structs: of the right form with extreme values, or broken.

All comes from the one `random.Random` that is handed in, so a seed gives the same messages again.
"""

import base64
import json
import random
import struct
from typing import Any

from msgspec import inspect

from cmdexec.protocol.messages import OutputHeader
from cmdexec.protocol.operations import BY_NAME, FRAMES, ROUTES, Permission
from cmdexec.protocol.watching import UP
from tests.api.bad.fields import choices

TEXTS = (
    "",
    "x",
    "\0",
    "ü\u202e",
    "😀" * 50,
    "x" * 200,
    "x" * 2000,
    "../../etc/passwd",
    "'; DROP TABLE jobs;--",
    "a" * 64,
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    2**63,
    -(2**70),
    "",
    "x",
    [],
    [[]],
    {},
    {"a": None},
    "\0",
    [0] * 100,
)
NOISE = (b"\xff", b"\0", b"{", b"]", b'"', b"\\", b"1e999", b"NaN", b",,", b"\xed\xa0\x80", b"null", b"[" * 2000)


WORKERS_POSTS = {
    route.operation: route.path
    for route in ROUTES if route.method == "POST" and BY_NAME[route.operation].permission is Permission.WORK
}  # fmt: skip
"""Operation → path, of what workers post."""


class Fuzz:
    """Makes messages. `jobs`: (id, attempt) that may be named; more can be added at any time."""

    def __init__(self, rng: random.Random, jobs: list[tuple[str, int]]) -> None:
        self._rng = rng
        self.jobs = jobs
        named = {op: name for op, name in FRAMES.items() if op != "output"} | {name: name for name in WORKERS_POSTS}
        self._kinds = {op: inspect.type_info(BY_NAME[name].request) for op, name in named.items()}
        self._kinds |= {op: inspect.type_info(kind) for op, kind in UP.items()}
        self._header = inspect.type_info(OutputHeader)

    def message(self, op: str, *, broken: bool) -> str | bytes:
        """A message with a frame `op`; `output` is a binary one."""
        if op == "output":
            return self._output(broken=broken)
        items = [self.item(op, broken=broken) for _ in range(self._rng.choice((0, 1, 1, 2, 5)))]
        frame = {"op": op, "id": self._rng.choice((None, 0, 1, -1, 2**31, 2**62)), "items": items}
        text = json.dumps([frame] * self._rng.choice((1, 1, 2)) if self._rng.random() < 0.5 else frame)
        return self.noisy(text.encode()).decode(errors="replace") if broken and self._rng.random() < 0.5 else text

    def item(self, op: str, *, broken: bool) -> Any:
        """One item of a frame `op`, or the body of a request for the operation `op`."""
        item = self._value(self._kinds[op], "")
        return self._warped(item) if broken else item

    def noisy(self, data: bytes) -> bytes:
        """With a few bytes changed, cut out or put in."""
        changed = bytearray(data)
        for _ in range(self._rng.randint(1, 3)):
            at = self._rng.randrange(len(changed) + 1)
            what = self._rng.randrange(4)
            if what == 0:
                changed[at:at] = self._rng.choice(NOISE)
            elif what == 1:
                del changed[at : at + self._rng.randint(1, 30)]
            elif what == 2:
                changed[at : at + 1] = bytes([self._rng.randrange(256)])
            else:
                del changed[at:]
        return bytes(changed)

    def _output(self, *, broken: bool) -> bytes:
        head = json.dumps(self._warped(self._value(self._header, "")) if broken else self._value(self._header, ""))
        header = self.noisy(head.encode()) if broken and self._rng.random() < 0.3 else head.encode()
        size = len(header) if not broken or self._rng.random() < 0.7 else self._rng.choice((0, 1, 4097, 2**32 - 1))
        return struct.pack(">I", size) + header + self._rng.randbytes(self._rng.choice((0, 1, 100, 5000, 70_000)))

    def _warped(self, item: Any) -> Any:
        """With something of another kind somewhere in it, something missing, or something more."""
        if isinstance(item, dict) and item and self._rng.random() < 0.8:
            name = self._rng.choice(list(item))
            what = self._rng.randrange(4)
            if what == 0:
                return {key: value for key, value in item.items() if key != name}
            if what == 1:
                return {**item, self._rng.choice(TEXTS): self._rng.choice(WRONG)}
            return {**item, name: self._warped(item[name])}
        if isinstance(item, list) and item and self._rng.random() < 0.5:
            return [self._warped(item[0]), *item[1:]] * self._rng.choice((1, 1, 300))
        return self._rng.choice(WRONG)

    def _value(self, kind: Any, name: str) -> Any:
        one = self._rng.choice(choices(kind))
        if isinstance(one, inspect.StructType):
            return self._struct(one)
        if isinstance(one, inspect.StrType):
            return self._text(one)
        if isinstance(one, inspect.IntType):
            small = self._rng.randint(one.ge or 0, min(one.le or 1, (one.ge or 0) + 3))
            return small if self._rng.random() < 0.8 else self._rng.choice((one.ge, one.le))
        if isinstance(one, inspect.FloatType):
            return self._rng.choice((one.ge if one.ge is not None else 1e-9, one.le, 0.1))
        if isinstance(one, inspect.LiteralType):
            return self._rng.choice(one.values)
        if isinstance(one, inspect.BytesType):
            return base64.b64encode(self._rng.randbytes(self._rng.choice((0, 1, 7, one.max_length or 9000)))).decode()
        if isinstance(one, inspect.VarTupleType):
            most = min(one.max_length or 50, self._rng.choice((0, 1, 3, 50)))
            return [self._value(one.item_type, name) for _ in range(most)]
        if isinstance(one, inspect.TupleType):
            return [self._value(item, name) for item in one.item_types]
        if isinstance(one, inspect.DictType):
            return {f"k{number}": self._value(one.value_type, "") for number in range(self._rng.choice((0, 2, 100)))}
        if isinstance(one, inspect.RawType):
            return {"command": self._rng.choice(("true", "", "\0")), "requires": {"fuzz": "nobody has it"}}
        return self._rng.random() < 0.5 if isinstance(one, inspect.BoolType) else None

    def _struct(self, kind: inspect.StructType) -> dict[str, Any]:
        fields = {field.encode_name: field for field in kind.fields}
        made = {
            name: self._value(field.type, name)
            for name, field in fields.items()
            if field.required or self._rng.random() < 0.4
        }
        if "jobId" in fields:
            job_id, attempt = self._rng.choice(self.jobs)
            if "attempt" in fields:
                made |= {"jobId": job_id, "attempt": attempt if self._rng.random() < 0.8 else made["attempt"]}
            elif "jobId" in made:
                made["jobId"] = job_id
        made.pop("workerId", None)
        return made

    def _text(self, kind: inspect.StrType) -> str:
        if "a-f]{64}" in (kind.pattern or ""):
            return self._rng.choice(("0" * 64, "f" * 64))
        if kind.pattern:
            return self._rng.choice(("a", "a.b:c-d_e", "k" * (kind.max_length or 1)))[: kind.max_length]
        fitting = [text for text in TEXTS if (kind.min_length or 0) <= len(text) <= (kind.max_length or 10_000)]
        return self._rng.choice(fitting)
