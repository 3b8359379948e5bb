"""Faults to be planted in a copy of a recorded history: one for each rule that judges them.

Each takes the records as JSON has them, and gives them with one thing otherwise, and the job that the rule has to name
(None: it can name none).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

Line = dict[str, Any]
Spoilt = tuple[list[Line], str | None]


def _first(lines: Sequence[Line], fits: Callable[[Line], bool]) -> int:
    return next(place for place, line in enumerate(lines) if fits(line))


def _job(status: str) -> Callable[[Line], bool]:
    """One that ran and stands so."""
    return lambda line: line["is"] == "job" and line["status"] == status and bool(line.get("ran"))


def _with(lines: Sequence[Line], place: int, **fields: Any) -> Spoilt:
    line = lines[place]
    return [*lines[:place], line | fields, *lines[place + 1 :]], line.get("job")


def lost(lines: Sequence[Line]) -> Spoilt:
    """A job that was acknowledged, and is stored no more."""
    job = lines[_first(lines, _job("completed"))]["job"]
    return [line for line in lines if (line["is"], line.get("job")) != ("job", job)], job


def invented(lines: Sequence[Line]) -> Spoilt:
    """A job that nobody submitted."""
    place = _first(lines, _job("completed"))
    one = lines[place]
    job = one["job"][:-4] + "ffff"
    made = json.loads(json.dumps(one).replace(one["job"], job)) | {"name": "nobody/0"}
    return [*lines[:place], made, *lines[place:]], job


def ended_twice(lines: Sequence[Line]) -> Spoilt:
    """Its end counted once more."""
    place = _first(lines, _job("completed"))
    events = lines[place]["events"]
    return _with(lines, place, events=[*events, events[-1]])


def never_claimed(lines: Sequence[Line]) -> Spoilt:
    """An attempt that nobody was given."""
    place = _first(lines, _job("completed"))
    return _with(lines, place, events=[event for event in lines[place]["events"] if event[0] != "claim"])


def doubled(lines: Sequence[Line]) -> Spoilt:
    """A job that ran once more, which nobody asked for."""
    place = _first(lines, lambda line: line["is"] == "wrote" and line["word"] == "end")
    job = lines[place]["job"]
    begin = next(line for line in lines if line["is"] == "wrote" and line["job"] == job)
    return [*lines[: place + 1], begin, *lines[place + 1 :]], job


def ended_otherwise(lines: Sequence[Line]) -> Spoilt:
    """By its own ledger it ended with another exit code."""
    job = lines[_first(lines, _job("completed"))]["job"]
    place = _first(lines, lambda line: (line["is"], line.get("job"), line.get("word")) == ("wrote", job, "end"))
    return _with(lines, place, exit=9)


def _with_stdout(lines: Sequence[Line], change: Callable[[Line], Line]) -> Spoilt:
    place = _first(lines, _job("completed"))
    *before, newest = lines[place]["ran"]
    return _with(lines, place, ran=[*before, newest | {"stdout": newest["stdout"] | change(newest["stdout"])}])


def without_its_first_line(lines: Sequence[Line]) -> Spoilt:
    return _with_stdout(lines, lambda stream: {"runs": [[1, 2, stream["runs"][-1][2] + 1]]})


def of_another_digest(lines: Sequence[Line]) -> Spoilt:
    return _with_stdout(lines, lambda _stream: {"said_digest": "0" * 16})


def unanswered_and_there_twice(lines: Sequence[Line]) -> Spoilt:
    """What was never answered was done twice."""
    place = _first(lines, _job("completed"))
    one = lines[place]
    another = one["job"][:-4] + "ffff"
    silent = [
        {name: value for name, value in line.items() if name not in ("jobs", "status")}
        if one["name"] in line.get("names", ()) else line
        for line in lines
    ]  # fmt: skip
    made = json.loads(json.dumps(one).replace(one["job"], another))
    return [*silent[: place + 1], made, *silent[place + 1 :]], another


def counted_otherwise(lines: Sequence[Line]) -> Spoilt:
    place = _first(lines, lambda line: line["is"] == "end")
    counts = lines[place]["counts"]
    return _with(lines, place, counts=counts | {"completed": counts["completed"] + 1})


def cancelled_though_refused(lines: Sequence[Line]) -> Spoilt:
    """Whoever asked for that was refused."""
    job = lines[_first(lines, lambda line: line["is"] == "job" and line["status"] == "cancelled")]["job"]
    refused = {"status": 403, "says": "forbidden"}

    def asked(line: Line) -> bool:
        return line.get("op") == "jobs.cancel" and line["jobs"] == [job]

    return [line | refused if asked(line) else line for line in lines], job


def ended_late(lines: Sequence[Line]) -> Spoilt:
    return _with(lines, _first(lines, _job("completed")), ended_at=1000.0)


PLANTS: dict[str, Callable[[Sequence[Line]], Spoilt]] = {
    "C1": lost, "C2": invented, "C3": ended_twice, "C4": never_claimed, "C5": doubled, "C6": ended_otherwise,
    "C7": without_its_first_line, "C8": of_another_digest, "C9": unanswered_and_there_twice, "C10": counted_otherwise,
    "C11": cancelled_though_refused, "C12": ended_late,
}  # fmt: skip
"""By the name of the rule that finds it."""
