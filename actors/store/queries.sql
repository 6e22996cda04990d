-- Every statement that the SQLite store runs, by name. `(:each)` stands for all of a list: the
-- store writes out as many as it binds.

-- name: load_snapshots
-- load: the turn loop wakes cold customers
WITH wanted (id) AS (VALUES (:each))
SELECT s.customer_id, s.seq, s.at, s.schema, s.state_hash, s.state
FROM wanted CROSS JOIN snapshots AS s ON s.customer_id = wanted.id;

-- name: load_journal
-- load: the facts since the older snapshot, all of them where there is none
WITH wanted (id) AS (VALUES (:each))
SELECT j.customer_id, j.seq, j.count, j.at, j.message, j.facts
FROM wanted CROSS JOIN journal AS j ON j.customer_id = wanted.id AND j.seq >= coalesce(
    (SELECT min(s.seq) FROM snapshots AS s WHERE s.customer_id = wanted.id), -1
);

-- name: load_holds
-- load: why a customer takes no turns
WITH wanted (id) AS (VALUES (:each))
SELECT h.customer_id, h.reason
FROM wanted CROSS JOIN holds AS h ON h.customer_id = wanted.id;

-- name: repeats
-- repeats: the turn loop asks which messages it has answered before
WITH wanted (id) AS (VALUES (:each))
SELECT d.key, d.answer FROM wanted CROSS JOIN dedupe AS d ON d.key = wanted.id;

-- name: insert_journal
-- commit
INSERT INTO journal (partition, customer_id, seq, count, at, message, facts)
VALUES (:partition, :customer_id, :seq, :count, :at, :message, :facts);

-- name: new_customers
-- commit: how many have no turn yet
WITH wanted (id) AS (VALUES (:each))
SELECT count(*) FROM wanted WHERE id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.customer_id = wanted.id);

-- name: add_totals
-- commit: counted as they come, because the journal is too long to count
UPDATE totals SET
    customers = customers + :customers, events = events + :events, facts = facts + :facts;

-- name: insert_snapshot
-- commit
INSERT OR REPLACE INTO snapshots (partition, customer_id, seq, at, schema, state_hash, state)
VALUES (:partition, :customer_id, :seq, :at, :schema, :state_hash, :state);

-- name: forget_snapshots
-- commit: two are kept (law 7)
DELETE FROM snapshots WHERE customer_id = :customer_id AND seq < (
    SELECT s.seq FROM snapshots AS s WHERE s.customer_id = :customer_id
    ORDER BY s.seq DESC LIMIT 1 OFFSET 1
);

-- name: set_alarm
-- commit: one row per customer (law 5)
INSERT INTO alarms (customer_id, due, partition) VALUES (:customer_id, :due, :partition)
ON CONFLICT (customer_id) DO UPDATE SET due = excluded.due;

-- name: clear_alarm
-- commit: nothing is waited for, or the customer is erased
DELETE FROM alarms WHERE customer_id = :customer_id;

-- name: enqueue
-- commit: the same decision never enqueues twice (law 4)
INSERT OR IGNORE INTO outbox
    (partition, mail_id, customer_id, kind, programme, step, lane, domain, at, due, not_after, mail,
     kept, opens, clicks)
VALUES
    (:partition, :mail_id, :customer_id, :kind, :programme, :step, :lane, :domain, :at, :due,
     :not_after, :mail, :kept, :opens, :clicks);

-- name: cancel
-- commit: what is being submitted can no longer be stopped, but it is not tried again
UPDATE outbox SET
    state = CASE state WHEN 'submitting' THEN state ELSE 'cancelled' END,
    response = CASE state WHEN 'submitting' THEN response ELSE :why END,
    epoch = CASE state WHEN 'submitting' THEN epoch END,
    settled_at = CASE state WHEN 'submitting' THEN settled_at ELSE :now END,
    unwanted = :why
WHERE mail_id = :mail_id AND state IN ('queued', 'held', 'leased', 'submitting');

