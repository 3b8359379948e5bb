"""Operations that are declared and whose handlers are being written."""

from cmdexec.errors import Refused
from cmdexec.server.api.handler import Call, Handlers, Reply

NAMES = (
    "auth.logout", "auth.me",
    "users.create", "users.list", "users.change",
    "join_tokens.create", "join_tokens.list", "join_tokens.revoke", "workers.join",
    "workers.get", "workers.change", "workers.revoke",
    "jobs.list", "jobs.rerun", "jobs.requeue",
)  # fmt: skip


async def _later(_call: Call) -> Reply:
    raise Refused("not_provided", "This is not provided yet.")


HANDLERS: Handlers = dict.fromkeys(NAMES, _later)
