# a benchmark prints
"""What the store can do, in numbers: run it as `python tests/bench/bench_store.py [folder]`.

Group commits of 256 turns (journal, alarm and dedupe rows) beside the same rows written by bare
sqlite3, durable both; then what 100 000 pending timers take on disk, and how fast 1 000 due
customers are found and loaded. Budgets: design §11.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors.outside import Outside, open_outside
from actors.store import opening, statements, transactions
from actors.store.port import AlarmRow, Commit, DedupeRow, JournalRow
from actors.store.sqlite import open_store

BATCH, TIMERS, DUE = 256, 100_000, 1_000
MESSAGE, FACTS = 110, 90  # bytes of a small event and of the facts of its turn
NOW, DAY = 1_770_000_000_000, 86_400_000
MIB = 2**20


def turns(rng: random.Random, start: int, count: int) -> Commit:
    """First turns of new customers, scattered over the ids, each with a timer in 15 days."""
    made = Commit()
    for n in range(start, start + count):
        customer_id = f"customer-{n * 7_919_777 % 100_000_007:08d}"
        facts, at = rng.randbytes(FACTS), NOW + n
        made.journal.append(JournalRow(customer_id, 0, 2, at, rng.randbytes(MESSAGE), facts))
        made.alarms.append(AlarmRow(customer_id, at + 15 * DAY + rng.randrange(3_600_000)))
        made.dedupe.append(DedupeRow(rng.randbytes(16), customer_id, at, b"ok"))
    return made


def batches() -> list[Commit]:
    rng = random.Random(1)
    return [turns(rng, n, min(BATCH, TIMERS - n)) for n in range(0, TIMERS, BATCH)]


def bare(file: Path, commits: list[Commit]) -> list[float]:
    """The same rows, tables and durability without threads, loops or a port."""
    took = []
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.executescript(opening.PRAGMAS + statements.migrations()[0])
        for commit in commits:
            rows = [
                (name, [transactions.bound(row) for row in group])
                for name, group in (
                    ("insert_journal", commit.journal),
                    ("set_alarm", commit.alarms),
                    ("insert_dedupe", commit.dedupe),
                )
            ]
            began = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            for name, group in rows:
                db.executemany(statements.named()[name], group)
            db.execute("COMMIT")
            took.append(time.perf_counter() - began)
    return took


async def through_the_port(file: Path, commits: list[Commit]) -> list[float]:
    took = []
    async with open_outside() as outside, open_store(file, outside, lambda: NOW) as store:
        for commit in commits:
            began = time.perf_counter()
            await store.commit(commit)
            took.append(time.perf_counter() - began)
    return took


async def load_due(file: Path, outside: Outside) -> None:
    async with open_store(file, outside, lambda: NOW) as store:
        found, loaded = [], []
        for _ in range(11):
            began = time.perf_counter()
            who = await store.due(NOW + 16 * DAY, DUE)
            found.append(1e3 * (time.perf_counter() - began))
            lives = await store.load(who)
            loaded.append(1e3 * (time.perf_counter() - began))
        print(
            f"{len(lives)} due: found in {statistics.median(found):.1f} ms, "
            f"found and loaded in {statistics.median(loaded):.1f} ms; "
            f"with cold pages {found[0]:.1f} and {loaded[0]:.1f} ms"
        )


def tell(name: str, took: list[float]) -> None:
    ordered = sorted(took)
    print(
        f"{name}: {BATCH} turns in {1e3 * statistics.median(took):.1f} ms (median), "
        f"p99 {1e3 * ordered[len(ordered) * 99 // 100]:.1f} ms, "
        f"first tenth {1e3 * statistics.median(took[: len(took) // 10]):.1f} ms; "
        f"{TIMERS / sum(took):,.0f} timers/s"
    )


async def main(folder: Path) -> None:
    commits = batches()
    without = bare(folder / "bare.db", commits)
    tell("bare sqlite3", without)
    ported = await through_the_port(folder / "ecrm.db", commits)
    tell("the store   ", ported)
    print(f"the store takes {sum(ported) / sum(without):.2f} times as long")
    size = (folder / "ecrm.db").stat().st_size
    print(f"{TIMERS:,} timers: {size / MIB:.1f} MiB, {size / TIMERS:.0f} bytes each")
    async with open_outside() as outside:
        await load_due(folder / "ecrm.db", outside)
        hops = []
        async with open_store(folder / "ecrm.db", outside, lambda: NOW) as store:
            for _ in range(200):
                began = time.perf_counter()
                await store.next_alarm()
                hops.append(time.perf_counter() - began)
        print(f"one small read: {1e6 * statistics.median(hops):.0f} µs")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as made:
        trio.run(main, Path(made))