-- name: set_reported
-- commit: the customer has heard what became of its mail
UPDATE outbox SET reported = 1 WHERE mail_id = :mail_id AND settled_at IS NOT NULL;

-- name: insert_dedupe
-- commit: the first answer stays
INSERT OR IGNORE INTO dedupe (key, partition, at, answer)
VALUES (:key, :partition, :at, :answer);

-- name: insert_quarantine
-- commit
INSERT INTO quarantine (partition, customer_id, at, message, traceback, version)
VALUES (:partition, :customer_id, :at, :message, :traceback, :version);

-- name: insert_hold
-- commit: a customer is held since the first reason
INSERT OR IGNORE INTO holds (customer_id, partition, at, reason)
VALUES (:customer_id, :partition, :at, :reason);

-- name: insert_tell
-- commit
INSERT OR IGNORE INTO tells (tell_id, partition, customer_id, at, message)
VALUES (:tell_id, :partition, :customer_id, :at, :message);

-- name: delete_tell
-- commit
DELETE FROM tells WHERE tell_id = :tell_id;

-- name: set_product
-- commit
INSERT INTO products (product_id, at, body) VALUES (:product_id, :at, :body)
ON CONFLICT (product_id) DO UPDATE SET at = excluded.at, body = excluded.body;

-- name: insert_bought
-- commit
INSERT OR IGNORE INTO bought (partition, product_id, customer_id, order_id, at)
VALUES (:partition, :product_id, :customer_id, :order_id, :at);

-- name: set_buyer
-- commit
INSERT OR REPLACE INTO buyers (partition, customer_id, count, total, first_at, last_at)
VALUES (:partition, :customer_id, :count, :total, :first_at, :last_at);

-- name: delete_buyer
-- commit
DELETE FROM buyers WHERE customer_id = :customer_id;

-- name: insert_broadcast
-- commit: a broadcast that is announced again goes on where it was
INSERT OR IGNORE INTO broadcasts (broadcast_id, at, start, audience, message, cursor, done)
VALUES (:broadcast_id, :at, :start, :audience, :message, :cursor, :done);

-- name: add_spent
-- commit
INSERT INTO spent (month, programme, cost) VALUES (:month, :programme, :cost)
ON CONFLICT (month, programme) DO UPDATE SET cost = cost + excluded.cost;

-- name: add_rating
-- commit
INSERT INTO ratings (survey, week, score, count) VALUES (:survey, :week, :score, 1)
ON CONFLICT (survey, week, score) DO UPDATE SET count = count + 1;

-- name: add_count
-- commit
INSERT INTO counts (month, programme, step, what, count)
VALUES (:month, :programme, :step, :what, :count)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- name: set_stand
-- commit; numbers.place
INSERT INTO stands (partition, customer_id, programme, step, count)
VALUES (:partition, :customer_id, :programme, :step, :count)
ON CONFLICT DO UPDATE SET count = excluded.count;

-- name: end_stand
-- commit
DELETE FROM stands WHERE customer_id = :customer_id AND programme = :programme AND step = :step;

-- name: end_stands
-- commit, where the customer is erased; numbers.place
DELETE FROM stands WHERE customer_id = :customer_id;

-- name: counted_since
-- numbers.since
SELECT value FROM meta WHERE name = 'numbers:since';

-- name: whole
-- numbers.whole
SELECT 1 FROM meta WHERE name = 'numbers:whole';

-- name: counts
-- numbers.counts: the console
SELECT '', programme, step, what, count FROM count_totals;

-- name: counts_of_month
-- numbers.counts: the console
SELECT month, programme, step, what, count FROM counts WHERE month = :month;

-- name: stand_totals
-- numbers.stands: the console
SELECT programme, step, count FROM stand_totals WHERE count <> 0;

