"""The store on SQLite: one file, one writer, a few readers. `open_sqlite` is the way in.

engine         opens all of it and closes it again
connection     the only file that names the driver
schema         whose file it is, which version, and how an older one is brought up to date
writer         one thread: all calls that wait share one commit
readers        connections that can only read
transaction    what a writing call gets
jobs, jobs_write, output, workers, identity, health    the contract, an aggregate a file
sql/           every query, by name; migrations/ every change of the tables
"""

from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite

__all__ = ["SqliteStore", "open_sqlite"]
