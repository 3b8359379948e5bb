"""The Python API: everything the HTTP API offers to people and programs, as typed calls.

    async with connect_async() as client:
        job = await client.submit(NewJob(command=("make", "test")))
        async for one in follow(client, job.job_id):
            ...

It knows the server by its protocol alone.
"""

from cmdexec.client.access import Access, find_access
from cmdexec.client.calls import Client
from cmdexec.client.connect import connect_async
from cmdexec.client.follow import Ended, Followed, NewAttempt, Piece, Start, follow
from cmdexec.protocol.requests import NewJob

__all__ = [
    "Access", "Client", "Ended", "Followed", "NewAttempt", "NewJob", "Piece", "Start", "connect_async", "find_access",
    "follow",
]  # fmt: skip