-- name: lived_until
-- numbers.place: how far each of these lives has come
WITH wanted (id) AS (VALUES (:each))
SELECT wanted.id, (
    SELECT j.seq + j.count FROM journal AS j
    WHERE j.customer_id = wanted.id ORDER BY j.seq DESC LIMIT 1
) FROM wanted WHERE wanted.id NOT NULL;

-- name: suppress
-- commit: the longer one stands
INSERT INTO suppressions (address, rank, reason, at, expires)
VALUES (:address, :rank, :reason, :at, :expires)
ON CONFLICT (address, rank) DO UPDATE
SET reason = excluded.reason, at = excluded.at, expires = excluded.expires
WHERE expires IS NOT NULL AND (excluded.expires IS NULL OR excluded.expires >= expires);

-- name: erase_totals
-- commit, before the journal goes
UPDATE totals SET
    customers = totals.customers - min(gone.events, 1),
    events = totals.events - gone.events,
    facts = totals.facts - gone.facts
FROM (
    SELECT count(*) AS events, coalesce(sum(count), 0) AS facts
    FROM journal WHERE customer_id = :customer_id
) AS gone;

-- name: erase_journal
-- commit
DELETE FROM journal WHERE customer_id = :customer_id;

-- name: erase_snapshots
-- commit
DELETE FROM snapshots WHERE customer_id = :customer_id;

-- name: erase_quarantine
-- commit
DELETE FROM quarantine WHERE customer_id = :customer_id;

-- name: erase_tells
-- commit: a short table, it is walked
DELETE FROM tells WHERE customer_id = :customer_id;

-- name: erase_bought
-- commit
DELETE FROM bought WHERE customer_id = :customer_id;

-- name: count_erased
-- commit, before the mails go: those that had not ended never will
INSERT INTO counts
SELECT strftime('%Y-%m', at / 1000, 'unixepoch'), programme, step, 'erased', count(*)
FROM outbox WHERE customer_id = :customer_id AND settled_at IS NULL AND opens NOT NULL
GROUP BY 1, 2, 3 ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- name: erase_outbox
-- commit: a trigger takes the bodies along and counts
DELETE FROM outbox WHERE customer_id = :customer_id;

-- name: due
-- due: the alarm keeper
SELECT customer_id FROM alarms WHERE due <= :now ORDER BY due, customer_id LIMIT :limit;

-- name: next_alarm
-- next_alarm: the alarm keeper
SELECT min(due) FROM alarms;

-- name: free_leases
-- reclaim: the delivery actor at start-up; the former process is gone, for it held the lock
UPDATE outbox SET state = 'queued', epoch = NULL WHERE state = 'leased' AND epoch <> :epoch;

-- name: in_doubt
-- reclaim: rows of which nobody knows whether they went out
SELECT o.mail_id, o.customer_id, o.lane, o.domain, o.due, o.not_after, o.attempts, o.mail, b.body,
    coalesce(o.doubted_at, o.submitted_at)
FROM outbox AS o LEFT JOIN bodies AS b USING (arrival)
WHERE o.state = 'submitting' AND o.epoch <> :epoch ORDER BY o.lane, o.due, o.arrival;

-- name: claimable
-- claim: the delivery actor, lane by lane
SELECT o.mail_id, o.customer_id, o.lane, o.domain, o.due, o.not_after, o.attempts, o.mail, b.body,
    o.doubted_at
FROM outbox AS o INDEXED BY outbox_claim LEFT JOIN bodies AS b USING (arrival)
WHERE o.state = 'queued' AND o.lane = :lane AND o.due <= :now
    AND o.domain NOT IN (SELECT value FROM json_each(:skip))
    AND (:paused = '[]' OR o.programme NOT IN (SELECT value FROM json_each(:paused)))
ORDER BY o.due, o.arrival LIMIT :limit;

-- name: lease
-- claim
UPDATE outbox SET state = 'leased', epoch = :epoch WHERE mail_id = :mail_id;

