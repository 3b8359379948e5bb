"""Workers, and the lease of each: one stamp a worker, by the store's own time.

A store is opened with the length of the leases that are granted over it (`lease_sec`). Whatever length is granted is on
stable storage before the worker hears of it, and counts until such a lease is over, whoever opens the store next.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from cmdexec.errors import Refused
from cmdexec.model.absence import Absence

LABELS_MAX = 100
"""The most that people can give one worker."""


class Given(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people gave a worker: it stays whatever the worker says. `labels` go over all others, an empty value takes
    one away; `draining`: it shall get no jobs; `by`: who revoked it."""

    name: str | None = None
    labels: dict[str, str] = {}
    draining: bool = False
    by: str | None = None


class WorkerRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a worker. `session` is the life of its spool, `instance_id` its process; the newest that proved
    itself owns the row. `revoked`: it may do nothing any more, and its id is never used again.

    labels        those that it named
    token_labels  those of the token that it joined with
    place         where its process works: as it says (`Register.place`)
    beside        its machine (`Register.machine`) and the start of that, if the server ran on it as well
    elder         the process from which that place was taken after a silence: it may have it back
    absences      the newest that it told of (`model.absence.remembered`)
    """

    worker_id: str
    name: str
    session: str
    instance_id: str
    version: str
    protocol: str
    platform: str
    slots: int
    executors: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    registered_at: int = 0
    seen_at: int = 0
    revoked: bool = False
    lost: bool = False
    cpu: float | None = None
    ram_mb: int | None = None
    limits: Literal["cgroup2", "cgroup1", "watched"] | None = None
    token_labels: dict[str, str] = {}
    given: Given = Given()
    place: str | None = None
    beside: tuple[str, str] | None = None
    elder: str | None = None
    absences: tuple[Absence, ...] = ()

    @property
    def called(self) -> str:
        """What people call it."""
        return self.given.name or self.name

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels that count: its own, over them its token's, over them people's."""
        merged = {**self.labels, **self.token_labels, **self.given.labels}
        return {key: value for key, value in merged.items() if value}

    def given_with(self, labels: Mapping[str, str | None]) -> dict[str, str]:
        """The labels that people gave it once they gave these as well: None takes back what they gave before, an empty
        value hides a label that it has otherwise. Raises Refused("invalid_field") if there are too many then."""
        given = dict(self.given.labels)
        for key, value in labels.items():
            if value or (value == "" and (key in self.labels or key in self.token_labels)):
                given[key] = value
            else:
                given.pop(key, None)
        if len(given) > LABELS_MAX:
            raise Refused(
                "invalid_field", f"A worker can be given {LABELS_MAX} labels; {self.called} would have {len(given)}.",
                field="labels", mend="Take some away first, with the value null.",
            )  # fmt: skip
        return given


class Workers(Protocol):
    """Rows by worker id."""

    async def register(self, row: WorkerRow) -> WorkerRow | None:
        """Write the row and stamp it; `registered_at` of an earlier one stays, `revoked` and `given` too. Returns the
        row that stood there before."""
        ...

    async def get(self, worker_ids: Sequence[str]) -> list[WorkerRow | None]: ...

    async def all(self, after: str = "", limit: int = 1000) -> list[WorkerRow]:
        """By id, beginning after `after`; `seen_at` is as fresh as the store keeps it."""
        ...

    async def renew(self, worker_ids: Sequence[str]) -> None:
        """Stamp these as alive now, by the store's time; a worker marked `lost` is so no more."""
        ...

    async def overdue(self, age_sec: float, worker_ids: Sequence[str] | None = None) -> list[WorkerRow]:
        """Those, of `worker_ids` if given, not yet marked `lost` whose stamp is older than `age_sec`. One that was
        never stamped since the store was opened counts from the opening."""
        ...

    async def lapsed(self, lease_sec: float, worker_ids: Sequence[str] | None = None) -> list[WorkerRow]:
        """Those of `overdue(lease_sec)` none of whose leases may still run: nor a longer one of a server that was there
        before, or is there beside this one. A worker may not have heard that they are shorter now (promise 2)."""
        ...

    async def mark_lost(self, worker_id: str, session: str, lease_sec: float) -> bool:
        """The lease of that session was judged over; `lapsed` names it no more until it is renewed. False, and nothing
        is changed, if the worker has another session by now or `lapsed` would not name it."""
        ...

    async def change(
        self, worker_id: str, *, draining: bool | None = None, name: str | None = None,
        labels: Mapping[str, str | None] | None = None,
    ) -> WorkerRow | None:  # fmt: skip
        """Give it what is not None, and the labels beside those it was given before (`WorkerRow.given_with`); the row
        after that, None if there is none. Raises Refused("invalid_field")."""
        ...

    async def revoke(self, worker_id: str, by: str | None = None) -> WorkerRow | None:
        """The row after that; who revoked it first stays."""
        ...
