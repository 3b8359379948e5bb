"""The short way to a client, for programs: settings as for the command line, a runtime of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial

from cmdexec.client.access import find_access
from cmdexec.client.calls import Client
from cmdexec.client.patience import Notice
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load


def client_settings(url: str | None, token: str | None, given: Mapping[str, object]) -> ClientSettings:
    """The settings that a program gives, before those of the environment. Raises TypeError for what is no setting, and
    SettingsError for values that cannot be used."""
    names = [field.name for field in fields(ClientSettings)]
    for name in given:
        if name not in names:
            raise TypeError(f"There is no setting {name!r} of a connection. There are {', '.join(names)}.")
    named = {"server_url": url, "token": token}
    flags = {**given, **{name: value for name, value in named.items() if value is not None}}
    return load(ClientSettings, flags=flags, flags_of="what connect() was given").settings


@asynccontextmanager
async def connect_async(
    url: str | None = None, token: str | None = None, *, notice: Notice | None = None, **settings: object
) -> AsyncIterator[Client]:
    """A client of the server at `url`, or of the one that the environment or `cmdexec login` names, or of this user's
    own that runs here.

    `settings`, by field, count before the environment: `connect_async(patience_sec="30s")`. Nothing is sent before the
    first call. Raises TypeError and SettingsError.
    """
    loaded = client_settings(url, token, settings)
    runtime = system_runtime("client", threads=1)
    try:
        async with Client(partial(find_access, loaded), settings=loaded, runtime=runtime, notice=notice) as client:
            yield client
    finally:
        runtime.threads.close()
