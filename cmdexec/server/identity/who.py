"""Who is asking, as bound to a request or, once, to a whole socket."""

from dataclasses import dataclass
from typing import Literal

from cmdexec.protocol.operations import Permission


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was recognised.

    kind        user, worker, or nobody (no credential was shown)
    id          the user's or the worker's id, fixed by its credential; None for nobody
    jti         the login session that the token, or the cookie, belongs to: revoking it ends this identity
    expires_at  when that session ends, in milliseconds since 1970
    enrolled    of a worker: it has a credential of its own, or has registered before
    """

    kind: Literal["user", "worker", "nobody"]
    id: str | None
    permissions: frozenset[Permission]
    email: str | None = None
    role: str | None = None
    jti: str | None = None
    expires_at: int | None = None
    enrolled: bool = True

    def may(self, permission: Permission) -> bool:
        """Whether an operation that needs `permission` is open to it."""
        return permission is Permission.ANYONE or permission in self.permissions


NOBODY = Identity("nobody", None, frozenset())
"""No credential was shown."""


def worker(worker_id: str, *, enrolled: bool = True) -> Identity:
    """A worker: it may work, and nothing else."""
    return Identity("worker", worker_id, frozenset({Permission.WORK}), enrolled=enrolled)