-- name: leased
-- submitting: the others were cancelled meanwhile
WITH wanted (id) AS (VALUES (:each))
SELECT o.mail_id, o.arrival, o.epoch FROM wanted CROSS JOIN outbox AS o ON o.mail_id = wanted.id
WHERE o.state = 'leased';

-- name: set_submitting
-- submitting
UPDATE outbox SET state = 'submitting', submitted_at = :now WHERE arrival = :arrival;

-- name: set_body
-- submitting: a message is built once, so a retry finds its own bytes and writes nothing
INSERT INTO bodies (arrival, body) VALUES (:arrival, :body)
ON CONFLICT (arrival) DO UPDATE SET body = excluded.body WHERE body <> excluded.body;

-- name: settle
-- settle: a terminal row stays as it is; one that is not wanted any more is not tried again
UPDATE outbox SET
    state = CASE WHEN :settled_at IS NULL AND unwanted NOT NULL THEN 'cancelled' ELSE :state END,
    epoch = NULL,
    response = CASE WHEN :settled_at IS NULL AND unwanted NOT NULL THEN unwanted ELSE :response END,
    due = CASE WHEN :state = 'queued' THEN :due ELSE due END,
    attempts = CASE WHEN :state = 'queued' THEN :attempts ELSE max(attempts, :attempts) END,
    settled_at = CASE WHEN unwanted NOT NULL THEN :now ELSE :settled_at END,
    bounce = :bounce,
    doubted_at = coalesce(doubted_at, :doubted_at),
    provider_id = CASE WHEN :provider_id = '' THEN provider_id ELSE :provider_id END
WHERE mail_id = :mail_id AND settled_at IS NULL;

-- name: next_send
-- next_send: the delivery actor
SELECT min((
    SELECT o.due FROM outbox AS o INDEXED BY outbox_claim
    WHERE o.state = 'queued' AND o.lane = wanted.value
        AND o.domain NOT IN (SELECT value FROM json_each(:skip))
        AND (:paused = '[]' OR o.programme NOT IN (SELECT value FROM json_each(:paused)))
    ORDER BY o.due LIMIT 1
)) FROM json_each(:lanes) AS wanted;

-- name: pauses
-- pauses: delivery, once at the start; the console
SELECT scope, name, reason, at FROM pauses ORDER BY at, scope, name;

-- name: pause
-- pause: again, it keeps its first instant
INSERT INTO pauses (scope, name, reason, at) VALUES (:scope, :name, :reason, :at)
ON CONFLICT (scope, name) DO UPDATE SET reason = excluded.reason;

-- name: resume
-- resume: delivery, where an operator says so
DELETE FROM pauses WHERE scope = :scope AND name = :name;

-- name: requeue
-- requeue: an operator gives a mail another chance; one with a secret has none, it is forgotten
UPDATE outbox SET
    state = 'queued', settled_at = NULL, reported = 0, unwanted = NULL, attempts = 0,
    doubted_at = NULL,
    due = :now, not_after = max(not_after, :not_after), response = 'queued again by an operator'
WHERE mail_id = :mail_id AND state IN ('dead', 'expired') AND lane > 0;

-- name: unreported
-- unreported: the delivery actor tells customers what became of their mails
SELECT mail_id, customer_id, state, response, settled_at, bounce FROM outbox
WHERE settled_at IS NOT NULL AND reported = 0 ORDER BY settled_at, arrival LIMIT :limit;

-- name: limiter_state
-- limiter_state: the delivery actor at start-up
SELECT key, tat FROM limiter;

-- name: set_limiter
-- save_limiter: the delivery actor, every few seconds
INSERT INTO limiter (key, tat) VALUES (:key, :tat)
ON CONFLICT (key) DO UPDATE SET tat = excluded.tat;

-- name: owners
-- owners: a broadcast to whoever bought, asked for one product at a time
SELECT DISTINCT customer_id FROM bought
WHERE product_id = :product_id AND customer_id > :after ORDER BY customer_id LIMIT :limit;

