-- add: what came or went in one commit
INSERT INTO classes (klass, jobs, needs) VALUES (?, ?, ?)
ON CONFLICT (klass) DO UPDATE SET jobs = jobs + excluded.jobs;

-- forget: nothing of it waits any more
DELETE FROM classes WHERE klass = ? AND jobs <= 0;

-- get: one class, and where its first job stands
SELECT klass, needs, jobs,
    (SELECT rank FROM jobs WHERE status = 'queued' AND jobs.klass = classes.klass ORDER BY rank, seq LIMIT 1)
FROM classes WHERE klass = ?;

-- all: a page of classes
SELECT klass, needs, jobs,
    (SELECT rank FROM jobs WHERE status = 'queued' AND jobs.klass = classes.klass ORDER BY rank, seq LIMIT 1)
FROM classes WHERE klass > ? ORDER BY klass LIMIT ?;

-- front: those of a class that come first
SELECT job_id FROM jobs WHERE status = 'queued' AND klass = ? ORDER BY rank, seq LIMIT ?;
