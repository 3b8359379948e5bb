-- insert: a new job
INSERT INTO jobs (
    job_id, doc, created_at,
    rev, status, due_at, expires_at, unknown_at, klass, rank, avoid, holder, claim_id, assigned_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- insert_run: new jobs that are the same in all columns but two, as a list of values: an id of so many characters, a doc
INSERT INTO jobs (
    job_id, doc, created_at,
    rev, status, due_at, expires_at, unknown_at, klass, rank, avoid, holder, claim_id, assigned_at
) SELECT CAST(substr(value, 1, ?1) AS TEXT), substr(value, ?1 + 1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
FROM carray(?14);

-- add_submission: a key, how many jobs are about to be added before its own, and how many those are
INSERT INTO submissions (submit_key, created_at, seq, jobs)
VALUES (?, ?, (SELECT coalesce(max(seq), 0) FROM jobs) + 1 + ?, ?);

-- by_id: one job
SELECT doc FROM jobs WHERE job_id = ?;

-- by_submit_key: the jobs that came with this key
SELECT doc FROM submissions CROSS JOIN jobs
WHERE submit_key = ? AND jobs.seq >= submissions.seq AND jobs.seq < submissions.seq + submissions.jobs ORDER BY jobs.seq;

-- claimed: what a claim has taken before
SELECT doc FROM jobs WHERE claim_id = ? ORDER BY seq;

-- claimable: the jobs of a class in the order in which they are claimed
SELECT rank, seq, avoid FROM jobs WHERE status = 'queued' AND klass = ? ORDER BY rank, seq;

-- by_seq: one job by its number
SELECT doc FROM jobs WHERE seq = ?;

-- written: what a conditional write compares
SELECT seq, rev, change_id, status, klass, rank, avoid, holder, claim_id, assigned_at FROM jobs WHERE job_id = ?;

-- update: a job as a change leaves it
UPDATE jobs SET
    change_id = ?, rev = ?, status = ?, due_at = ?, expires_at = ?, unknown_at = ?, doc = ?,
    klass = ?, rank = ?, avoid = ?, holder = ?, claim_id = ?, assigned_at = ?
WHERE seq = ?;

-- move: a job as a change leaves it that touches neither its place in the queue nor who holds it
UPDATE jobs SET change_id = ?, rev = ?, status = ?, due_at = ?, expires_at = ?, unknown_at = ?, doc = ? WHERE seq = ?;

-- held_by: what a worker holds
SELECT doc FROM jobs
WHERE holder = ? AND job_id > ? ORDER BY job_id LIMIT ?;

-- assigned_elsewhere: assigned to another worker, longest ago first
SELECT doc FROM jobs WHERE status = 'assigned' AND assigned_at <= ? AND holder <> ? ORDER BY assigned_at, seq LIMIT ?;

-- due: scheduled, and its time has come
SELECT doc FROM jobs WHERE status = 'scheduled' AND due_at <= ? ORDER BY due_at LIMIT ?;

-- expired: waited too long
SELECT doc FROM jobs WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?;

-- lost: unknown for too long
SELECT doc FROM jobs WHERE status = 'unknown' AND unknown_at < ? ORDER BY unknown_at LIMIT ?;

-- forget_submit_keys: free the keys of old submissions
DELETE FROM submissions WHERE submit_key IN (
    SELECT submit_key FROM submissions WHERE created_at < ? ORDER BY created_at LIMIT ?
);
