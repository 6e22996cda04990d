-- A mail of which nobody knows whether it was taken, and what may be repeated of it (delivery §1.5).

-- When the row was last handed over; `doubted_at`, when it first was without anybody knowing whether
-- it was taken: NULL unless it waits for another try after that.
ALTER TABLE outbox ADD COLUMN submitted_at INTEGER;
ALTER TABLE outbox ADD COLUMN doubted_at INTEGER;

-- What operators did, and with which key.
CREATE TABLE operations (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    op TEXT NOT NULL,
    about TEXT NOT NULL,
    reason TEXT NOT NULL
);

-- Where customers are written to, folded, so that an operator finds them by it.
CREATE TABLE addresses (
    customer_id TEXT PRIMARY KEY,
    partition INTEGER NOT NULL,
    email TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX addresses_email ON addresses (email, customer_id);

-- The oldest ends first: they are forgotten after some months.
CREATE INDEX outbox_ended ON outbox (settled_at, arrival)
    WHERE settled_at IS NOT NULL AND reported = 1;
