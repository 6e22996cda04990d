"""What only the store on disk can break: durability, locking, migrations, threads, cancellation."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import zlib
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from actors.outside import open_holding, open_outside
from actors.store import opening, sqlite, statements
from actors.store.port import (
    AlarmRow,
    BoughtRow,
    BroadcastRow,
    BuyerRow,
    Commit,
    DedupeRow,
    JournalRow,
    OutboxRow,
    QueueCount,
    RatingRow,
    Settled,
    SnapshotRow,
    SpentRow,
    StoreSize,
    SuppressionRow,
    partition_of,
)
from actors.store.sqlite import open_store
from ecrm import errors

ROOT = Path(__file__).parents[2]
NOW = 1_770_000_000_000


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ecrm.db"


@asynccontextmanager
async def opened(file):
    async with open_outside() as outside, open_store(file, outside, lambda: NOW) as store:
        yield store


async def refusal(file):
    with pytest.raises(errors.StoreBroken) as caught:
        async with opened(file):
            pass
    return str(caught.value)


def turn(customer_id, seq):
    return JournalRow(customer_id, seq, 1, NOW, b"message", b"facts")


def mail(mail_id):
    return OutboxRow(
        mail_id, "ana", "k07", "cart", "reminder", 1, "example.org", NOW, NOW, NOW, b"mail"
    )


def python(script, *args, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


# durability


async def test_what_was_committed_is_there_when_opened_again(file):
    async with opened(file) as store:
        secret = await store.secret("links")
        await store.commit(Commit(journal=[turn("ana", 0)], alarms=[AlarmRow("ana", NOW)]))
    async with opened(file) as store:
        assert (await store.load(["ana"]))["ana"].journal == (turn("ana", 0),)
        assert (await store.next_alarm(), await store.secret("links")) == (NOW, secret)


async def test_closing_brings_the_log_into_the_file(file):
    async with opened(file) as store:
        await store.commit(Commit(journal=[turn("ana", 0)]))
    assert [each.name for each in file.parent.iterdir()] == ["ecrm.db"]


async def test_the_file_is_for_its_owner_only(file):
    async with opened(file):
        modes = {each.name: each.stat().st_mode & 0o777 for each in file.parent.iterdir()}
    assert modes == {"ecrm.db": 0o600, "ecrm.db-wal": 0o600}


async def test_each_commit_reaches_the_disk_and_nothing_is_shared(file):
    async with open_outside() as outside, open_store(file, outside, lambda: NOW) as store:
        found = {}
        for pragma in ("journal_mode", "synchronous", "locking_mode"):
            rows = await outside.run(lambda p=pragma: store._db.execute_fetchall(f"PRAGMA {p}"))
            found[pragma] = rows[0][0]
    assert found == {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive"}


WRITER = """
    import itertools, sys
    from pathlib import Path
    import trio
    from actors.outside import open_outside
    from actors.store.port import AlarmRow, Commit, JournalRow, SnapshotRow
    from actors.store.sqlite import open_store

    async def main():
        async with open_outside() as outside:
            async with open_store(Path(sys.argv[1]), outside, lambda: 0) as store:
                for n in itertools.count():
                    who = [f"customer {i}" for i in range(200)]
                    await store.commit(Commit(
                        journal=[JournalRow(c, n, 1, n, b"message", b"f" * 200) for c in who],
                        snapshots=[SnapshotRow(c, n, n, 1, b"", b"") for c in who[:20]],
                        alarms=[AlarmRow(c, n) for c in who],
                    ))
                    print(n, flush=True)

    trio.run(main)
