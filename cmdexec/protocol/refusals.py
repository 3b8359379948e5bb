"""What each refusal of the API means: a sentence a code, and which codes any request can meet."""

MEANINGS: dict[str, str] = {
    "bad_request": "The request is not what this takes; the message says what is wrong.",
    "bad_json": "The body is no JSON in UTF-8, or is nested too deeply.",
    "unauthorized": "No credential, or one that is not good (any more).",
    "bad_credentials": "E-mail address or password is wrong.",
    "bad_join_token": "This join token is not ours, is used up, has expired, or was revoked; the message says which.",
    "forbidden": "Known, and not allowed to do this.",
    "bad_origin": "A browser sent this from the page of another site, or with a cookie and without what proves"
                  " that it did not.",
    "not_found": "There is no such job, attempt or path.",
    "method_not_allowed": "The path is there, the method is not; `Allow` names those that are.",
    "timeout": "The body did not come in time.",
    "too_large": "The body is larger than this takes.",
    "unsupported_type": "The body is not `application/json` in UTF-8, or is compressed.",
    "range_not_satisfiable": "The range begins after the last byte; `Content-Range` says how many there are.",
    "bad_host": "The request is addressed to a host that this server is not.",
    "invalid_field": "A field is missing, of the wrong kind or out of its bounds; `field` names it.",
    "unknown_field": "There is no such field; `field` names it.",
    "not_provided": "The field is known and this version does not provide it.",
    "key_reused": "This `Idempotency-Key` came before, with another body or for another job.",
    "headers_too_large": "The address or a header is longer than the server's MAX_HEADER_BYTES, or there are over 100.",
    "conflict": "The state does not allow it; `expected` says what it is.",
    "stale_attempt": "The attempt is not this worker's, or not any more: end it and forget it.",
    "resume_first": "The server does not know yet that this worker holds the attempt: send a heartbeat that lists it.",
    "not_started": "The start of this attempt was not granted yet: ask for it in a heartbeat.",
    "not_registered": "This worker has never registered here: `POST /api/workers/register` comes first.",
    "output_missing": "Output before the result is missing; `expected` says from where to send it again.",
    "output_gap": "Output before this piece is missing; `expected` says from where to send it again.",
    "output_differs": "The output that is stored is not the one that the result was made of.",
    "protocol_mismatch": "The two speak different protocols: update whichever is older.",
    "replaced": "A newer process of the same worker is connected.",
    "cloned": "Another machine or data folder has the identity of this worker, and is connected: one is a copy.",
    "too_many": "Too often; `Retry-After` says in how many seconds to come again.",
    "queue_full": "As many jobs of this user wait as may, or of as many kinds by what they need.",
    "overloaded": "More is under way than can be taken; come again after `Retry-After` seconds.",
    "store_away": "The store cannot be reached at the moment; come again after `Retry-After` seconds.",
    "draining": "The server is stopping; come again after `Retry-After` seconds.",
    "disk_full": "The server's disk has no room; nothing of the request was done.",
    "output_limit": "The job's output has reached what is stored of one job at most.",
}  # fmt: skip
"""Code → when it comes. What only the command line tells is not here, nor is `internal`, which no request may cause."""

ANY: tuple[str, ...] = (
    "bad_request", "unauthorized", "forbidden", "bad_host", "headers_too_large", "overloaded", "store_away",
)  # fmt: skip
"""Any request can be answered with these, also where everybody may ask: a bad credential is never overlooked."""

WITH_FIELDS: tuple[str, ...] = ("invalid_field", "unknown_field")
WITH_BODY: tuple[str, ...] = ("bad_json", "bad_origin", "timeout", "too_large", "unsupported_type")
