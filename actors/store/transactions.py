"""What the SQLite store does inside one transaction, as coroutines on its connection.

They run in the asyncio loop behind the door, from first to last; encoding and compressing happen
here too, so that the trio loop does not wait for them.
"""

from __future__ import annotations

import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import msgspec
from aiosqlite import Connection
from msgspec.structs import asdict

from actors.store.counted import Standing, StandRow
from actors.store.rows import (
    SCOPES,
    AddressRow,
    AlarmRow,
    BoughtRow,
    BroadcastRow,
    BuyerRow,
    ClaimedRow,
    Commit,
    DedupeRow,
    HoldRow,
    JournalRow,
    Life,
    OutboxRow,
    QuarantineRow,
    SnapshotRow,
    SuppressionRow,
    TellRow,
    partition_of,
)
from actors.store.statements import Params, Value, for_each, for_rows, named
from ecrm.moment import CustomerId, Instant
from proto.envelope import RESERVED

T = TypeVar("T")
Write: TypeAlias = tuple[str, Sequence[Params]]
Row: TypeAlias = Any  # a tuple; what its columns hold, the schema says
Work = Callable[[Connection], Coroutine[object, None, T]]
OfCustomer = (
    JournalRow | SnapshotRow | AlarmRow | OutboxRow | DedupeRow | QuarantineRow | HoldRow | TellRow
    | BoughtRow | BuyerRow | AddressRow | StandRow
)  # fmt: skip

# What goes with an erased customer. The journal and its mails are counted before they go.
ERASURES = (
    "erase_totals", "erase_journal", "erase_snapshots", "clear_alarm", "erase_quarantine",
    "release", "erase_tells", "erase_bought", "delete_buyer", "count_erased",
    "erase_outbox", "erase_address", "end_stands",
)  # fmt: skip


async def whole(work: Work[T], db: Connection) -> T:
    """Do the work in one transaction: all of it is durable, or nothing happened."""
    await db.execute("BEGIN IMMEDIATE")
    try:
        result = await work(db)
        await db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back already
            await db.execute("ROLLBACK")
        raise
    return result


async def rows(name: str, params: Params, db: Connection) -> list[Row]:
    return cast("list[Row]", await db.execute_fetchall(named()[name], params))


async def rows_for(name: str, values: Sequence[Value], db: Connection) -> list[Row]:
    """The rows of a statement over a list of values, in no order."""
    found: list[Row] = []
    for sql, each in for_each(name, values):
        found += cast("list[Row]", await db.execute_fetchall(sql, each))
    return found


async def write(writes: Iterable[Write], db: Connection) -> int:
    """Run each statement over its rows, in this order; how many rows changed."""
    changed = 0
    for name, many in writes:
        parts = for_rows(name, many)
        if parts is not None:
            for sql, values in parts:
                changed += (await db.execute(sql, values)).rowcount
        elif many:
            changed += (await db.executemany(named()[name], many)).rowcount
    return changed


async def load(customer_ids: list[CustomerId], db: Connection) -> dict[CustomerId, Life]:
    snapshots: dict[CustomerId, list[SnapshotRow]] = defaultdict(list)
    journal: dict[CustomerId, list[JournalRow]] = defaultdict(list)
    for row in await rows_for("load_snapshots", customer_ids, db):
        snapshots[row[0]].append(SnapshotRow(*row))
    for row in await rows_for("load_journal", customer_ids, db):
        journal[row[0]].append(JournalRow(*row))
    held: dict[CustomerId, str] = dict(await rows_for("load_holds", customer_ids, db))
    return {
        customer_id: Life(
            customer_id=customer_id,
            snapshots=tuple(sorted(snapshots.get(customer_id, ()), key=_newest_first)),
            journal=tuple(sorted(journal.get(customer_id, ()), key=_oldest_first)),
            held=held.get(customer_id),
        )
        for customer_id in customer_ids
    }


def _newest_first(row: SnapshotRow) -> int:
    return -row.seq


def _oldest_first(row: JournalRow) -> int:
    return row.seq