"""


@pytest.mark.parametrize("commits", [3, 8])
async def test_a_kill_in_mid_commit_leaves_all_of_it_or_nothing(file, commits):
    with python(WRITER, file) as writer:
        for line in writer.stdout:
            if int(line) >= commits:
                break
        writer.send_signal(signal.SIGKILL)  # at once: the next commit is under way
        told = [int(line), *map(int, writer.stdout)][-1]
    async with opened(file) as store:
        who = [f"customer {i}" for i in range(200)]
        lives = await store.load(who)
        last = {lives[each].journal[-1].seq for each in who}
        due = await store.due(told, 999), await store.due(told + 1, 999)
        size = await store.size()
    [kept] = last  # the same for everybody
    assert kept in {told, told + 1}
    assert (size.events, size.customers) == (200 * (kept + 1), 200)
    assert {lives[each].snapshots[0].seq for each in who[:20]} == {kept}
    assert [len(each) for each in due] == [200 if kept == told else 0, 200]


# opening


async def test_a_second_process_is_refused_and_told_what_to_do(file):
    async with opened(file) as store:
        script = f"""
            import sys
            from pathlib import Path
            import trio
            from actors.outside import open_outside
            from actors.store.sqlite import open_store
            from ecrm import errors

            async def main():
                async with open_outside() as outside:
                    async with open_store(Path({str(file)!r}), outside, lambda: 0):
                        print("opened")

            try:
                trio.run(main)
            except errors.StoreBroken as error:
                print(error)
        """
        with python(script) as second:
            said = await trio.to_thread.run_sync(second.stdout.read)
        await store.commit(Commit(journal=[turn("ana", 0)]))
    assert (
        said
        == f"{file} is in use by a service: ask that with run.py console -c, stop it, or use another --data\n"
    )


async def test_a_file_of_a_newer_release_is_refused_and_left_alone(file):
    async with opened(file):
        pass
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    known = len(statements.migrations())
    assert await refusal(file) == (
        f"{file} has schema 99 and this release knows {known}: upgrade ecrm, or use another --data"
    )
    assert file.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_left_alone(file):
    file.write_text("Dear diary, " * 1000)
    assert await refusal(file) == (f"{file} is not a database: move it away, or use another --data")
    assert file.read_text() == "Dear diary, " * 1000


async def test_another_programs_database_is_refused(file):
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE diary (entry)")
    assert await refusal(file) == f"{file} is another program's database: use another --data"


async def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "missing" / "ecrm.db"
    assert await refusal(file) == (
        f"{file} cannot be written (No such file or directory): mend that, or use another --data"
    )


async def test_an_empty_file_becomes_a_database(file):
    file.touch()
    async with opened(file) as store:
        assert (await store.size()).events == 0


async def test_a_migration_is_all_or_nothing(file, monkeypatch):
    async with opened(file) as store:
        await store.commit(Commit(journal=[turn("ana", 0)]))
    scripts = statements.migrations()
    broken = (*scripts, "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);")
    with monkeypatch.context() as patch:
        patch.setattr(opening, "migrations", lambda: broken)
        assert await refusal(file) == f"{file}: no such table: nowhere"
    async with opened(file) as store:  # still of the schema it had
        assert (await store.size()).events == 1


async def test_a_migration_goes_forward_once_and_keeps_what_is_there(file, monkeypatch):
    async with opened(file) as store:
        await store.commit(Commit(journal=[turn("ana", 0)]))
    scripts = (*statements.migrations(), "CREATE TABLE later (x);")
    monkeypatch.setattr(opening, "migrations", lambda: scripts)
    for _ in range(2):  # a second CREATE would fail
        async with opened(file) as store:
            assert (await store.size()).events == 1
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(scripts),)


FIRST = """
    INSERT INTO journal VALUES (:p, 'ana', 0, 2, :now, x'6d', x'66');
    UPDATE totals SET customers = 1, events = 1, facts = 2;
    INSERT INTO outbox
        (mail_id, partition, customer_id, kind, programme, step, lane, domain, at, due, not_after, mail)
    VALUES ('m1', :p, 'ana', 'k07', 'cart', 'reminder', 1, 'example.org', :now, :now, :now, x'6d31');
    INSERT INTO outbox
        (mail_id, partition, customer_id, kind, programme, step, lane, domain, at, due, not_after, mail)
    VALUES ('m2', :p, 'ana', 'k07', 'cart', 'reminder', 1, 'example.org', :now, :now, :now, x'6d32');
    INSERT INTO bodies VALUES (1, :body);
    UPDATE outbox SET state = 'accepted', settled_at = :now WHERE mail_id = 'm2';
