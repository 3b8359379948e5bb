"""The store on MongoDB, which several servers share. `open_mongo` is the way in; it is loaded only where it is named.

engine         opens all of it and closes it again
address        what `MONGODB_URI` says, read before anybody is asked
connection     the client, its collections, and the guard around every call
faults         what the driver raises, as what this package speaks of
schema         the indexes, and which version a database holds
together       calls that wait are carried out together, in their order
documents      a job as a document, and back
chunks, finding   reading in order, some at a time
jobs_write     adding jobs (inserting batches), giving them out (claiming queue), changing them (applying)
listing        lists of jobs (candidates naming)
jobs, classes, output, workers, identity, joining, health    the rest of the contract, an aggregate a file

Every change is one conditional write of one document; where two documents change, the first of them says what has yet
to be done to the other, and whoever meets that does it. No transactions, no partial indexes, no update pipelines, no
`$expr`, `$lookup`, `$facet` or `$$NOW`: `tests/contract/` holds the list of what is used against what is sent.

A job's document holds, under `outputs`, the row of each attempt's output (`output`), so that a change of the job opens
and closes it in the same write. Times of leases are the store's own (`$currentDate`), all others are for display.
"""

from cmdexec.store.mongo.engine import MongoStore, open_mongo

__all__ = ["MongoStore", "open_mongo"]
