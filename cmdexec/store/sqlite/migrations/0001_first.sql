-- Jobs. `doc` is the whole job; the other columns repeat of it what queries ask for. Times are milliseconds.
-- `holder` is the worker while it holds the job: assigned, running or unknown.
-- `seq` numbers the jobs as they came, and is what output rows and chunks name.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    change_id TEXT,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    klass TEXT NOT NULL,
    rank INTEGER NOT NULL,
    avoid TEXT,
    holder TEXT,
    claim_id TEXT,
    assigned_at INTEGER,
    due_at INTEGER,
    expires_at INTEGER,
    unknown_at INTEGER,
    doc BLOB NOT NULL
);
CREATE UNIQUE INDEX jobs_by_id ON jobs (job_id);
-- `avoid` is in it, so that a claim can pass over jobs that avoid its worker without reading them.
CREATE INDEX jobs_queued ON jobs (klass, rank, seq, avoid) WHERE status = 'queued';
CREATE INDEX jobs_assigned ON jobs (assigned_at, seq, holder) WHERE status = 'assigned';
CREATE INDEX jobs_held ON jobs (holder, job_id) WHERE holder IS NOT NULL;
CREATE INDEX jobs_by_claim ON jobs (claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX jobs_due ON jobs (due_at) WHERE status = 'scheduled';
CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_unknown ON jobs (unknown_at) WHERE status = 'unknown';
-- For lists alone: they say `seq > 0`, and no other query is led astray to it.
CREATE INDEX jobs_by_status ON jobs (status) WHERE seq > 0;
CREATE INDEX jobs_by_moment ON jobs (created_at) WHERE seq > 0;

-- What a submission was called by whoever sent it: its jobs are those of the numbers from `seq` on.
CREATE TABLE submissions (
    submit_key TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    jobs INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX submissions_by_moment ON submissions (created_at);

-- What people call a job: its name (kind 0) and its tags (kind 1), folded. Written with the job, never changed.
CREATE TABLE words (
    word TEXT NOT NULL,
    kind INTEGER NOT NULL,
    job INTEGER NOT NULL,
    PRIMARY KEY (word, kind, job)
) WITHOUT ROWID;
CREATE INDEX words_of ON words (job);

-- How many jobs each owner has in each status: counted once for each commit, never by walking the jobs.
CREATE TABLE tally (
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (owner, status)
) WITHOUT ROWID;

-- What waits, class by class: how many jobs of a class are queued, and what each of them needs. Counted like the tally.
CREATE TABLE classes (
    klass TEXT NOT NULL PRIMARY KEY,
    jobs INTEGER NOT NULL,
    needs BLOB NOT NULL
) WITHOUT ROWID;

-- Output: for each attempt who may append and how far each stream (0 stdout, 1 stderr) has come, and the bytes in pieces.
CREATE TABLE outputs (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    session TEXT NOT NULL,
    open INTEGER NOT NULL,
    stdout INTEGER NOT NULL,
    stderr INTEGER NOT NULL,
    PRIMARY KEY (job, attempt)
) WITHOUT ROWID;
CREATE TABLE chunks (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    start INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (job, attempt, stream, start)
) WITHOUT ROWID;

CREATE TABLE workers (
    worker_id TEXT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    given BLOB NOT NULL,
    doc BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
    user_id TEXT NOT NULL PRIMARY KEY,
    email_folded TEXT NOT NULL UNIQUE,
    doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (
    jti TEXT NOT NULL PRIMARY KEY,
    cookie_hash TEXT,
    expires_at INTEGER NOT NULL,
    doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_by_cookie ON sessions (cookie_hash) WHERE cookie_hash IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE TABLE credentials (
    secret_hash TEXT NOT NULL PRIMARY KEY,
    worker_id TEXT NOT NULL,
    joined_with TEXT,
    doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX credentials_by_worker ON credentials (worker_id);
CREATE INDEX credentials_by_join_token ON credentials (joined_with, worker_id) WHERE joined_with IS NOT NULL;
CREATE TABLE join_tokens (
    join_token_id TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    doc BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX join_tokens_by_end ON join_tokens (expires_at);

-- One row, written to see whether writing works.
CREATE TABLE pulse (id INTEGER PRIMARY KEY CHECK (id = 1), beats INTEGER NOT NULL);
INSERT INTO pulse VALUES (1, 0);