async def commit(commit: Commit, now: Instant, db: Connection) -> None:
    turns = [row for row in commit.journal if row.count]
    await _count(turns, db)
    await write(
        [
            ("insert_journal", [bound(row) for row in turns]),
            ("insert_snapshot", [bound(row) for row in commit.snapshots]),
            ("forget_snapshots", [bound(row) for row in commit.snapshots]),
            *_alarms(commit.alarms),
            ("enqueue", [bound(row) for row in commit.outbox]),
            ("cancel", [{"mail_id": i, "why": why, "now": now} for i, why in commit.cancels]),
            ("set_reported", [{"mail_id": mail_id} for mail_id in commit.reported]),
            ("insert_dedupe", [bound(row) for row in commit.dedupe]),
            ("insert_quarantine", [bound(row) for row in commit.quarantine]),
            ("insert_hold", [bound(row) for row in commit.holds]),
            ("insert_tell", [bound(row) for row in commit.tells]),
            ("delete_tell", [{"tell_id": tell_id} for tell_id in commit.told]),
            ("set_product", [asdict(row) for row in commit.products]),
            *_books(commit),
            *_erasures(commit.erase),
        ],
        db,
    )


def _alarms(rows: list[AlarmRow]) -> list[Write]:
    last = {row.customer_id: row for row in rows}.values()
    return [
        ("set_alarm", [bound(row) for row in last if row.due is not None]),
        ("clear_alarm", [bound(row) for row in last if row.due is None]),
    ]


def _books(commit: Commit) -> list[Write]:
    buyers = {row.customer_id: row for row in commit.buyers}.values()  # the last one counts
    return [
        ("insert_bought", [bound(row) for row in commit.bought]),
        ("set_buyer", [bound(row) for row in buyers if row.count]),
        ("delete_buyer", [bound(row) for row in buyers if not row.count]),
        ("insert_broadcast", [_announced(row) for row in commit.broadcasts]),
        ("add_spent", [asdict(row) for row in commit.spent]),
        ("add_rating", [asdict(row) for row in commit.ratings]),
        ("unsuppress", [{"address": address} for address in commit.freed]),
        ("set_address", [bound(row) for row in commit.addresses]),
        ("suppress", [_ranked(row) for row in commit.suppressions]),
        ("add_count", [asdict(row) for row in commit.counts]),
        *_stands(commit.stands),
    ]


def _stands(rows: list[StandRow]) -> list[Write]:
    last = {(row.customer_id, row.programme, row.step): row for row in rows}.values()
    return [
        ("set_stand", [bound(row) for row in last if row.count]),
        ("end_stand", [bound(row) for row in last if not row.count]),
    ]


async def place(found: list[Standing], db: Connection) -> list[CustomerId]:
    """Set where these lives stand, but for those that have lived on since they were looked at."""
    until = dict(await rows_for("lived_until", [one.customer_id for one in found], db))
    still = [one for one in found if until.get(one.customer_id) == one.seq]
    await write([("end_stands", [{"customer_id": one.customer_id} for one in still])], db)
    await write(_stands([row for one in still for row in one.rows]), db)
    return [one.customer_id for one in found if one not in still]


def _erasures(customer_ids: list[CustomerId]) -> list[Write]:
    who: list[Params] = [{"customer_id": each} for each in dict.fromkeys(customer_ids)]
    return [(name, who) for name in ERASURES]


async def _count(turns: list[JournalRow], db: Connection) -> None:
    if turns:
        who = [*{row.customer_id for row in turns}]
        total: dict[str, Value] = {
            "customers": sum(count for (count,) in await rows_for("new_customers", who, db)),
            "events": len(turns),
            "facts": sum(row.count for row in turns),
        }
        await write([("add_totals", [total])], db)


def bound(row: OfCustomer) -> Params:
    """The row's fields by name, and its partition."""
    params = asdict(row)
    params["partition"] = partition_of(row.customer_id)
    return params


def _announced(row: BroadcastRow) -> Params:
    return {**asdict(row), "audience": msgspec.json.encode(row.audience).decode()}


