"""The Python API: everything the HTTP API offers to people and programs, as typed calls.

    async with Client(partial(find_access, settings), settings=settings, runtime=runtime) as client:
        job = await client.submit(NewJob(command=("make", "test")))
        async for one in follow(client, job.job_id):
            ...

It knows the server by its protocol alone.
"""

from cmdexec.client.access import Access, find_access
from cmdexec.client.calls import Client
from cmdexec.client.follow import Ended, Followed, NewAttempt, Piece, follow

__all__ = ["Access", "Client", "Ended", "Followed", "NewAttempt", "Piece", "find_access", "follow"]
