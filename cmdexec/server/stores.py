"""The store that the settings name, opened: SQLite in the data folder, or a MongoDB that servers share."""

from typing import TYPE_CHECKING

from cmdexec.errors import Unavailable
from cmdexec.runtime import Runtime
from cmdexec.server.folder import Folder
from cmdexec.server.identity.first_admin import refuse_lost_store
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.engine import Store
from cmdexec.store.sqlite.engine import FILE, open_sqlite

if TYPE_CHECKING:
    from cmdexec.store.mongo import MongoStore


async def open_store(settings: ServerSettings, runtime: Runtime, folder: Folder) -> Store:
    """Open it. Raises CmdexecError for one that will never do; a shared one that is away is waited for by whoever asks
    it, so that a server starts all the same."""
    if settings.mongodb_uri is not None:
        return await _open_mongo(settings.mongodb_uri, settings, runtime)
    await runtime.threads.run(lambda: folder.must_hold(settings.disk_reserve_bytes))
    await runtime.threads.run(lambda: refuse_lost_store(folder.path, folder.path / FILE))
    return await runtime.threads.run(
        lambda: open_sqlite(
            folder.path, runtime, queue_items=settings.store_queue_items,
            disk_reserve_bytes=settings.disk_reserve_bytes, lease_sec=settings.lease_sec,
            queue_bytes=settings.store_queue_bytes, log_bytes=settings.store_log_bytes,
            idle_sec=settings.store_idle_sec, busy_sec=settings.store_busy_sec,
            seen_save_sec=settings.seen_save_sec, full_retry_sec=settings.disk_retry_sec,
            check_bytes=settings.store_check_bytes,
        )
    )  # fmt: skip


async def _open_mongo(uri: str, settings: ServerSettings, runtime: Runtime) -> Store:
    """The driver is loaded in a thread: it takes a quarter of a second, and so does looking up some addresses."""

    def load() -> "MongoStore":
        from cmdexec.store.mongo import open_mongo

        return open_mongo(
            uri, runtime, production=settings.production, lease_sec=settings.lease_sec,
            pool_size=settings.mongodb_pool_size, queue_items=settings.store_queue_items,
            select_sec=settings.mongodb_select_sec,
            connect_sec=settings.mongodb_connect_sec, answer_sec=settings.mongodb_answer_sec,
            confirm_sec=settings.mongodb_confirm_sec,
        )  # fmt: skip

    store = await runtime.threads.run(load)
    try:
        await store.reach()
    except Unavailable as away:
        runtime.log.warning("the store is away; the server starts, and takes jobs once it is there", why=str(away))
    except BaseException:
        await store.close()
        raise
    return store
