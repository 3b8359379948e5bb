-- register: write a worker's row; when it first came, that it was revoked, and what people gave it, stays
INSERT INTO workers (worker_id, session, registered_at, seen_at, revoked, lost, given, doc)
VALUES (?, ?, ?, ?, ?, 0, ?, ?)
ON CONFLICT (worker_id) DO UPDATE SET
    session = excluded.session, seen_at = excluded.seen_at, revoked = max(revoked, excluded.revoked), lost = 0,
    doc = excluded.doc;

-- get: one worker
SELECT registered_at, seen_at, revoked, lost, given, doc FROM workers WHERE worker_id = ?;

-- all: a page of workers
SELECT registered_at, seen_at, revoked, lost, given, doc FROM workers WHERE worker_id > ? ORDER BY worker_id LIMIT ?;

-- not_lost: whose leases are running
SELECT worker_id FROM workers WHERE lost = 0;

-- found: a worker thought lost is alive
UPDATE workers SET lost = 0 WHERE worker_id = ?;

-- lost: the lease of a session is over
UPDATE workers SET lost = 1 WHERE worker_id = ? AND session = ?;

-- seen: when it was last heard of
UPDATE workers SET seen_at = ? WHERE worker_id = ?;

-- revoke: it may do nothing any more
UPDATE workers SET revoked = 1, given = ? WHERE worker_id = ?;

-- give: what people want of it
UPDATE workers SET given = ? WHERE worker_id = ?;

-- longest: the longest lease that may still run when the store is opened
SELECT longest_ms FROM lease WHERE id = 1;

-- grant: from now on no lease is longer
INSERT INTO lease (id, longest_ms) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET longest_ms = excluded.longest_ms;
