-- Numbers: who stands where, what became of mails and what they led to, counted as it happens.

-- Sums about the mails of a step that were decided on in a month, UTC. What is forgotten or erased
-- stays counted: no row names anybody.
CREATE TABLE counts (
    month TEXT NOT NULL,
    programme TEXT NOT NULL,
    step TEXT NOT NULL,
    what TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (month, programme, step, what)
) WITHOUT ROWID;

-- The same of all months together: a page reads as much after ten years as after one.
CREATE TABLE count_totals (
    programme TEXT NOT NULL,
    step TEXT NOT NULL,
    what TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (programme, step, what)
) WITHOUT ROWID;

CREATE TRIGGER counts_begin AFTER INSERT ON counts BEGIN
    INSERT INTO count_totals VALUES (new.programme, new.step, new.what, new.count)
        ON CONFLICT DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER counts_change AFTER UPDATE OF count ON counts BEGIN
    UPDATE count_totals SET count = count + new.count - old.count
    WHERE programme = new.programme AND step = new.step AND what = new.what;
END;

-- May the opens and clicks of a mail be seen? `opens` is NULL for those of an older release, which
-- are not counted. `seen` has a bit for each sort of hit that there was: 1, 2, 4 it was opened by a
-- person, a machine, who knows; 8, 16, 32 so clicked.
ALTER TABLE outbox ADD COLUMN opens INTEGER;
ALTER TABLE outbox ADD COLUMN clicks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER outbox_decided AFTER INSERT ON outbox WHEN new.opens NOT NULL BEGIN
    INSERT INTO counts VALUES (
        strftime('%Y-%m', new.at / 1000, 'unixepoch'), new.programme, new.step, 'decided', 1
    ) ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER outbox_ended AFTER UPDATE OF settled_at ON outbox
WHEN new.settled_at NOT NULL AND old.settled_at IS NULL AND new.opens NOT NULL BEGIN
    INSERT INTO counts
    SELECT strftime('%Y-%m', new.at / 1000, 'unixepoch'), new.programme, new.step, name, 1 FROM (
        SELECT new.state AS name
        UNION ALL SELECT 'opens' WHERE new.opens AND new.state LIKE 'accepted%'
        UNION ALL SELECT 'clicks' WHERE new.clicks AND new.state LIKE 'accepted%'
    ) WHERE true ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- An operator queued it again: it has not ended yet.
CREATE TRIGGER outbox_again AFTER UPDATE OF settled_at ON outbox
WHEN new.settled_at IS NULL AND old.settled_at NOT NULL AND new.opens NOT NULL BEGIN
    UPDATE counts SET count = count - 1
    WHERE month = strftime('%Y-%m', new.at / 1000, 'unixepoch') AND programme = new.programme
        AND step = new.step AND what = old.state;
END;

CREATE TRIGGER hits_seen AFTER UPDATE OF verdict ON hits
WHEN old.verdict IS NULL AND new.deed IN ('opened', 'clicked') BEGIN
    UPDATE outbox SET seen = seen | (
        CASE new.verdict WHEN 'human' THEN 1 WHEN 'machine' THEN 2 ELSE 4 END
        << CASE new.deed WHEN 'clicked' THEN 3 ELSE 0 END
    ) WHERE mail_id = new.mail_id AND opens NOT NULL;
END;

CREATE TRIGGER outbox_seen AFTER UPDATE OF seen ON outbox WHEN new.seen <> old.seen BEGIN
    INSERT INTO counts
    SELECT strftime('%Y-%m', new.at / 1000, 'unixepoch'), new.programme, new.step, name, 1 FROM (
        SELECT 1 AS bit, 'opened human' AS name
        UNION ALL SELECT 2, 'opened machine'
        UNION ALL SELECT 4, 'opened unknown'
        UNION ALL SELECT 8, 'clicked human'
        UNION ALL SELECT 16, 'clicked machine'
        UNION ALL SELECT 32, 'clicked unknown'
    ) WHERE bit & new.seen & ~old.seen ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- Where each life stands: how often at a step of a programme, or, without a programme, in a tier.
CREATE TABLE stands (
    partition INTEGER NOT NULL,
    customer_id TEXT NOT NULL,
    programme TEXT NOT NULL,
    step TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (customer_id, programme, step)
) WITHOUT ROWID;

CREATE TABLE stand_totals (
    programme TEXT NOT NULL,
    step TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (programme, step)
) WITHOUT ROWID;

CREATE TRIGGER stands_begin AFTER INSERT ON stands BEGIN
    INSERT INTO stand_totals VALUES (new.programme, new.step, new.count)
        ON CONFLICT DO UPDATE SET count = count + excluded.count;
END;

CREATE TRIGGER stands_change AFTER UPDATE OF count ON stands BEGIN
    UPDATE stand_totals SET count = count + new.count - old.count
    WHERE programme = new.programme AND step = new.step;
END;

CREATE TRIGGER stands_end AFTER DELETE ON stands BEGIN
    UPDATE stand_totals SET count = count - old.count
    WHERE programme = old.programme AND step = old.step;
END;

-- The lives of an older release are counted once, behind the service that runs already.
INSERT INTO meta SELECT 'numbers:whole', 1 WHERE NOT EXISTS (SELECT 1 FROM journal);
