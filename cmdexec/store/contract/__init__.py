"""What every store promises. It compares and sets; it knows no rules.

`Reads` is what everybody may have. `jobs_write.JobWrites` is given to `cmdexec.server.jobs` alone. Each engine keeps to
these with conditional updates of single documents, and one transaction for a batch submit; `tests/contract/` holds each
to the same.

Every call that writes returns after the write is on stable storage. Errors: `Unavailable("store_away" | "overloaded" |
"disk_full")`; after `store_away` the outcome is unknown, and the same call may be made again: each is safe to repeat.
"""