-- name: baskets
-- baskets: what is bought together
SELECT DISTINCT order_id, product_id FROM bought
WHERE order_id > :after AND order_id <= (
    SELECT max(order_id) FROM (
        SELECT DISTINCT order_id FROM bought
        WHERE order_id > :after ORDER BY order_id LIMIT :limit
    )
)
ORDER BY order_id, product_id;

-- name: buyers
-- buyers: the classes of all buyers
SELECT customer_id, count, total, first_at, last_at FROM buyers
WHERE customer_id > :after ORDER BY customer_id LIMIT :limit;

-- name: people
-- people: a broadcast to everybody. It leaps from customer to customer in the journal's index: a
-- page took 4 ms at 1 000 000 customers however long their lives, DISTINCT 10 ms at 60 turns each.
WITH RECURSIVE person (id) AS (
    SELECT min(customer_id) FROM journal WHERE customer_id >= :start AND customer_id < :stop
    UNION ALL
    SELECT (
        SELECT min(j.customer_id) FROM journal AS j
        WHERE j.customer_id > person.id AND j.customer_id < :stop
    ) FROM person WHERE id NOT NULL
)
SELECT id FROM person WHERE id NOT NULL LIMIT :limit;

-- name: set_cuts
-- save_cuts
INSERT OR REPLACE INTO cuts (version, at, body) VALUES (:version, :at, :body);

-- name: cuts
-- cuts
SELECT version, at, body FROM cuts ORDER BY version DESC LIMIT 1;

-- name: broadcasts
-- broadcasts: whoever tells them
SELECT broadcast_id, at, start, audience, message, cursor, done FROM broadcasts
WHERE done = 0 ORDER BY start, broadcast_id;

-- name: advance
-- advance
UPDATE broadcasts SET cursor = :cursor, done = :done WHERE broadcast_id = :broadcast_id;

-- name: spent
-- spent: what offers may still cost this month
SELECT programme, cost FROM spent WHERE month = :month;

-- name: ratings
-- ratings: the console
SELECT week, score, count FROM ratings WHERE survey = :survey ORDER BY week, score;

-- name: suppressed
-- suppressed: before a mail goes
WITH wanted (id) AS (VALUES (:each))
SELECT s.address, s.rank, s.expires
FROM wanted CROSS JOIN suppressions AS s ON s.address = wanted.id;

-- name: unsuppress
-- commit
DELETE FROM suppressions WHERE address = :address;

-- name: prune_suppressions
-- prune
DELETE FROM suppressions WHERE (address, rank) IN (
    SELECT address, rank FROM suppressions WHERE expires < :before ORDER BY expires LIMIT :limit
);

-- name: prune
-- prune
DELETE FROM dedupe WHERE key IN (
    SELECT key FROM dedupe WHERE at < :before ORDER BY at, key LIMIT :limit
);

-- name: prune_hits
-- prune
DELETE FROM hits WHERE arrival IN (
    SELECT arrival FROM hits WHERE at < :before ORDER BY at, arrival LIMIT :limit
);

-- name: set_link
-- keep_links: delivery, before it hands a followed mail over
INSERT OR REPLACE INTO links (mail_id, place, url) VALUES (:mail_id, :place, :url);

-- name: link
-- link: the web
SELECT url FROM links WHERE mail_id = :mail_id AND place = :place;

-- name: accepted_at
-- accepted_at: the web
SELECT settled_at FROM outbox
WHERE mail_id = :mail_id AND state IN ('accepted', 'accepted_unknown');

-- name: insert_hit
-- keep_hit: the web
INSERT INTO hits (mail_id, deed, place, at, agent, network, prefetch)
SELECT :mail_id, :deed, :place, :at, :agent, :network, :prefetch
WHERE EXISTS (SELECT 1 FROM outbox WHERE mail_id = :mail_id);

