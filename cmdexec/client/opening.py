"""The short way to a client, for programs: settings as for the command line, a runtime of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from cmdexec.client.access import find_access
from cmdexec.client.calls import Client
from cmdexec.client.patience import Notice
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load


@asynccontextmanager
async def connect_async(*, notice: Notice | None = None, **settings: object) -> AsyncIterator[Client]:
    """A client of the server that the environment names, or of this user's own that runs here.

    `settings`, by field, count before the environment: `connect_async(server_url="https://jobs.example.com", token=…)`.
    Raises SettingsError. Nothing is sent before the first call.
    """
    loaded = load(ClientSettings, flags=settings).settings
    runtime = system_runtime("client", threads=1)
    try:
        async with Client(partial(find_access, loaded), settings=loaded, runtime=runtime, notice=notice) as client:
            yield client
    finally:
        runtime.threads.close()
