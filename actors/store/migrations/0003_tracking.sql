-- Where the links of a followed mail lead, and who fetched what of it (delivery §5).

CREATE TABLE links (
    mail_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    url TEXT NOT NULL,
    PRIMARY KEY (mail_id, place)
) WITHOUT ROWID;

-- Kept for 30 days; the verdict is NULL until it was given. A rating keeps neither agent nor network
-- after that: its sender has agreed to nothing but to answer.
CREATE TABLE hits (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    mail_id TEXT NOT NULL,
    deed TEXT NOT NULL,
    place INTEGER NOT NULL,
    at INTEGER NOT NULL,
    agent TEXT NOT NULL,
    network TEXT NOT NULL,
    prefetch INTEGER NOT NULL,
    verdict TEXT,
    reason TEXT,
    rules INTEGER
);
CREATE INDEX hits_waiting ON hits (at, arrival) WHERE verdict IS NULL;
CREATE INDEX hits_mail ON hits (mail_id, at);
CREATE INDEX hits_network ON hits (network, at) WHERE network <> '';
CREATE INDEX hits_at ON hits (at);

CREATE TRIGGER outbox_untracked AFTER DELETE ON outbox BEGIN
    DELETE FROM links WHERE mail_id = old.mail_id;
    DELETE FROM hits WHERE mail_id = old.mail_id;
END;
