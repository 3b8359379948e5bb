"""The Python API: everything the HTTP API offers to people and programs, as typed calls.

For programs without an event loop::

    with cmdexec.connect() as c:
        print(c.run("make -C /srv/project test", cpu=2).text)

For programs with one::

    async with cmdexec.connect_async() as client:
        job = await client.submit(NewJob(command=("make", "test")))
        async for one in client.follow(job.job_id):
            ...

It knows the server by its protocol alone. `docs/python.md` shows it by examples.
"""

from cmdexec.client.access import Access, find_access
from cmdexec.client.blocking import Connection, connect
from cmdexec.client.calls import Client
from cmdexec.client.follow import Ended, Followed, NewAttempt, Piece, Start, follow
from cmdexec.client.future import Job
from cmdexec.client.opening import connect_async
from cmdexec.client.results import JobCancelled, JobFailed, Result
from cmdexec.client.wanted import new_job
from cmdexec.protocol.listing import JobsQuery
from cmdexec.protocol.requests import JobView, NewJob

__all__ = [
    "Access", "Client", "Connection", "Ended", "Followed", "Job", "JobCancelled", "JobFailed", "JobView", "JobsQuery",
    "NewAttempt", "NewJob", "Piece", "Result", "Start", "connect", "connect_async", "find_access", "follow", "new_job",
]  # fmt: skip
