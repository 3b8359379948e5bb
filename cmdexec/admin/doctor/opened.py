"""The store that the settings name, opened to be looked at: what is there is neither changed nor brought up to date."""

from cmdexec.runtime import Runtime
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.sqlite.inspection import inspect_sqlite


async def open_inspection(settings: ServerSettings, runtime: Runtime, *, whole: bool = False) -> Inspection:
    """`whole`: look through the whole file first, however large. Raises CmdexecError where there is no store, or one
    that cannot be read."""
    if settings.mongodb_uri is not None:
        return await _open_mongo(settings.mongodb_uri, settings, runtime)
    check_bytes = None if whole else settings.store_check_bytes
    return await runtime.threads.run(
        lambda: inspect_sqlite(settings.data_dir, runtime, busy_sec=settings.store_busy_sec, check_bytes=check_bytes)
    )


async def _open_mongo(uri: str, settings: ServerSettings, runtime: Runtime) -> Inspection:
    from cmdexec.store.mongo import open_mongo

    store = await runtime.threads.run(
        lambda: open_mongo(
            uri, runtime, production=settings.production, pool_size=settings.mongodb_pool_size,
            select_sec=settings.mongodb_select_sec, connect_sec=settings.mongodb_connect_sec,
            answer_sec=settings.mongodb_answer_sec, confirm_sec=settings.mongodb_confirm_sec, make=False,
        )
    )  # fmt: skip
    try:
        await store.reach()
    except BaseException:
        await store.close()
        raise
    return Inspection(store.reads.jobs, store.reads.lists, store.reads.output, store.close)
