-- add: what changed in one commit
INSERT INTO tally (owner, status, jobs) VALUES (?, ?, ?)
ON CONFLICT (owner, status) DO UPDATE SET jobs = jobs + excluded.jobs;

-- all: how many jobs there are of each status, by owner
SELECT status, jobs FROM tally;

-- waiting_of: how many of an owner's jobs wait
SELECT coalesce(sum(jobs), 0) FROM tally WHERE owner = ? AND status IN ('scheduled', 'queued');