def broadcast(row: Row) -> BroadcastRow:
    broadcast_id, at, start, listed, message, cursor, done = row
    audience = msgspec.json.decode(listed, type=tuple[str, ...])
    return BroadcastRow(broadcast_id, at, start, audience, message, cursor, bool(done))


def _ranked(row: SuppressionRow) -> Params:
    return {**asdict(row), "rank": SCOPES.index(row.scope)}


async def suppressed(addresses: list[str], now: Instant, db: Connection) -> dict[str, str]:
    found: dict[str, int] = {}
    for address, rank, expires in await rows_for("suppressed", addresses, db):
        if expires is None or expires > now:
            found[address] = min(rank, found.get(address, rank))
    return {address: SCOPES[rank] for address, rank in found.items()}


async def owners(
    product_ids: list[str], after: str, limit: int, db: Connection
) -> list[CustomerId]:
    """Product by product: so that each walks the index in its order, and stops at the limit."""
    found: set[CustomerId] = set()
    for product_id in product_ids:
        params: Params = {"product_id": product_id, "after": after, "limit": limit}
        found.update(customer_id for (customer_id,) in await rows("owners", params, db))
    return sorted(found)[:limit]


async def people(after: str, limit: int, db: Connection) -> list[CustomerId]:
    """What lies between the reserved prefixes, part by part: visitors may be many."""
    found: list[CustomerId] = []
    start = after + "\0"  # the first id there can be
    for prefix in (*sorted(RESERVED), None):
        stop = b"" if prefix is None else prefix  # every text comes before a blob
        params: Params = {"start": start, "stop": stop, "limit": limit - len(found)}
        found += [customer_id for (customer_id,) in await rows("people", params, db)]
        if len(found) == limit or prefix is None:
            break
        start = max(start, prefix[:-1] + chr(ord(prefix[-1]) + 1))
    return found


async def reclaim(epoch: str, db: Connection) -> list[ClaimedRow]:
    await write([("free_leases", [{"epoch": epoch}])], db)
    return [_claimed(row) for row in await rows("in_doubt", {"epoch": epoch}, db)]


async def claim(
    now: Instant,
    epoch: str,
    limit: int,
    lanes: tuple[int, ...],
    skip: frozenset[str],
    paused: frozenset[str],
    db: Connection,
) -> list[ClaimedRow]:
    """Lane by lane: so that each walks the index in its order, and stops at the limit."""
    claimed: list[ClaimedRow] = []
    passed, still = (msgspec.json.encode(sorted(names)).decode() for names in (skip, paused))
    for lane in sorted(set(lanes)):
        left = limit - len(claimed)
        params: Params = {"now": now, "lane": lane, "skip": passed, "paused": still, "limit": left}
        claimed += [_claimed(row) for row in await rows("claimable", params, db)]
        if len(claimed) == limit:
            break
    await write([("lease", [{"epoch": epoch, "mail_id": row.mail_id} for row in claimed])], db)
    return claimed


def _claimed(row: Row) -> ClaimedRow:
    mail_id, customer_id, lane, domain, due, not_after, attempts, mail, packed, doubted_at = row
    body = None if packed is None else zlib.decompress(packed)
    return ClaimedRow(
        mail_id, customer_id, lane, domain, due, not_after, attempts, mail, body, doubted_at
    )


async def submitting(
    bodies: dict[str, bytes], epoch: str, now: Instant, db: Connection
) -> set[str]:
    found = await rows_for("leased", [*bodies], db)
    leased = {mail_id: arrival for mail_id, arrival, by in found if by == epoch}
    packed = [
        {"arrival": arrival, "body": zlib.compress(bodies[mail_id], 1), "now": now}
        for mail_id, arrival in leased.items()
    ]
    await write([("set_submitting", packed), ("set_body", packed)], db)
    return {*leased}


async def secret(name: str, db: Connection) -> bytes:
    found = await rows("get_meta", {"name": name}, db)
    if found:
        known: bytes = found[0][0]
        return known
    made = os.urandom(32)
    await write([("set_meta", [{"name": name, "value": made}])], db)
    return made
