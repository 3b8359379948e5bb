"""Whatever is asked of jobs and their output is looked up in an index: no query walks through all of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cmdexec.model.job import Reason, Status
from cmdexec.store.contract.listing import Filter, PageWanted
from tests.contract.engines import Place
from tests.contract.making import NOW, jobs
from tests.contract.mongo import client, name_of
from tests.contract.test_mongo_commands import HEARD, a_life

OTHERS = 200
"""Jobs of either end, which nothing is asked about: to look at all of them would be seen."""

LARGE = ("jobs", "jobLogs")
FILTERS = [
    Filter(), Filter(begins="bu"), Filter(tags=frozenset({"gpu", "x"}), until=NOW + 9), Filter(until=NOW, owner="ada"),
    Filter(statuses=frozenset(Status)), Filter(reasons=frozenset({Reason.OOM})), Filter(since=NOW, until=NOW + 9),
]  # fmt: skip


def explained(name: str, command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The commands that can be explained in place of that one: of each change of many, one."""
    kept = {
        key: value
        for key, value in command.items()
        if key in ("filter", "query", "sort", "limit", "skip", "key", "projection")
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
        for name, command in asked:
            for one in explained(name, command):
                plan = client()[name_of(folder)].command({"explain": one, "verbosity": "executionStats"})
                used = set(stages(plan["queryPlanner"]["winningPlan"]))
                assert "COLLSCAN" not in used, one
                if name == "count":
                    assert "FETCH" not in used, one
                else:
                    ran = plan["executionStats"]
                    assert max(ran["totalKeysExamined"], ran["totalDocsExamined"]) < OTHERS, (one, ran)
    finally:
        await place.end()
