-- What programmes about many customers ask; mails with secrets; erasure.

-- Who bought what. A rowid table, like the journal: 500 rows in 12 ms, 14 ms without rowids.
CREATE TABLE bought (
    partition INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (product_id, customer_id, order_id)
);
CREATE INDEX bought_customer ON bought (customer_id);
CREATE INDEX bought_order ON bought (order_id, product_id);

CREATE TABLE buyers (
    customer_id TEXT PRIMARY KEY,
    partition INTEGER NOT NULL,
    count INTEGER NOT NULL,
    total INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE cuts (
    version INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
);

-- `audience` is a JSON list of product ids.
CREATE TABLE broadcasts (
    broadcast_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    start INTEGER NOT NULL,
    audience TEXT NOT NULL,
    message BLOB NOT NULL,
    cursor TEXT NOT NULL,
    done INTEGER NOT NULL
);
CREATE INDEX broadcasts_open ON broadcasts (start, broadcast_id) WHERE done = 0;

CREATE TABLE spent (
    month TEXT NOT NULL,
    programme TEXT NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (month, programme)
) WITHOUT ROWID;

CREATE TABLE ratings (
    survey TEXT NOT NULL,
    week TEXT NOT NULL,
    score INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (survey, week, score)
) WITHOUT ROWID;

-- `rank` is the scope: 0 all, 1 marketing, 2 invitation.
CREATE TABLE suppressions (
    address TEXT PRIMARY KEY,
    rank INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- What remains of `mail` once the row is terminal; NULL where that is all of it.
ALTER TABLE outbox ADD COLUMN kept BLOB;

CREATE TRIGGER outbox_redacted AFTER UPDATE OF settled_at ON outbox
WHEN new.settled_at IS NOT NULL AND new.kept IS NOT NULL BEGIN
    UPDATE outbox SET mail = kept, kept = NULL WHERE arrival = new.arrival;
END;

CREATE TRIGGER outbox_leaves AFTER DELETE ON outbox BEGIN
    DELETE FROM bodies WHERE arrival = old.arrival;
    UPDATE queue_totals SET count = count - 1 WHERE state = old.state AND lane = old.lane;
END;

CREATE INDEX quarantine_customer ON quarantine (customer_id);

-- What an operator has stopped: a mail that any of these names stays queued until it is gone.
CREATE TABLE pauses (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

-- What a refusal says about the recipient (hard, soft, block), and the provider's own name for it.
ALTER TABLE outbox ADD COLUMN bounce TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN provider_id TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_provider ON outbox (provider_id) WHERE provider_id <> '';