-- name: unjudged
-- unjudged: the judge of hits; two seconds and a minute are the rules' (ecrm/tracking.py)
SELECT h.arrival, h.mail_id, o.customer_id, h.deed, h.place, h.at, h.agent, h.prefetch,
    CASE WHEN o.state IN ('accepted', 'accepted_unknown') THEN o.settled_at END,
    (
        SELECT count(DISTINCT near.deed || near.place) FROM hits AS near
        WHERE near.mail_id = h.mail_id AND near.deed <> 'opened'
            AND near.at BETWEEN h.at - :together AND h.at + :together
    ),
    EXISTS (
        SELECT 1 FROM hits AS near
        WHERE near.mail_id = h.mail_id AND near.deed = 'clicked' AND near.place = :trap
            AND near.at BETWEEN h.at - :together AND h.at + :together
    ),
    CASE WHEN h.network = '' THEN 1 ELSE (
        SELECT count(DISTINCT near.mail_id) FROM hits AS near INDEXED BY hits_network
        WHERE near.network = h.network AND near.network <> ''
            AND near.at BETWEEN h.at - :crowd AND h.at + :crowd
    ) END,
    o.programme, o.step, o.at
FROM hits AS h INDEXED BY hits_waiting CROSS JOIN outbox AS o ON o.mail_id = h.mail_id
WHERE h.verdict IS NULL ORDER BY h.at, h.arrival LIMIT :limit;

-- name: judge
-- judge: the judge of hits
UPDATE hits SET
    verdict = :verdict, reason = :reason, rules = :rules,
    agent = CASE deed WHEN 'rated' THEN '' ELSE agent END,
    network = CASE deed WHEN 'rated' THEN '' ELSE network END
WHERE arrival = :arrival;

-- name: tells
-- tells: the turn loop at start-up
SELECT tell_id, customer_id, at, message FROM tells ORDER BY arrival;

-- name: products
-- products: the catalogue at start-up
SELECT product_id, at, body FROM products ORDER BY product_id;

-- name: keys
-- keys: the gateway at start-up
SELECT key_id, kind, secret, origins, at FROM keys ORDER BY key_id;

-- name: set_key
-- add_keys: the command line
INSERT OR REPLACE INTO keys (key_id, kind, secret, origins, at)
VALUES (:key_id, :kind, :secret, :origins, :at);

-- name: unset_key
-- remove_key: the locksmith
DELETE FROM keys WHERE key_id = :key_id;

-- name: uses
-- uses: the locksmith; meta is small, and this is its one range
SELECT substr(name, 6), value FROM meta WHERE name >= 'used:' AND name < 'used;';

-- name: journal
-- journal: the console
SELECT customer_id, seq, count, at, message, facts FROM journal
WHERE customer_id = :customer_id AND seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: queue_counts
-- queue_counts: the console
SELECT state, lane, count FROM queue_totals WHERE count > 0 ORDER BY state, lane;

-- name: queue_newest
-- queue_rows: the console
SELECT mail_id, customer_id, kind, programme, step, lane, state, at, due, not_after, attempts,
    response
FROM outbox ORDER BY arrival DESC LIMIT :limit;

-- name: queue_of_state
-- queue_rows: the console
SELECT mail_id, customer_id, kind, programme, step, lane, state, at, due, not_after, attempts,
    response
FROM outbox INDEXED BY outbox_state WHERE state = :state ORDER BY arrival DESC LIMIT :limit;

-- name: queue_of_customer
-- queue_rows: the console
SELECT mail_id, customer_id, kind, programme, step, lane, state, at, due, not_after, attempts,
    response
FROM outbox INDEXED BY outbox_customer
WHERE customer_id = :customer_id AND coalesce(:state, state) = state
ORDER BY arrival DESC LIMIT :limit;

-- name: mail
-- mail: the web pages and the console, which never see a secret
SELECT coalesce(kept, mail) FROM outbox WHERE mail_id = :mail_id;

