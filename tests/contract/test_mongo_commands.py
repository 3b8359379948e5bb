"""What is sent to MongoDB is what its hosted twins know as well: the operators in use are a list, and this is it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import monitoring

from cmdexec.model.job import Status
from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow, SessionRow, UserRow
from cmdexec.store.contract.jobs_write import InlineOutput
from cmdexec.store.contract.listing import Filter, PageWanted
from cmdexec.store.contract.output import Append
from tests.contract.engines import Place, Store
from tests.contract.making import NOW, changed, inserted, jobs, started, wanted, worker, write

COMMANDS = {
    "find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "createIndexes", "endSessions",
    "hello", "ismaster", "count", "killCursors", "distinct",
}  # fmt: skip
QUERY = {
    "$in", "$nin", "$ne", "$gt", "$gte", "$lt", "$lte", "$exists", "$or", "$and", "$nor", "$not", "$regex", "$options",
    "$elemMatch", "$size", "$all", "$mod", "$type",
}  # fmt: skip
UPDATE = {
    "$set",
    "$setOnInsert",
    "$unset",
    "$inc",
    "$max",
    "$min",
    "$push",
    "$pull",
    "$addToSet",
    "$each",
    "$currentDate",
}
STAGES = {"$match", "$group", "$sort", "$limit", "$skip", "$project", "$count", "$unwind"}
ACCUMULATORS = {"$sum", "$min", "$max", "$first", "$last"}
KNOWN = QUERY | UPDATE | STAGES | ACCUMULATORS
"""Amazon DocumentDB, "Supported MongoDB APIs, operations, and data types": all of these since 3.6. Not among them on
purpose: $expr, $facet, $lookup beyond equality, $$NOW, updates by pipelines, partial indexes."""
_ENVELOPE = {"$db", "$clusterTime", "$readPreference"}


class Heard(monitoring.CommandListener):
    """All that is sent while it listens."""

    def __init__(self) -> None:
        self.on = False
        self.commands: list[tuple[str, Mapping[str, Any]]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.on:
            self.commands.append((event.command_name, event.command))

    def succeeded(self, _event: monitoring.CommandSucceededEvent) -> None:
        return

    def failed(self, _event: monitoring.CommandFailedEvent) -> None:
        return


HEARD = Heard()
monitoring.register(HEARD)


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    place = Place("mongo", folder)
    yield place
    await place.end()


def operators(value: Any) -> Iterator[str]:
    """Every operator in a command, and every reference to a variable."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key.startswith("$") and key not in _ENVELOPE:
                yield key
            yield from operators(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from operators(inner)
    elif isinstance(value, str) and value.startswith("$$"):
        yield value


async def a_life(store: Store) -> None:
    """Everything that the store is asked for, once."""
    reads, writes = store.reads, store.jobs_write
    go = await started(store, 0)
    await reads.output.append([Append(go.job_id, 1, "s1", "stdout", 0, b"some", 1 << 30)])
    await reads.output.read(go.job_id, 1, "stdout", 0, 10)
    end = changed(go, status=Status.COMPLETED)
    piece = InlineOutput("stdout", 4, b" more")
    change = write(go, end, "end", append_to=1, append=(piece,), closes=1, measured=(4, 0))
    await writes.apply([change, change])
    await inserted(store, *jobs(5, first=10, klass="k"))
    await writes.insert(jobs(2, first=10))
    await writes.claim(wanted("claim", klasses=("k", ""), limit=3))
    await writes.claim(wanted("claim", klasses=("k", ""), limit=3))
    await writes.forget_submit_keys(NOW + 11, 10)
    await reads.jobs.by_submit_keys(["key-12"])
    await reads.jobs.held_by("w1")
    await reads.jobs.waiting_of("owner")
    await reads.jobs.assigned_elsewhere("w2", NOW + 1000, 10)
    await reads.jobs.overdue(NOW, NOW, 10)
    await reads.jobs.counts()
    await reads.classes.get(["k", ""])
    await reads.classes.all()
    await reads.classes.fronts(["k"], 3)
    for which in (Filter(), Filter(begins="a"), Filter(tags=frozenset({"t"}), statuses=frozenset({Status.QUEUED})),
                  Filter(worker="w1", owner="o", since=NOW, until=NOW + 5)):  # fmt: skip
        for newest_first in (True, False):
            await reads.lists.page(PageWanted(which, 2, 100, 100, newest_first))
    await reads.health.commit()


async def people(store: Store, place: Place) -> None:
    reads = store.reads
    await reads.workers.register(worker())
    await reads.workers.renew(["w1"])
    place.go_on(61)
    await reads.workers.overdue(60, ["w1"])
    await reads.workers.mark_lost("w1", "s1", 60)
    await reads.workers.change("w1", labels={"a": "b"})
    await reads.workers.revoke("w1")
    await reads.workers.all()
    user = UserRow("u1", "u@test", "admin", "hash", NOW)
    await reads.users.insert(user)
    await reads.users.insert(user)
    await reads.users.change(user, replace(user, epoch=1), keeps="admin")
    await reads.users.insert(replace(user, user_id="u2", email="v@test"))
    await reads.users.change(user, replace(user, epoch=1), keeps="admin")
    await reads.users.all()
    await reads.users.any()
    await reads.users.by_email("U@test")
    await reads.sessions.insert(SessionRow("jti", "u1", NOW, NOW, "cookie"))
    await reads.sessions.by_cookie("cookie")
    await reads.sessions.revoke("jti")
    await reads.sessions.forget_expired(NOW + 1, 5)
    await reads.join_tokens.insert(JoinTokenRow("t1", "secret", NOW, NOW + 10, "u@test", 1))
    await reads.join_tokens.use(CredentialRow("hash", "w1", NOW, joined_with="secret"), NOW)
    await reads.join_tokens.workers(["secret"], 5)
    await reads.join_tokens.revoke("t1")
    await reads.join_tokens.forget_expired(NOW + 11, 5)
    await reads.credentials.insert(CredentialRow("another", "w1", NOW))
    await reads.credentials.of("w1")
    await reads.credentials.revoke_of("w1")


async def test_only_commands_and_operators_of_the_list_are_sent(place: Place) -> None:
    HEARD.commands.clear()
    HEARD.on = True
    try:
        store = place.open()
        await a_life(store)
        await people(store, place)
        await place.close()
    finally:
        HEARD.on = False
    ours = [(name, command) for name, command in HEARD.commands if not is_of_the_tests(command)]
    assert {name for name, _ in ours} - COMMANDS == set()
    assert {"find", "update", "findAndModify"} <= {name for name, _ in ours}
    used = {operator for _, command in ours for operator in operators(command)}
    assert used - KNOWN == set()
    for name, command in ours:
        for update in command.get("updates", ()):
            assert isinstance(update["u"], Mapping), f"{name} by a pipeline"
        assert not isinstance(command.get("update"), list), f"{name} by a pipeline"
        assert not any("partialFilterExpression" in index for index in command.get("indexes", ()))
        assert "startTransaction" not in command
        if name in ("insert", "update", "delete", "findAndModify"):
            concern = command["writeConcern"]
            assert (concern["w"], concern["j"]) == ("majority", True), name
            assert concern["wtimeout"] > 0
        if name in ("find", "aggregate", "count", "distinct"):
            assert command["readConcern"]["level"] == "majority", name


def is_of_the_tests(command: Mapping[str, Any]) -> bool:
    """What lets time pass is sent by the test itself."""
    return any(isinstance(update["u"], list) for update in command.get("updates", ())) and "workers" in command.values()
