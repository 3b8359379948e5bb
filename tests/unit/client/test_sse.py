"""Server-sent events are read however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.client.sse import Event, EventReader
from cmdexec.errors import CmdexecError

WHOLE = (
    b": hello\n\n"
    b"event: output\nid: 7\ndata: one\ndata:two\n\n"
    b"retry: 10\r\ndata:  three\r\n\r\n"
    b"event: nothing\n\n"
    b"id\ndata\n\n"
    b"data: unfinished\n"
)
EVENTS = [Event("output", b"one\ntwo", "7"), Event("message", b" three", "7"), Event("message", b"", "")]


@given(st.sets(st.integers(0, len(WHOLE))))
def test_events_do_not_depend_on_where_the_body_is_cut(cuts: set[int]) -> None:
    reader = EventReader()
    edges = [0, *sorted(cuts), len(WHOLE)]
    found = [event for a, b in pairwise(edges) for event in reader.feed(WHOLE[a:b])]
    assert found == EVENTS


@pytest.mark.parametrize("body", [b"data: " + b"x" * 2000, b"data: 0123456789\n" * 200])
def test_an_event_without_end_is_refused(body: bytes) -> None:
    """Neither one long line nor many short ones fill the memory."""
    reader = EventReader(max_event=1000)
    with pytest.raises(CmdexecError, match="larger than any may be"):
        list(reader.feed(body))


def test_many_events_in_one_piece_are_not_taken_for_a_large_one() -> None:
    events = list(EventReader(max_event=1000).feed(b"data: 0123456789\n\n" * 200))
    assert len(events) == 200


def test_an_id_with_a_nul_is_ignored() -> None:
    (event,) = EventReader().feed(b"id: good\nid: b\x00d\ndata: x\n\n")
    assert event.id == "good"
