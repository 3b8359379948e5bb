"""What the list of operations cannot say by itself: how to use several of them together."""

SIMPLEST_WORKER = (
    "A worker needs no WebSocket and no library of ours. Each of its calls carries the header `x-worker-token`: a JWT"
    " (HS256) that it signed with WORKER_TOKEN_SECRET, with the claims `workerId`, `iat` and `exp` (at most 24 hours"
    " later); a server with `CMDEXEC_ENV=production` takes those only if ALLOW_SHARED_WORKER_SECRET is set. Or it is a"
    " credential of its own, which this version makes for the one worker that a server runs by itself."
    " `docs/examples/worker.py` in the source is such a worker, with Python's standard library alone.",
    "1. `POST /api/workers/register` with `{workerId, slots}`: who it is. It learns `heartbeatSec` and `leaseSec`.",
    "2. `POST /api/workers/heartbeat` every `heartbeatSec` with `{jobs: [{jobId, attempt}]}`, all that it runs: that"
    " keeps its lease. What comes in `stop` is to be ended.",
    "3. `GET /api/jobs/get-job?wait=30&max=1`: it waits up to 30 seconds for a job. 200 gives `jobs`, which it may"
    " start at once; 204 means that there was none: ask again. The worker gives the job a clean environment: `env`,"
    " then `CMDEXEC_JOB_ID` and `CMDEXEC_ATTEMPT` as this attempt has them, what programs need (`PATH`, `HOME`), and no"
    " secret of its own. It is the worker that sees to `timeoutSec`, and ends what takes longer with the reason"
    " `timeout`; to `killGraceSec`, the seconds between TERM and KILL (null: as many as it likes); and to `cpu` and"
    " `ramMb`, which come only to a worker that named `limits` in its `register`. The server ends no process.",
    "4. `POST /api/jobs/stream-output` with `{jobId, attempt, chunks: [{stream, offset, data}]}` while the job writes;"
    " `data` is base64. What is `acknowledged` is on disk. After a break, send again from there.",
    "5. `GET /api/jobs/check-cancel?jobId=…&attempt=…` now and then, if heartbeats are too rare for you: `stop` says"
    " whether to end the job.",
    "6. `POST /api/jobs/submit-result` with `{jobId, attempt, exitCode, output: {stdout: {bytes}, stderr: {bytes}}}`,"
    " or `signal` in place of `exitCode`: accepted once. What you ended says why, whatever its exit code is: `reason:"
    ' "cancelled"` or `"timeout"`. Without it a job that was cancelled and ends with 143 has failed. On 409'
    " `output_missing`, send what `expected` says is missing, and the result again.",
)
"""The six calls of a worker that knows nothing but this, and what comes before them."""

SOCKETS = (
    "`/ws` of the server's port is a WebSocket (with WS_PORT set, `/` of that port is the same, but no browser's cookie"
    " counts there): workers work by it, people watch. The subprotocol is `cmdexec.v1`; naming none means that one. The"
    " credential comes with the upgrade:"
    " a worker's as `x-worker-token`, a user's as `Authorization: Bearer …` or a browser's cookie. Without one the"
    " socket opens, says what to send in a frame `error`, and closes with 4401.",
    'A text message is one frame or a list of frames. `{"op", "id"?, "items": […]}` asks or tells;'
    ' `{"re": id, "items": […]}` answers the frame that had this `id`, a whole number of your choice, item by item and'
    " in their order; a frame without `id` is not answered. What cannot be met is answered, in the item's place, with"
    " `{code, message, field?, mend?, retryAfterSec?}`. A binary message is output: the length of its header (4 bytes,"
    " big-endian), the header as JSON (`jobId`, `attempt`, `stream`, `offset`, `seq`), the bytes.",
    "A field whose value is its default is left out, also where the same is there over HTTP: absent means the default,"
    " null where none is told.",
    "A worker's first frame is `register`, said once and with one item, within UPGRADE_TIMEOUT_SEC; the next"
    " `heartbeat` with the complete list of what the worker holds. A job that is assigned is started when `start`"
    " was answered with `go`. A server's frame that is not in the list below is sent only to a worker that named it in"
    " `register`; but for `error`, with one item of `{code, message, field?, mend?}`, which says why the socket is"
    " closed next.",
)
"""How the same operations are reached by a socket."""

WATCHING = (
    "A user's socket tells what changes, so that nobody has to ask again and again. What is watched is told at once as"
    " it stands, then with each change: the newest state alone where changes come faster than they are read. The socket"
    " is good for as long as its login is, and one that does not read is closed with 4408. After a break, watch again:"
    " how things stand comes first. Whoever only waits for jobs says `until` `ended`: of each its end is told, once,"
    " and then it is watched no more. Whoever runs one job after the other submits it here as well: that is one message"
    " there and one back for what else is a request and a watch. One that was not answered when the socket broke may"
    " be stored or not: it is sent again, here or as a request, with its key."
)
"""What a person's socket is for."""

WATCHED: dict[str, str] = {
    "job": "A watched job, whole, the moment it changes.",
    "jobs": "Rows of jobs that changed, up to ten times a second: first those of the newest jobs. A list that shows"
            " less than all passes over what it does not show.",
    "workers": "Workers that came, went or changed; first all of them.",
}  # fmt: skip
"""A server's frame to people → what it means."""

CLOSES: tuple[tuple[int, str], ...] = (
    (1000, "Nothing more is to be said."),
    (1001, "The server is stopping, cannot go on now, or has another connection of this process: connect again, after"
           " the seconds that `drain` told, if it did."),
    (1006, "The connection broke, without a word: connect again."),
    (1011, "A fault of the server; its log has the cause. Connect again after a while."),
    (4400, "A frame was not what it must be; `error` before it says what. Mend the program: again it ends the same."),
    (4401, "No credential came with the upgrade, or the login has ended: log in, and connect again with what you"
           " get."),
    (4403, "This credential may not do this: it is another worker's, or was revoked. Do not come again"
           " with it."),
    (4408, "Too slow: a worker's `register` did not come in time, or what was sent was not read. Connect again."),
    (4409, "Another process of this worker has taken its place: end. Two of them would take turns for ever."),
    (4413, "A message was larger than `maxFrameBytes`: connect again, and send less at once."),
)  # fmt: skip
"""Code of a closed socket → why, and what to do. Codes from 4400 on are ours, the others those of RFC 6455."""

REFUSALS = (
    "What is not done is answered with `{error: {code, message, field?, mend?, expected?}}` and nothing else: `code` is"
    " for programs, `message` and `mend` are for people. Any operation can meet the codes of the statuses 400, 401,"
    " 403, 408, 413, 415, 421, 422, 431 and 503; those that only some can meet are told there as well. An answer with"
    " `Retry-After` asks to send the same request again after so many seconds; else that would change nothing."
)
"""What holds for every refusal."""
