"""What knows who is who, as a server is given it. Names things and hands them to each other."""

from dataclasses import dataclass

from cmdexec.errors import Unavailable
from cmdexec.notify.contract import Notify
from cmdexec.runtime import Runtime
from cmdexec.server.api.auth import AuthApi
from cmdexec.server.api.handler import Handlers
from cmdexec.server.api.joining import JoiningApi
from cmdexec.server.api.users import UsersApi
from cmdexec.server.folder import Folder
from cmdexec.server.identity.accounts import Accounts
from cmdexec.server.identity.addresses import tidy
from cmdexec.server.identity.first_admin import LateAdmin, MadeAdmin, ensure_admin
from cmdexec.server.identity.joining import Joining
from cmdexec.server.identity.keys import KeyRing
from cmdexec.server.identity.logins import PLACE_TIMES, Logins
from cmdexec.server.identity.own_token import OwnToken
from cmdexec.server.identity.passwords import Passwords
from cmdexec.server.identity.sessions import LiveSessions
from cmdexec.server.identity.throttle import Throttle
from cmdexec.server.identity.workers import WorkerIdentities
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads


@dataclass(frozen=True, slots=True)
class People:
    """All that knows who is who; `handlers` are those of its operations."""

    keys: KeyRing
    logins: Logins
    sessions: LiveSessions
    workers: WorkerIdentities
    own_token: OwnToken
    made_admin: MadeAdmin | None
    handlers: tuple[Handlers, ...]
    late_admin: tuple[LateAdmin, ...]


async def build_people(
    settings: ServerSettings, runtime: Runtime, folder: Folder, keys: KeyRing, reads: Reads, notify: Notify
) -> People:
    """Make them, and the first admin where there is no user yet. Raises CmdexecError."""
    passwords = Passwords(runtime.threads)
    shared, email, password = settings.mongodb_uri is not None, tidy(settings.admin_email), settings.admin_password
    made_admin: MadeAdmin | None = None
    late: tuple[LateAdmin, ...] = ()
    try:
        made_admin = await ensure_admin(
            reads.users, passwords, runtime, folder.path, email=email, password=password, shared=shared
        )
    except Unavailable:
        if not shared:
            raise
        late = (LateAdmin(reads.users, passwords, runtime, folder.path, email=email, password=password),)
    throttle = Throttle(runtime.clock, longest_sec=settings.login_wait_max_sec)
    logins = Logins(
        reads.users, reads.sessions, passwords, keys, throttle, notify, runtime,
        token_ttl_sec=settings.token_ttl_sec, free_tries=settings.login_tries,
    )  # fmt: skip
    sessions = LiveSessions(reads.sessions, reads.users, notify, runtime.clock, cache_sec=settings.session_cache_sec)
    workers = WorkerIdentities(
        reads.credentials, reads.workers, notify, runtime,
        shared_secret=settings.worker_token_secret, cache_sec=settings.session_cache_sec,
    )  # fmt: skip
    own_token = OwnToken(
        logins, sessions, reads.users, runtime, folder=folder.path, email=email,
        ttl_sec=settings.token_ttl_sec,
    )  # fmt: skip
    joining = Joining(reads.join_tokens, throttle, runtime, free_tries=settings.login_tries * PLACE_TIMES)
    handlers = (
        AuthApi(logins, only_tls=settings.behind_tls_proxy).handlers(),
        UsersApi(Accounts(reads.users, passwords, notify, runtime)).handlers(),
        JoiningApi(joining).handlers(),
    )
    return People(keys, logins, sessions, workers, own_token, made_admin, handlers, late)
