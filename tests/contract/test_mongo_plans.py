"""Whatever is asked of a collection is looked up in an index: no query walks through all of it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmdexec.model.job import Reason, Status
from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow, SessionRow
from cmdexec.store.contract.listing import Filter, PageWanted
from tests.contract.engines import Place, Store
from tests.contract.making import NOW, jobs, worker
from tests.contract.mongo import client, name_of
from tests.contract.test_mongo_commands import HEARD, a_life, is_of_the_tests, people

OTHERS = 200
"""Jobs of either end, which nothing is asked about: to look at all of them would be seen."""

LARGE = ("jobs", "jobLogs")
REST = ("workers", "heartbeats", "sessions", "credentials", "joinTokens")
"""Users are few, and read all at once: whether an admin is left."""
FILTERS = [
    Filter(), Filter(begins="bu"), Filter(tags=frozenset({"gpu", "x"}), until=NOW + 9), Filter(until=NOW, owner="ada"),
    Filter(statuses=frozenset(Status)), Filter(reasons=frozenset({Reason.OOM})), Filter(since=NOW, until=NOW + 9),
]  # fmt: skip


def explained(name: str, command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The commands that can be explained in place of that one: of each change of many, one."""
    kept = {
        key: value
        for key, value in command.items()
        if key in ("filter", "query", "sort", "limit", "skip", "key", "projection", "update", "remove", "upsert")
    }
    if name in ("update", "delete"):
        changes = f"{name}s"
        for change in command[changes]:
            yield {name: command[name], changes: [change]}
    else:
        yield {name: command[name], **kept}


def stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, Mapping):
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for inner in plan.values():
            yield from stages(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from stages(inner)


async def test_no_query_of_jobs_or_output_walks_through_the_collection(folder: Path) -> None:
    place = Place("mongo", folder)
    try:
        store = place.open()
        for status in (Status.COMPLETED, Status.FAILED):
            fill = jobs(OTHERS, first=1000 * len(status), status=status, owner="another", submit_key="", klass="z")
            await store.jobs_write.insert(fill)
        HEARD.commands.clear()
        HEARD.on = True
        try:
            await a_life(store)
            for which in FILTERS:
                for newest_first in (True, False):
                    wanted = PageWanted(which, 1, 10, 5, newest_first)
                    page = await store.reads.lists.page(wanted)
                    if page.next is not None:
                        await store.reads.lists.page(PageWanted(which, 1, 10, 5, newest_first, after=page.next))
        finally:
            HEARD.on = False
        asked = [
            (name, command) for name, command in HEARD.commands
            if command.get(name) in LARGE and name in ("find", "count", "distinct", "update", "delete")
        ]  # fmt: skip
        assert {name for name, _ in asked} == {"find", "count", "distinct", "update", "delete"}
        look_at(asked, name_of(folder))
    finally:
        await place.end()


def look_at(asked: Sequence[tuple[str, Mapping[str, Any]]], database: str) -> None:
    """None of these commands walks through its collection."""
    for name, command in asked:
        for one in explained(name, command):
            plan = client()[database].command({"explain": one, "verbosity": "executionStats"})
            used = set(stages(plan["queryPlanner"]["winningPlan"]))
            assert "COLLSCAN" not in used, one
            if name == "count":
                assert "FETCH" not in used, one
            elif not is_a_page(command):
                ran = plan["executionStats"]
                assert max(ran["totalKeysExamined"], ran["totalDocsExamined"]) < OTHERS, (one, ran)


def is_a_page(command: Mapping[str, Any]) -> bool:
    """By id, and as many as were asked for."""
    which = command.get("filter", {})
    return list(which) == ["_id"] and "$gt" in which["_id"] and command.get("limit", 0) > 0


async def crowd(store: Store) -> None:
    """As many of each as nothing is asked about."""
    reads = store.reads

    async def one(number: int) -> None:
        gone = worker(f"gone{number:03}", session=f"s-gone{number}")
        await reads.workers.register(gone)
        await reads.sessions.insert(SessionRow(f"jti{number}", "u9", NOW, NOW + 10**6, f"cookie{number}"))
        await reads.join_tokens.insert(JoinTokenRow(f"x{number}", f"secret{number}", NOW, NOW + 10**6, "v@test", 1))
        joined_with = f"secret{number}"
        await reads.credentials.insert(CredentialRow(f"hash{number}", gone.worker_id, NOW, joined_with=joined_with))

    await asyncio.gather(*map(one, range(OTHERS)))


async def test_no_query_of_workers_and_what_they_and_people_come_with_walks_through_the_collection(
    folder: Path,
) -> None:
    """Workers that were lost for good stay, and are not looked at each time others are judged."""
    place = Place("mongo", folder)
    try:
        store = place.open()
        await crowd(store)
        client()[name_of(folder)].workers.update_many({}, {"$set": {"lost": True}})
        place.go_on(61)
        HEARD.commands.clear()
        HEARD.on = True
        try:
            await people(store, place)
            assert await store.reads.workers.overdue(60) == []
        finally:
            HEARD.on = False
        asked = [
            (name, command) for name, command in HEARD.commands
            if command.get(name) in REST and name in ("find", "update", "delete", "findAndModify")
            and not is_of_the_tests(command)
        ]  # fmt: skip
        assert {(name, command[name]) for name, command in asked} >= {("find", name) for name in REST[2:]} | {
            ("findAndModify", "workers"), ("update", "workers"), ("findAndModify", "joinTokens"),
        }  # fmt: skip
        look_at(asked, name_of(folder))
    finally:
        await place.end()
