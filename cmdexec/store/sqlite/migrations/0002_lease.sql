-- One row: the longest lease that was granted over this store and may still run, kept before the first one is granted.
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), longest_ms INTEGER NOT NULL);