"""


@pytest.fixture
def first_schema(file):
    """A file as the first release left it."""
    values = {"p": partition_of("ana"), "now": NOW, "body": zlib.compress(b"bytes")}
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.executescript(statements.migrations()[0])
        for sql in FIRST.split(";"):
            db.execute(sql, values)
        db.execute(f"PRAGMA application_id = {opening.APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    return file


async def test_a_file_of_the_first_schema_goes_on_with_all_that_it_has(first_schema):
    async with opened(first_schema) as store:
        assert await store.size() == StoreSize(1, 1, 2, 0, 0, 0)
        assert (await store.load(["ana"]))["ana"].journal == (
            JournalRow("ana", 0, 2, NOW, b"m", b"f"),
        )
        assert await store.people("", 9) == ["ana"]
        [row] = await store.claim(NOW, "boot", 9, (1,), frozenset())
        assert (row.mail_id, row.mail, row.body) == ("m1", b"m1", b"bytes")
        await store.settle(NOW, [Settled("m1", "accepted")])
        assert [await store.mail("m1"), await store.mail("m2")] == [b"m1", b"m2"]
        assert await store.queue_counts() == [QueueCount("accepted", 1, 2)]


async def test_a_customer_of_the_first_schema_can_be_erased(first_schema):
    async with opened(first_schema) as store:
        await store.commit(Commit(erase=["ana"]))
        assert await store.size() == StoreSize(0, 0, 0, 0, 0, 0)
        assert await store.queue_counts() == []
    with closing(sqlite3.connect(first_schema)) as db:
        assert db.execute("SELECT count(*) FROM bodies").fetchone() == (0,)


# closing


async def test_a_closed_store_says_so(file):
    async with opened(file) as store:
        pass
    with pytest.raises(errors.StoreBroken, match="is closed"):
        await store.size()


async def test_closing_under_cancellation_loses_no_connection(file):
    with trio.CancelScope() as scope:
        async with opened(file) as store:
            await store.commit(Commit(journal=[turn("ana", 0)]))
            scope.cancel()
            await trio.sleep_forever()
    async with opened(file) as store:
        assert (await store.size()).events == 1


async def test_opening_under_cancellation_leaves_no_thread(file):
    with trio.CancelScope() as scope:
        async with open_outside() as outside:
            scope.cancel()
            async with open_store(file, outside, lambda: NOW):
                await trio.lowlevel.checkpoint()
    workers = [each for each in threading.enumerate() if "_connection_worker" in each.name]
    for each in workers:
        each.join(5)  # the last instructions of a thread that has been told to end
    assert not any(each.is_alive() for each in workers)
    assert scope.cancelled_caught


async def test_a_close_that_takes_too_long_is_reported(file, monkeypatch):
    stuck = threading.Event()

    async def visit(outside):
        async with open_store(file, outside, lambda: NOW) as store:
            monkeypatch.setattr(sqlite, "LIMIT", 0.05)
            store._db._tx.put_nowait((None, stuck.wait))  # its thread waits for a slow disk

    async with open_outside() as outside:
        with pytest.raises(errors.StoreBroken, match=r"no answer from outside within 0\.05 s"):
            await visit(outside)
        stuck.set()
    async with opened(file) as store:  # it was closed after all
        assert (await store.size()).events == 0


def test_the_process_ends_however_the_store_was_left(file):
    script = """
        import sys
        from pathlib import Path
        import trio
        from actors.outside import open_outside
        from actors.store.sqlite import open_store
        from ecrm import errors

        async def visit(path, action):
            async with open_outside() as outside:
                async with open_store(path, outside, lambda: 0) as store:
                    await action(store)

        async def fail(store):
            raise ZeroDivisionError

        async def look(store):
            await store.size()

        file = Path(sys.argv[1])
        trio.run(visit, file, look)
        try:
            trio.run(visit, file, fail)
        except ZeroDivisionError:
            print("failed inside")
        try:
            trio.run(visit, file.parent, look)
        except errors.StoreBroken:
            print("failed to open")
        (file.parent / "text").write_text("no database" * 100)
        try:
            trio.run(visit, file.parent / "text", look)
        except errors.StoreBroken:
            print("failed to read")
    """
    with python(script, file) as process:
        said, _ = process.communicate(timeout=20)
    assert said.split("\n") == ["failed inside", "failed to open", "failed to read", ""]
    assert process.returncode == 0


# transactions


@pytest.mark.parametrize("after", [0, 0.0005, 0.002, 0.005])
async def test_a_commit_cancelled_at_any_instant_is_all_or_nothing(file, after):
    async with opened(file) as store:
        for n in range(5):
            rows = [turn(f"customer {i}", n) for i in range(100)]
            with trio.move_on_after(after):
                await store.commit(
                    Commit(journal=rows, alarms=[AlarmRow(row.customer_id, n) for row in rows])
                )
        size = await store.size()
        lives = await store.load([f"customer {i}" for i in range(100)])
    assert size.events % 100 == 0
    assert size.alarms == (100 if size.events else 0)
    assert (
        len({life.journal and tuple(row.seq for row in life.journal) for life in lives.values()})
        == 1
    )


async def test_an_error_of_the_disk_rolls_back_and_the_store_goes_on(file):
    async with open_outside() as outside, open_store(file, outside, lambda: NOW) as store:
        await store.commit(Commit(journal=[turn("ana", 0)]))
        pages = (await outside.run(lambda: store._db.execute_fetchall("PRAGMA page_count")))[0][0]
        limit = f"PRAGMA max_page_count = {pages + 3}"
        await outside.run(lambda: store._db.execute_fetchall(limit))
        huge = JournalRow("bea", 0, 1, NOW, os.urandom(100_000), b"")
        with pytest.raises(errors.StoreBroken, match=f"{re.escape(str(file))}: .*full"):
            await store.commit(Commit(alarms=[AlarmRow("bea", NOW)], journal=[huge]))
        await store.commit(Commit(journal=[turn("ana", 1)]))
        assert (await store.size()).events == 2
        assert await store.next_alarm() is None


async def test_a_failure_that_is_not_of_sqlite_rolls_back_too(file):
    async with opened(file) as store:
        with pytest.raises(OverflowError):
            await store.commit(Commit(journal=[turn("ana", 0), turn("bea", 2**70)]))
        assert (await store.size()).events == 0


async def test_a_failure_of_the_last_row_leaves_nothing_of_the_others(file):
    async with opened(file) as store:
        await store.commit(Commit(journal=[turn("bea", 0)]))
        with pytest.raises(OverflowError):
            await store.commit(
                Commit(
                    bought=[BoughtRow("p1", "ana", "o1", NOW)],
                    buyers=[BuyerRow("ana", 1, 1, NOW, NOW)],
                    broadcasts=[BroadcastRow("b1", NOW, NOW, (), b"")],
                    spent=[SpentRow("cart", "2026-03", 1)],
                    ratings=[RatingRow("site", "2026-W10", 5)],
                    suppressions=[SuppressionRow("aa", "all", "", NOW)],
                    erase=["bea", 2**70],
                )
            )
        assert await store.owners(["p1"], "", 9) == []
        assert [await store.buyers("", 9), await store.broadcasts()] == [[], []]
        assert [await store.spent("2026-03"), await store.ratings("site")] == [{}, []]
        assert [await store.suppressed(["aa"]), await store.people("", 9)] == [{}, ["bea"]]
        assert await store.size() == StoreSize(1, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("ended", ["settled", "cancelled", "erased"])
async def test_no_byte_of_a_secret_is_in_the_file_once_its_mail_has_ended(file, ended):
    secret = random.Random(1).randbytes(9_000)  # over more pages than one; zlib leaves it alone
    parts = [secret[n : n + 16] for n in range(0, len(secret) - 16, 16)]
    row = msgspec.structs.replace(mail("m1"), mail=secret, kept=b"hidden")
    ends = {
        "settled": lambda store: store.settle(NOW, [Settled("m1", "accepted")]),
        "cancelled": lambda store: store.commit(Commit(cancels=[("m1", "ordered")])),
        "erased": lambda store: store.commit(Commit(erase=["ana"])),
    }
    async with opened(file) as store:
        await store.commit(Commit(outbox=[row, mail("m2")]))
        await store.claim(NOW, "boot", 1, (1,), frozenset())
        await store.submitting([("m1", secret)], "boot")
        if ended == "cancelled":
            await store.settle(NOW, [Settled("m1", "queued", "451", NOW, 1)])
    assert any(part in file.read_bytes() for part in parts)
    async with opened(file) as store:
        await ends[ended](store)
    left = file.read_bytes()
    assert [part for part in parts if part in left] == []


def test_a_virtual_clock_stands_still_while_a_query_runs(file):
    clock = trio.testing.MockClock(autojump_threshold=0)
    seen = []

    async def actor(store, name, period, times):
        for n in range(times):
            await trio.sleep(period)
            await store.commit(Commit(journal=[turn(name, n)]))
            with trio.move_on_after(1e-9) as scope:
                await store.load([name])
            seen.append((trio.current_time() - start, name, scope.cancelled_caught))

    async def main():
        nonlocal start
        start = trio.current_time()
        async with (
            open_holding(clock) as outside,
            open_store(file, outside, lambda: NOW) as store,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(actor, store, "seconds", 7, 12)
            nursery.start_soon(actor, store, "hours", 3600, 5)
            nursery.start_soon(actor, store, "days", 86400, 3)

    start = 0.0
    trio.run(main, clock=clock)
    expected = [(7.0 * n, "seconds", False) for n in range(1, 13)]
    expected += [(3600.0 * n, "hours", False) for n in range(1, 6)]
    expected += [(86400.0 * n, "days", False) for n in range(1, 4)]
    assert seen == expected


# rows and statements


async def test_every_row_of_a_customer_carries_its_partition(file):
    async with opened(file) as store:
        await store.commit(
            Commit(
                journal=[turn("ana", 0)],
                snapshots=[SnapshotRow("ana", 1, NOW, 1, b"", b"")],
                alarms=[AlarmRow("ana", NOW)],
                outbox=[mail("m1")],
                dedupe=[DedupeRow(b"1", "ana", NOW, b"")],
                bought=[BoughtRow("p1", "ana", "o1", NOW)],
                buyers=[BuyerRow("ana", 1, 1, NOW, NOW)],
            )
        )
    with closing(sqlite3.connect(file)) as db:
        tables = ("journal", "snapshots", "alarms", "outbox", "dedupe", "bought", "buyers")
        found = {t: db.execute(f"SELECT partition FROM {t}").fetchall() for t in tables}
    assert found == {table: [(partition_of("ana"),)] for table in tables}


async def test_a_built_message_is_stored_small_and_dropped_when_it_went(file):
    async def bodies(outside, store):
        sql = "SELECT length(body) FROM bodies"
        return [n for (n,) in await outside.run(lambda: store._db.execute_fetchall(sql))]

    async with open_outside() as outside, open_store(file, outside, lambda: NOW) as store:
        await store.commit(Commit(outbox=[mail("m1"), mail("m2"), mail("m3")]))
        await store.claim(NOW, "boot", 9, (1,), frozenset())
        await store.submitting([(f"m{n}", b"<p>Bonjour</p>" * 1000) for n in (1, 2, 3)], "boot")
        stored = await bodies(outside, store)
        await store.settle(NOW, [Settled("m1", "accepted"), Settled("m2", "queued", "", NOW, 1)])
        kept = await bodies(outside, store)
        await store.claim(NOW, "boot", 9, (1,), frozenset())
        await store.commit(Commit(cancels=[("m2", "ordered")]))
        left = await bodies(outside, store)
    assert [len(stored), len(kept), len(left)] == [3, 2, 1]
    assert max(stored) < 500


async def test_no_hot_statement_reads_a_whole_table(file):
    async with opened(file):
        pass
    named = statements.named()
    hot = {
        "new_customers", "load_snapshots", "load_journal", "load_holds", "repeats", "forget_snapshots", "set_alarm",
        "clear_alarm", "cancel", "set_reported", "delete_tell", "due", "next_alarm", "free_leases",
        "in_doubt", "claimable", "lease", "leased", "settle", "next_send", "unreported",
        "prune", "journal", "queue_of_state", "queue_of_customer", "mail", "set_buyer",
        "delete_buyer", "suppress", "suppressed", "unsuppress", "prune_suppressions", "owners", "baskets", "buyers",
        "people", "broadcasts", "advance", "spent", "ratings", "erase_totals",
        "erase_journal", "erase_snapshots", "erase_quarantine", "erase_bought", "erase_outbox",
    }  # fmt: skip
    harmless = re.compile(
        r"SCAN (wanted|person|gone|totals|.* broadcasts_open|json_each|CONSTANT|\d+|.*USING COVERING INDEX)"
    )
    with closing(sqlite3.connect(file)) as db:
        plans = {
            name: [
                row[3]
                for row in db.execute(
                    f"EXPLAIN QUERY PLAN {named[name]}",
                    dict.fromkeys(re.findall(r":(\w+)", named[name])),
                )
            ]
            for name in hot
        }
    scans = {
        name: [step for step in plan if step.startswith("SCAN") and not harmless.match(step)]
        for name, plan in plans.items()
    }
    assert {name: steps for name, steps in scans.items() if steps} == {}
    sorted_by_hand = {name for name, plan in plans.items() if "USE TEMP B-TREE" in " ".join(plan)}
    assert sorted_by_hand == {"in_doubt"}  # a handful of rows, once at start-up


def test_every_statement_has_a_caller_and_says_which():
    source = "".join(
        (ROOT / "actors" / "store" / name).read_text("utf-8")
        for name in (
            "sqlite.py",
            "tracks.py",
            "register.py",
            "transactions.py",
            "opening.py",
            "numbers.py",
        )
    )
    named = statements.named()
    assert [name for name in named if f'"{name}"' not in source] == []
    assert [name for name, sql in named.items() if not sql.startswith("-- ")] == []
