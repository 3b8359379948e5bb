-- user_insert: a new user
INSERT INTO users (user_id, email_folded, doc) VALUES (?, ?, ?) ON CONFLICT (email_folded) DO NOTHING;

-- user_by_email: the user with that address, folded
SELECT doc FROM users WHERE email_folded = ?;

-- user_get: one user
SELECT doc FROM users WHERE user_id = ?;

-- user_any: a row if there is any user
SELECT 1 FROM users LIMIT 1;

-- user_page: the users after an id
SELECT doc FROM users WHERE user_id > ? ORDER BY user_id LIMIT ?;

-- user_others: all users but one
SELECT doc FROM users WHERE user_id <> ?;

-- user_update: a user as changed
UPDATE users SET doc = ? WHERE user_id = ?;

-- session_insert: a new login
INSERT INTO sessions (jti, cookie_hash, expires_at, doc) VALUES (?, ?, ?, ?);

-- session_get: one login
SELECT doc FROM sessions WHERE jti = ?;

-- session_by_cookie: the login of a browser
SELECT doc FROM sessions WHERE cookie_hash = ?;

-- session_update: a login as changed
UPDATE sessions SET doc = ? WHERE jti = ?;

-- session_forget: delete what ended long ago
DELETE FROM sessions WHERE jti IN (SELECT jti FROM sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?);

-- credential_insert: a new credential
INSERT INTO credentials (secret_hash, worker_id, joined_with, doc) VALUES (?, ?, ?, ?);

-- credential_get: one credential
SELECT doc FROM credentials WHERE secret_hash = ?;

-- credential_of: all of a worker
SELECT secret_hash, doc FROM credentials WHERE worker_id = ?;

-- credential_update: a credential as changed
UPDATE credentials SET doc = ? WHERE secret_hash = ?;

-- credential_joined: the workers that joined with a token
SELECT worker_id FROM credentials WHERE joined_with = ? ORDER BY worker_id LIMIT ?;

-- join_token_insert: a new join token
INSERT INTO join_tokens (join_token_id, secret_hash, expires_at, doc) VALUES (?, ?, ?, ?);

-- join_token_get: one join token
SELECT doc FROM join_tokens WHERE join_token_id = ?;

-- join_token_by_secret: the join token that was shown
SELECT doc FROM join_tokens WHERE secret_hash = ?;

-- join_token_page: the join tokens after an id
SELECT doc FROM join_tokens WHERE join_token_id > ? ORDER BY join_token_id LIMIT ?;

-- join_token_update: a join token as changed
UPDATE join_tokens SET doc = ? WHERE join_token_id = ?;

-- join_token_forget: delete what expired long ago
DELETE FROM join_tokens WHERE join_token_id IN
    (SELECT join_token_id FROM join_tokens WHERE expires_at < ? ORDER BY expires_at LIMIT ?);
