"""Which worker speaks: by its own credential, or by a token that it signed with the shared secret."""

import base64
import hashlib
from collections import OrderedDict
from pathlib import Path

from cmdexec.errors import Refused
from cmdexec.notify.contract import Notify, Revoked
from cmdexec.runtime import Runtime
from cmdexec.server.folder import write_private
from cmdexec.server.identity.tokens import bad_worker_token, worker_id_in
from cmdexec.server.identity.who import Identity, worker
from cmdexec.store.contract.identity import CredentialRow, Credentials
from cmdexec.store.contract.workers import Workers

PREFIX = "wc_"
_LENGTH = len(PREFIX) + 43
_KEPT = 20_000


def hash_of(credential: str) -> str:
    """What is stored of a credential: SHA-256 (hex); 256 random bits need no slower hash."""
    return hashlib.sha256(credential.encode()).hexdigest()


class WorkerIdentities:
    """Recognises workers. What the store said of a credential is kept for at most `cache_sec`."""

    def __init__(
        self, credentials: Credentials, workers: Workers, notify: Notify, runtime: Runtime, *,
        shared_secret: str | None, cache_sec: float,
    ) -> None:  # fmt: skip
        self._credentials = credentials
        self._workers = workers
        self._runtime = runtime
        self._shared = shared_secret
        self._cache_sec = cache_sec
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._ends = 0
        notify.listen(Revoked, self._revoked)

    async def identity(self, token: str) -> Identity:
        """The worker that shows `token`. Raises Refused(`unauthorized` | `forbidden`), Unavailable(`store_away`)."""
        if token.startswith(PREFIX):
            if len(token) != _LENGTH or not token.isascii():
                raise bad_worker_token()
            return worker(await self._of_credential(hash_of(token)))
        if self._shared is None:
            raise bad_worker_token()
        worker_id = worker_id_in(token, self._shared, self._runtime.clock)
        return worker(worker_id, enrolled=await self._unless_revoked(f"id {worker_id}", worker_id, enrolled=False))

    async def has(self, secret_hash: str) -> bool:
        """Whether a credential with that hash is kept. Raises Unavailable(`store_away`)."""
        return await self._credentials.get(secret_hash) is not None

    async def _of_credential(self, secret_hash: str) -> str:
        known = self._known.get(secret_hash)
        if known is not None and known[1] >= self._runtime.clock.elapsed():
            return known[0]
        row = await self._credentials.get(secret_hash)
        if row is None:
            raise bad_worker_token()
        if row.revoked:
            (gone,) = await self._workers.get([row.worker_id])
            raise _revoked_worker(gone.given.by if gone is not None else None)
        await self._unless_revoked(secret_hash, row.worker_id, enrolled=True)
        return row.worker_id

    async def _unless_revoked(self, key: str, worker_id: str, *, enrolled: bool) -> bool:
        """Whether the worker is `enrolled`, or has registered. Raises Refused if it was revoked."""
        known, asked, ends = self._known.get(key), self._runtime.clock.elapsed(), self._ends
        if known is not None and known[1] >= asked:
            return True
        (row,) = await self._workers.get([worker_id])
        if row is None and not enrolled:
            return False  # it may be about to
        if row is not None and row.revoked:
            raise _revoked_worker(row.given.by)
        if ends != self._ends:
            return True  # somebody was revoked since it was asked: who, is asked again the next time
        self._known[key] = (worker_id, asked + self._cache_sec)
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return True

    def _revoked(self, hint: Revoked) -> None:
        self._ends += 1
        for key in [key for key, (worker_id, _) in self._known.items() if worker_id == hint.worker_id]:
            del self._known[key]

    async def ensure_credential(self, path: Path) -> None:
        """See that the file `path` (0600) holds a good credential of a worker, for the one on this machine; a file with
        a good one, of a worker that is not revoked, is left as it is. Raises OSError, Unavailable(`store_away`)."""

        def read() -> str:
            return path.read_text("ascii").strip() if path.exists() else ""

        kept = await self._runtime.threads.run(read)
        if kept.startswith(PREFIX):
            row = await self._credentials.get(hash_of(kept))
            if row is not None and not row.revoked:
                (of,) = await self._workers.get([row.worker_id])
                if of is None or not of.revoked:
                    return
        made = PREFIX + base64.urlsafe_b64encode(self._runtime.secret_bytes(32)).decode().rstrip("=")
        now = self._runtime.clock.now()
        await self._credentials.insert(CredentialRow(hash_of(made), self._runtime.ids.new(), now))
        await self._runtime.threads.run(lambda: write_private(path, made))


def _revoked_worker(by: str | None = None) -> Refused:
    who = "" if by is None else f" by {by}"
    return Refused("forbidden", f"This worker was revoked{who}.", mend="Let it join again, with a new join token.")
