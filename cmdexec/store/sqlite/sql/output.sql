-- seq_of: the number of a job
SELECT seq FROM jobs WHERE job_id = ?;

-- open: make the row of an attempt, or open it again with the output it has
INSERT INTO outputs (job, attempt, session, open, stdout, stderr) VALUES (?, ?, ?, 1, 0, 0)
ON CONFLICT (job, attempt) DO UPDATE SET session = excluded.session, open = 1;

-- close: nothing more is appended
UPDATE outputs SET open = 0 WHERE job = ? AND attempt = ?;

-- row: who may append, and how far each stream has come
SELECT session, open, stdout, stderr FROM outputs WHERE job = ? AND attempt = ?;

-- advance: how far each stream has come now, and whether more is taken
UPDATE outputs SET stdout = ?, stderr = ?, open = ? WHERE job = ? AND attempt = ?;

-- add: one piece
INSERT INTO chunks (job, attempt, stream, start, data) VALUES (?, ?, ?, ?, ?);

-- holding: where the piece begins that holds an offset
SELECT start FROM chunks WHERE job = ? AND attempt = ? AND stream = ? AND start <= ? ORDER BY start DESC LIMIT 1;

-- pieces: the bytes between two offsets, of each piece only the part between them, and where that begins
SELECT max(start, ?1), substr(data, max(?1 - start, 0) + 1, ?2 - max(start, ?1)) FROM chunks
WHERE job = ?3 AND attempt = ?4 AND stream = ?5 AND start >= ?6 AND start < ?2
ORDER BY start;
