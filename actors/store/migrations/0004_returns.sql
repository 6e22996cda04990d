-- Suppressions that end. A scope has a row of its own: when the wider one ends, the other stands.

-- `expires` is NULL where it is for good.
CREATE TABLE bans (
    address TEXT NOT NULL,
    rank INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    expires INTEGER,
    PRIMARY KEY (address, rank)
) WITHOUT ROWID;
INSERT INTO bans SELECT address, rank, reason, at, NULL FROM suppressions;
DROP TABLE suppressions;
ALTER TABLE bans RENAME TO suppressions;
CREATE INDEX suppressions_ending ON suppressions (expires) WHERE expires IS NOT NULL;
