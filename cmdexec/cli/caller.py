"""How a command calls its server: the options for that, one loop, and what to do about a token that is not good."""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cmdexec.cli.options import config_option, settings_options
from cmdexec.cli.told import tell, tell_warnings
from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load

if TYPE_CHECKING:
    from cmdexec.client import Access, Client

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_STARTED_AGAIN = "Start it again as before, with `cmdexec serve`: it has lost nothing."

FLAGS = ("server_url", "data_dir", "log_level")


class Caller:
    """One command's way to its server. `access`: whom it called, with which token; None before the first call."""

    def __init__(self, settings: ClientSettings) -> None:
        from cmdexec.runtime import system_runtime

        self.settings = settings
        self.runtime = system_runtime("cli", threads=1)
        self.access: Access | None = None

    def call(
        self, work: "Callable[[Client], Awaitable[T]]", find: "Callable[[], Access] | None" = None, *,
        says_for_whom: bool = True,
    ) -> T:  # fmt: skip
        """What `work` gives. Waits for a server that is busy or away, and says so once. Raises CmdexecError.

        find           where the server is, if not where the settings say
        says_for_whom  whether to say it if the server is silent for long; `work` does so itself otherwise
        """
        import asyncio

        from cmdexec import log
        from cmdexec.client import Client

        log.set_up(self.runtime.clock, self.settings.log_level, "text")

        async def with_client() -> T:
            where = partial(self._find, find)
            async with Client(where, settings=self.settings, runtime=self.runtime, notice=self._waiting) as client:
                try:
                    return await (_with_words(work, client) if says_for_whom else work(client))
                except Refused as wrong:
                    raise await self._with_whom(wrong, client) from wrong

        try:
            return asyncio.run(with_client())
        except Refused as wrong:
            if wrong.code != "unauthorized" or self.access is None or not self.access.source:
                raise
            raise Refused(wrong.code, wrong.message, mend=_renewed(self.access)) from wrong
        except Unavailable as wrong:
            if wrong.code != "server_away" or self.access is None or self.access.source != "runtime.json":
                raise
            raise Unavailable(wrong.code, _gone(self.access), mend=_STARTED_AGAIN) from wrong

    async def _with_whom(self, wrong: Refused, client: "Client") -> Refused:
        """A refusal of what one may not do, with who one is: logins and tokens are easily mistaken for each other."""
        if wrong.code != "forbidden" or self.access is None or not client.answers:
            return wrong
        try:
            me = (await client.me()).user
        except CmdexecError:
            return wrong
        who = f"You are {me.email} ({me.role}) at {self.access.url} (`cmdexec whoami`)."
        return Refused(wrong.code, wrong.message, field=wrong.field, mend=" ".join(filter(None, (wrong.mend, who))))

    def _waiting(self, wrong: CmdexecError) -> None:
        if wrong.code == "server_away" and self.access is not None and self.access.source == "runtime.json":
            tell(f"{_gone(self.access)} {_STARTED_AGAIN} Until then this waits for it.")
        else:
            tell(f"{wrong.message} Trying again.")

    def _find(self, find: "Callable[[], Access] | None") -> "Access":
        from cmdexec.client import find_access

        self.access = find_access(self.settings) if find is None else find()
        return self.access


async def _with_words(work: "Callable[[Client], Awaitable[T]]", client: "Client") -> T:
    """What `work` gives; a server that takes a request and is silent then is named after a while."""
    import asyncio

    async def say_for_whom() -> None:
        answers = -1
        while client.asked is None or client.answers != answers:
            answers = client.answers
            await client.runtime.clock.sleep(client.settings.tell_after_sec)
        tell(f"Waiting for the server at {client.asked} to answer.")

    try:
        async with asyncio.TaskGroup() as group:
            saying = group.create_task(say_for_whom())
            try:
                return await work(client)
            finally:
                saying.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


def _gone(access: "Access") -> str:
    return f"Your server, which was at {access.url}, does not answer."


def _renewed(access: "Access") -> str:
    """How to get a token that is good, by where the one that is not is from."""
    if access.source == "login":
        return (
            f"The login at {access.url} is over: log in again with `cmdexec login --server {access.url}`, "
            "or leave it with `cmdexec logout`."
        )
    if access.source == "CMDEXEC_TOKEN":
        return f"CMDEXEC_TOKEN holds no token that {access.url} takes: set it to one that does, or unset it and log in."
    return "Ask again in a moment: the server that runs here has another token by now."


def calls_server(command: F) -> F:
    """Add `--server`, `--data-dir`, `--log-level` and `--config`; the command gets them as a `caller`."""

    @wraps(command)
    def with_caller(*args: Any, config: Path | None, **given: Any) -> Any:
        flags = {name: given.pop(name) for name in FLAGS}
        loaded = load(ClientSettings, flags=flags, config=config)
        tell_warnings(loaded.warnings)
        return command(*args, caller=Caller(loaded.settings), **given)

    added: Any = config_option("A file with settings of the client.")(with_caller)
    where = "The data folder of a server of yours, which tells where it is. [DATA_DIR]"
    return settings_options("client", data_dir=where)(added)  # type: ignore[no-any-return]


def json_option(means: str) -> Callable[[F], F]:
    """`--json`, which gives the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=means)


ONE_JSON = "Print one JSON object, as the API has it."
LINES_JSON = "Print one JSON object a line, as the API has it."
