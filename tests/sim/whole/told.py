"""What goes over the wires, for a story: which frames, and about which job."""

import json
import re

from tests.sim.whole.machine import Tell
from tests.sim.whole.wires import Seen

_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_LONG = 110


def told_of(tell: Tell) -> Seen:
    """Notes each frame with the ids that it names; the story puts in the jobs' numbers."""

    def seen(sender: str, receiver: str, message: bytes) -> None:
        way = f"{sender} → {receiver}"
        if message[:1] != b"[":
            size = int.from_bytes(message[:4], "big")
            tell(way, f"output {_short(message[4 : 4 + size])} +{len(message) - size - 4} bytes")
            return
        for frame in json.loads(message):
            number = f" #{frame['id']}" if "id" in frame else ""
            name = f"answer to #{frame['re']}" if "re" in frame else f"{frame.get('op')}{number}"
            for item in frame.get("items", ()):
                tell(way, f"{name} {_short(json.dumps(item).encode())}")

    return seen


def _short(said: bytes) -> str:
    """What is said, without what is long; ids in full."""
    text = said.decode(errors="replace")
    if len(text) <= _LONG:
        return text
    ids = " ".join(dict.fromkeys(one.decode() for one in _ID.findall(said)))
    return f"{text[:_LONG]}… {ids}"
