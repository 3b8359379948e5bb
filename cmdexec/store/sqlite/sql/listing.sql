-- last: the number of the newest job
SELECT max(seq) FROM jobs;

-- within: the first and last number of the jobs of some time, and how many there are, or more than that
SELECT min(seq), max(seq), count(*)
FROM (SELECT seq FROM jobs WHERE seq > 0 AND created_at >= ?1 AND created_at < ?2 LIMIT ?3);

-- newest_first_within: jobs of some time that are before one, as (moment, number)
SELECT seq, status, created_at, doc FROM jobs
WHERE seq > 0 AND created_at >= ?1 AND created_at <= ?2 AND (created_at, seq) < (?3, ?4)
ORDER BY created_at DESC, seq DESC;

-- oldest_first_within: jobs of some time that are after one, as (moment, number)
SELECT seq, status, created_at, doc FROM jobs
WHERE seq > 0 AND created_at >= ?1 AND created_at <= ?2 AND (created_at, seq) > (?3, ?4)
ORDER BY created_at, seq;

-- newest_first: jobs between two numbers
SELECT seq, status, created_at, doc FROM jobs WHERE seq > ?1 AND seq < ?2 ORDER BY seq DESC;

-- oldest_first: jobs between two numbers
SELECT seq, status, created_at, doc FROM jobs WHERE seq > ?1 AND seq < ?2 ORDER BY seq;

-- newest_first_of_status: jobs of one status between two numbers
SELECT seq, status, created_at, doc FROM jobs WHERE status = ?3 AND seq > 0 AND seq > ?1 AND seq < ?2 ORDER BY seq DESC;

-- oldest_first_of_status: jobs of one status between two numbers
SELECT seq, status, created_at, doc FROM jobs WHERE status = ?3 AND seq > 0 AND seq > ?1 AND seq < ?2 ORDER BY seq;

-- newest_first_tagged: the numbers of jobs with a tag, between two numbers
SELECT job FROM words WHERE word = ?3 AND kind = 1 AND job > ?1 AND job < ?2 ORDER BY job DESC;

-- oldest_first_tagged: the numbers of jobs with a tag, between two numbers
SELECT job FROM words WHERE word = ?3 AND kind = 1 AND job > ?1 AND job < ?2 ORDER BY job;

-- by_seq: one job
SELECT seq, status, created_at, doc FROM jobs WHERE seq = ?;

-- words_beginning: jobs whose name or tag begins so
SELECT job FROM words WHERE word >= ?1 AND word < ?2 LIMIT ?3;

-- ids_beginning: jobs whose id begins so
SELECT seq FROM jobs WHERE job_id >= ?1 AND job_id < ?2 LIMIT ?3;

-- words_containing: jobs of a number above that whose name or tag contains it
SELECT job FROM words WHERE job > ?1 AND instr(word, ?2) > 0;

-- ids_containing: jobs of a number above that whose id contains it, among those of that id and later ones
SELECT seq FROM jobs WHERE job_id >= ?1 AND seq > ?2 AND instr(job_id, ?3) > 0;

-- id_at: the id of the first job of that number or above
SELECT job_id FROM jobs WHERE seq >= ? ORDER BY seq LIMIT 1;

-- add_word: what a job is called
INSERT INTO words (word, kind, job) SELECT ?, ?, seq FROM jobs WHERE job_id = ?;
