-- insert: a new job
INSERT INTO jobs (
    job_id, owner, submit_key, created_at,
    rev, status, due_at, expires_at, unknown_at, doc, klass, rank, avoid, holder, claim_id, assigned_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- by_id: one job
SELECT doc FROM jobs WHERE job_id = ?;

-- by_submit_key: the job that came with this key
SELECT doc FROM jobs WHERE submit_key = ?;

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

-- forget_submit_keys: free the keys of old jobs
UPDATE jobs SET submit_key = NULL WHERE seq IN (
    SELECT seq FROM jobs WHERE submit_key IS NOT NULL AND created_at < ? ORDER BY created_at LIMIT ?
);
