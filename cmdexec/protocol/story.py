"""What the list of operations cannot say by itself: how to use several of them together."""

SIMPLEST_WORKER = (
    "A worker needs no WebSocket and no library of ours. Each of its calls carries the header `x-worker-token`: its own"
    " credential, or a JWT (HS256) that it signed with WORKER_TOKEN_SECRET, with the claims `workerId`, `iat` and `exp`"
    " (at most 24 hours later). `docs/examples/worker.py` in the source is such a worker, with Python's standard"
    " library alone.",
    "1. `POST /api/workers/register` with `{workerId, slots}`: who it is. It learns `heartbeatSec` and `leaseSec`.",
    "2. `POST /api/workers/heartbeat` every `heartbeatSec` with `{jobs: [{jobId, attempt}]}`, all that it runs: that"
    " keeps its lease. What comes in `stop` is to be ended.",
    "3. `GET /api/jobs/get-job?wait=30&max=1`: it waits up to 30 seconds for a job. 200 gives `jobs`, which it may"
    " start at once; 204 means that there was none: ask again.",
    "4. `POST /api/jobs/stream-output` with `{jobId, attempt, chunks: [{stream, offset, data}]}` while the job writes;"
    " `data` is base64. What is `acknowledged` is on disk. After a break, send again from there.",
    "5. `GET /api/jobs/check-cancel?jobId=…&attempt=…` now and then, if heartbeats are too rare for you: `stop` says"
    " whether to end the job.",
    "6. `POST /api/jobs/submit-result` with `{jobId, attempt, exitCode, output: {stdout: {bytes}, stderr: {bytes}}}`:"
    " accepted once. On 409 `output_missing`, send what `expected` says is missing, and the result again.",
)
"""The six calls of a worker that knows nothing but this, and what comes before them."""

SOCKETS = (
    "`/ws` of the server's port is a WebSocket for workers (with WS_PORT set, `/` of that port is the same). The"
    " subprotocol is `cmdexec.v1`; naming none means that one. The credential comes with the upgrade, as"
    " `x-worker-token`. Without one the socket opens, says what to send in a frame `error`, and closes with 4401.",
    'A text message is one frame or a list of frames. `{"op", "id"?, "items": […]}` asks or tells;'
    ' `{"re": id, "items": […]}` answers, item by item, with what the operation answers or with `{code, message,'
    " field?, mend?}`. A binary message is output: the length of its header (4 bytes, big-endian), the header as JSON"
    " (`jobId`, `attempt`, `stream`, `offset`, `seq`), the bytes.",
    "The first frame is `register`, the next `heartbeat` with the complete list of what the worker holds. A server's"
    " frame that is not in the list below is sent only to a worker that named it in `register`.",
)
"""How the same operations are reached by a socket."""

REFUSALS = (
    "What is not done is answered with `{error: {code, message, field?, mend?, expected?}}` and nothing else: `code` is"
    " for programs, `message` and `mend` are for people. Any operation can meet the codes of the statuses 400, 401,"
    " 403, 408, 413, 415, 421, 422, 431 and 503; those that only some can meet are told there as well. An answer with"
    " `Retry-After` asks to send the same request again after so many seconds; else that would change nothing."
)
"""What holds for every refusal."""
