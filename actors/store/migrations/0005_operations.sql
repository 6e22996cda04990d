-- A mail of which nobody knows whether it was taken, and what may be repeated of it (delivery §1.5).

-- When the row was last handed over; `doubted_at`, when it first was without anybody knowing whether
-- it was taken: NULL unless it waits for another try after that.
ALTER TABLE outbox ADD COLUMN submitted_at INTEGER;
ALTER TABLE outbox ADD COLUMN doubted_at INTEGER;