-- name: mail_of_provider
-- mail_of_provider: for the reports of a mail API, which names mails in its own way
SELECT mail_id FROM outbox WHERE provider_id = :provider_id AND provider_id <> '' LIMIT 1;

-- name: size
-- size: the console
SELECT customers, events, facts,
    (SELECT count(*) FROM alarms),
    (SELECT count(*) FROM quarantine),
    (SELECT count(*) FROM holds)
FROM totals;

-- name: last_at
-- last_at: a service that starts on a clock of its own, to go on where it was
SELECT at FROM journal ORDER BY rowid DESC LIMIT 1;

-- name: holds
-- holds: the console
SELECT customer_id, at, reason FROM holds ORDER BY at, customer_id;

-- name: release
-- release: the console; commit, where the customer is erased
DELETE FROM holds WHERE customer_id = :customer_id;

-- name: quarantined
-- quarantined: the console
SELECT customer_id, at, message, traceback, version, arrival FROM quarantine
ORDER BY arrival DESC LIMIT :limit;

-- name: quarantined_one
-- register.quarantined: the console
SELECT customer_id, at, message, traceback, version, arrival FROM quarantine
WHERE arrival = :number;

-- name: insert_operation
-- register.note: the console
INSERT INTO operations (at, key_id, op, about, reason)
VALUES (:at, :key_id, :op, :about, :reason);

-- name: operations
-- register.operations: the console
SELECT at, key_id, op, about, reason FROM operations ORDER BY arrival DESC LIMIT :limit;

-- name: letter
-- register.letter: the console, which never sees a secret
SELECT o.state, coalesce(o.kept, o.mail), o.kept NOT NULL, b.body
FROM outbox AS o LEFT JOIN bodies AS b USING (arrival) WHERE o.mail_id = :mail_id;

-- name: named
-- register.named: the console. It leaps from customer to customer, like `people`.
WITH RECURSIVE person (id) AS (
    SELECT min(customer_id) FROM journal WHERE customer_id >= :start AND customer_id < :stop
    UNION ALL
    SELECT (
        SELECT min(j.customer_id) FROM journal AS j
        WHERE j.customer_id > person.id AND j.customer_id < :stop
    ) FROM person WHERE id NOT NULL
)
SELECT p.id, coalesce(a.email, '')
FROM (SELECT id FROM person WHERE id NOT NULL LIMIT :limit) AS p
LEFT JOIN addresses AS a ON a.customer_id = p.id ORDER BY p.id;

-- name: emails
-- register.emails: the console
WITH wanted (id) AS (VALUES (:each))
SELECT a.customer_id, a.email
FROM wanted CROSS JOIN addresses AS a ON a.customer_id = wanted.id WHERE a.email <> '';

-- name: addressed
-- register.addressed: the console
SELECT customer_id, email FROM addresses
WHERE email >= :start AND email < :stop ORDER BY email, customer_id LIMIT :limit;

-- name: set_address
-- commit
INSERT INTO addresses (customer_id, partition, email) VALUES (:customer_id, :partition, :email)
ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email;

-- name: erase_address
-- commit
DELETE FROM addresses WHERE customer_id = :customer_id;

-- name: prune_mails
-- register.prune_mails: triggers take the bodies, links and hits along, and count
DELETE FROM outbox WHERE arrival IN (
    SELECT arrival FROM outbox INDEXED BY outbox_ended
    WHERE settled_at IS NOT NULL AND reported = 1 AND settled_at < :before
        AND mail_id NOT LIKE '00000000-0000-%'
    ORDER BY settled_at, arrival LIMIT :limit
);

-- name: get_meta
-- secret
SELECT value FROM meta WHERE name = :name;

-- name: keep_meta
-- the opening of the store: what is known already stays
INSERT OR IGNORE INTO meta (name, value) VALUES (:name, :value);

-- name: set_meta
-- secret, and the opening of the store
INSERT OR REPLACE INTO meta (name, value) VALUES (:name, :value);
