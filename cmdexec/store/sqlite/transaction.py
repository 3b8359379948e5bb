"""What a writing call gets: the connection inside a transaction, and the tally that goes with it."""

from cmdexec.store.sqlite.connection import Connection
from cmdexec.store.sqlite.queries import load

_SQL = load("tally")


class Transaction:
    """One group of calls on its way to one COMMIT.

    A call may be run again from its beginning after a rollback, so it changes nothing but the database. A call that
    refuses (raises CmdexecError) does so before it writes.
    """

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._tally: dict[tuple[str, str], int] = {}

    def count(self, owner: str, status: str, jobs: int) -> None:
        """The owner has `jobs` more (or fewer) of that status."""
        key = (owner, status)
        self._tally[key] = self._tally.get(key, 0) + jobs

    def moved(self, owner: str, before: str, after: str) -> None:
        """One job of the owner has left one status for another."""
        if before != after:
            self.count(owner, before, -1)
            self.count(owner, after, 1)

    def merge(self, other: "Transaction") -> None:
        """Take over what `other` counted."""
        for (owner, status), jobs in other._tally.items():
            self.count(owner, status, jobs)

    def settle(self) -> None:
        """Write the tally down: once for the whole group."""
        changed = [(owner, status, jobs) for (owner, status), jobs in self._tally.items() if jobs]
        if changed:
            self.db.run_each(_SQL["add"], changed)
