"""The store on SQLite.

- One connection, one writer: a lock lets one transaction at a time through the door, and each is
  one asyncio coroutine that nothing can cancel half-way (style §4.2).
- The file is locked from open to close, so that two services can never serve one file; WAL with
  `synchronous=FULL`, because NORMAL loses acknowledged commits in a power loss (law 2).
- `sqlite3.Error` becomes `errors.StoreBroken` here and nowhere else.
- What a console asks all day is counted as it happens: no statement here reads a whole table that
  grows with the customers, but for the count of alarms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import aiosqlite
import msgspec
import trio

from actors.outside import Outside
from actors.store import opening, transactions
from actors.store.numbers import Numbers
from actors.store.register import Register
from actors.store.rows import (
    TERMINAL,
    BroadcastRow,
    BuyerRow,
    ClaimedRow,
    Commit,
    CutsRow,
    HoldRow,
    JournalRow,
    KeyRow,
    Life,
    OutboxState,
    PauseRow,
    PauseScope,
    ProductRow,
    QuarantineRow,
    QueueCount,
    QueueRow,
    ReportRow,
    Settled,
    StoreSize,
    TellRow,
)
from actors.store.statements import Params, Value
from actors.store.tracks import Trail
from actors.store.transactions import Row, Work
from ecrm import errors
from ecrm.moment import NEVER, CustomerId, Instant, Seq

T = TypeVar("T")

LIMIT = 30.0  # seconds for opening and for closing: the checkpoint of a full log on a slow disk


@asynccontextmanager
async def open_store(
    path: Path, outside: Outside, now: Callable[[], Instant]
) -> AsyncIterator[SqliteStore]:
    """Open the file, make or migrate it, and keep it locked until left.

    Raises StoreBroken, in one line that says what to do: another process has the file, a newer
    release wrote it, it is no database of ours, or it cannot be read or written.
    """
    # Opened under a shield: a connection that is cancelled while it opens leaks its thread.
    with trio.move_on_after(LIMIT, shield=True):
        db = await _out(outside, path, partial(opening.open_connection, path, now()), LIMIT)
    store = SqliteStore(path, db, outside, now)
    try:
        yield store
    finally:
        with trio.move_on_after(LIMIT, shield=True):
            await store.close()


async def _out(
    outside: Outside,
    path: Path,
    work: Callable[[], Coroutine[object, None, T]],
    limit: float | None = None,
) -> T:
    try:
        return await outside.run(work, limit=limit)
    except sqlite3.Error as error:
        raise opening.explained(path, error) from error
    except TimeoutError as error:
        raise errors.StoreBroken(f"{path}: {error}") from error


class SqliteStore:
    """The port on one SQLite connection; `open_store` makes it."""

    def __init__(
        self,
        path: Path,
        db: aiosqlite.Connection,
        outside: Outside,
        now: Callable[[], Instant],
    ) -> None:
        self._path = path
        self._db = db
        self._outside = outside
        self._now = now
        self._lock = trio.Lock()
        self._closed = False
        self.trail = Trail(self._lone, self._whole)
        self.register = Register(self._lone, self._whole)
        self.numbers = Numbers(self._lone, self._whole)

    async def close(self) -> None:
        """Bring the log into the file and give it free; later calls raise StoreBroken."""
        async with self._lock:
            self._closed = True
            await _out(self._outside, self._path, self._db.close, LIMIT)

    async def load(self, customer_ids: list[CustomerId]) -> dict[CustomerId, Life]:
        return await self._whole(partial(transactions.load, [*dict.fromkeys(customer_ids)]))

    async def repeats(self, keys: list[bytes]) -> dict[bytes, bytes]:
        rows = await self._lone(partial(transactions.rows_for, "repeats", keys))
        return dict(rows)

    async def commit(self, commit: Commit) -> None:
        await self._whole(partial(transactions.commit, commit, self._now()))

    async def due(self, now: Instant, limit: int) -> list[CustomerId]:
        return [row[0] for row in await self._rows("due", now=now, limit=limit)]

    async def next_alarm(self) -> Instant | None:
        [(due,)] = await self._rows("next_alarm")
        return None if due is None else Instant(due)

    async def reclaim(self, epoch: str) -> list[ClaimedRow]:
        return await self._whole(partial(transactions.reclaim, epoch))

    async def claim(
        self,
        now: Instant,
        epoch: str,
        limit: int,
        lanes: tuple[int, ...],
        skip: frozenset[str],
        paused: frozenset[str] = frozenset(),
    ) -> list[ClaimedRow]:
        claiming = partial(transactions.claim, now, epoch, limit, lanes, skip, paused)
        return await self._whole(claiming)

    async def submitting(self, bodies: list[tuple[str, bytes]], epoch: str) -> set[str]:
        work = partial(transactions.submitting, dict(bodies), epoch, self._now())
        return await self._whole(work)

    async def settle(self, now: Instant, results: list[Settled]) -> None:
        await self._write("settle", [_settling(row, now) for row in results])

    async def next_send(
        self,
        lanes: tuple[int, ...],
        skip: frozenset[str] = frozenset(),
        paused: frozenset[str] = frozenset(),
    ) -> Instant | None:
        listed = {"lanes": lanes, "skip": sorted(skip), "paused": sorted(paused)}
        params = {name: msgspec.json.encode(values).decode() for name, values in listed.items()}
        [(due,)] = await self._rows("next_send", **params)
        return None if due is None else Instant(due)

    async def pauses(self) -> list[PauseRow]:
        return [PauseRow(*row) for row in await self._rows("pauses")]

    async def pause(self, row: PauseRow) -> None:
        await self._write("pause", [msgspec.structs.asdict(row)])

    async def resume(self, scope: PauseScope, name: str) -> bool:
        return await self._write("resume", [{"scope": scope, "name": name}]) > 0

    async def requeue(self, mail_id: str, now: Instant, not_after: Instant) -> bool:
        params: Params = {"mail_id": mail_id, "now": now, "not_after": not_after}
        return await self._write("requeue", [params]) > 0

    async def unreported(self, limit: int) -> list[ReportRow]:
        return [ReportRow(*row) for row in await self._rows("unreported", limit=limit)]

    async def limiter_state(self) -> dict[str, int]:
        return dict(await self._rows("limiter_state"))

    async def save_limiter(self, tats: dict[str, int]) -> None:
        await self._write("set_limiter", [{"key": key, "tat": tat} for key, tat in tats.items()])

    async def owners(self, product_ids: list[str], after: str, limit: int) -> list[CustomerId]:
        return await self._lone(partial(transactions.owners, product_ids, after, limit))

    async def baskets(self, after: str, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        rows = await self._rows("baskets", after=after, limit=limit)
        orders = groupby(rows, key=itemgetter(0))
        return [(order_id, tuple(product_id for _, product_id in of)) for order_id, of in orders]

    async def buyers(self, after: str, limit: int) -> list[BuyerRow]:
        return [BuyerRow(*row) for row in await self._rows("buyers", after=after, limit=limit)]

    async def people(self, after: str, limit: int) -> list[CustomerId]:
        return await self._lone(partial(transactions.people, after, limit))

    async def save_cuts(self, row: CutsRow) -> None:
        await self._write("set_cuts", [msgspec.structs.asdict(row)])

    async def cuts(self) -> CutsRow | None:
        rows = await self._rows("cuts")
        return CutsRow(*rows[0]) if rows else None

    async def broadcasts(self) -> list[BroadcastRow]:
        return [transactions.broadcast(row) for row in await self._rows("broadcasts")]

    async def advance(self, broadcast_id: str, cursor: str, *, done: bool) -> None:
        await self._write(
            "advance", [{"broadcast_id": broadcast_id, "cursor": cursor, "done": done}]
        )

    async def spent(self, month: str) -> dict[str, int]:
        return dict(await self._rows("spent", month=month))

    async def ratings(self, survey: str) -> list[tuple[str, int, int]]:
        return await self._rows("ratings", survey=survey)

    async def suppressed(self, addresses: list[str]) -> dict[str, str]:
        return await self._lone(partial(transactions.suppressed, addresses, self._now()))

    async def tells(self) -> list[TellRow]:
        return [TellRow(*row) for row in await self._rows("tells")]

    async def products(self) -> list[ProductRow]:
        return [ProductRow(*row) for row in await self._rows("products")]

    async def keys(self) -> list[KeyRow]:
        return [KeyRow(*row) for row in await self._rows("keys")]

    async def add_keys(self, rows: list[KeyRow]) -> None:
        await self._write("set_key", [msgspec.structs.asdict(row) for row in rows])

    async def remove_key(self, key_id: str) -> bool:
        return await self._write("unset_key", [{"key_id": key_id}]) > 0

    async def uses(self) -> dict[str, Instant]:
        return {key_id: Instant(at) for key_id, at in await self._rows("uses")}

    async def save_uses(self, used: dict[str, Instant]) -> None:
        rows: list[Params] = [{"name": f"used:{one}", "value": at} for one, at in used.items()]
        await self._write("set_meta", rows)

    async def journal(
        self, customer_id: CustomerId, *, before: Seq | None, limit: int
    ) -> list[JournalRow]:
        end = NEVER if before is None else before
        rows = await self._rows("journal", customer_id=customer_id, before=end, limit=limit)
        return [JournalRow(*row) for row in reversed(rows)]

    async def queue_counts(self) -> list[QueueCount]:
        return [QueueCount(*row) for row in await self._rows("queue_counts")]

    async def queue_rows(
        self, state: OutboxState | None, customer_id: CustomerId | None, limit: int
    ) -> list[QueueRow]:
        name = "queue_newest" if state is None else "queue_of_state"
        name = name if customer_id is None else "queue_of_customer"
        rows = await self._rows(name, state=state, customer_id=customer_id, limit=limit)
        return [QueueRow(*row) for row in rows]

    async def mail(self, mail_id: str) -> bytes | None:
        rows = await self._rows("mail", mail_id=mail_id)
        return bytes(rows[0][0]) if rows else None

    async def mail_of_provider(self, provider_id: str) -> str | None:
        rows = await self._rows("mail_of_provider", provider_id=provider_id)
        return str(rows[0][0]) if rows else None

    async def size(self) -> StoreSize:
        [row] = await self._rows("size")
        return StoreSize(*row)

    async def last_at(self) -> Instant | None:
        rows = await self._rows("last_at")
        return Instant(rows[0][0]) if rows else None

    async def holds(self) -> list[HoldRow]:
        return [HoldRow(*row) for row in await self._rows("holds")]

    async def release(self, customer_id: CustomerId) -> bool:
        return await self._write("release", [{"customer_id": customer_id}]) > 0

    async def quarantined(self, limit: int) -> list[QuarantineRow]:
        return [QuarantineRow(*row) for row in await self._rows("quarantined", limit=limit)]

    async def prune(self, before: Instant, limit: int) -> int:
        old: list[Params] = [{"before": before, "limit": limit}]
        work = partial(
            transactions.write, [("prune", old), ("prune_hits", old), ("prune_suppressions", old)]
        )
        return await self._whole(work)

    async def secret(self, name: str) -> bytes:
        return await self._whole(partial(transactions.secret, f"secret:{name}"))

    async def _rows(self, name: str, **params: Value) -> list[Row]:
        return await self._lone(partial(transactions.rows, name, params))

    async def _write(self, name: str, rows: list[Params]) -> int:
        return await self._whole(partial(transactions.write, [(name, rows)]))

    async def _whole(self, work: Work[T]) -> T:
        return await self._lone(partial(transactions.whole, work))

    async def _lone(self, work: Work[T]) -> T:
        """Do work that is one read, or a whole transaction, while nobody else is at it."""
        async with self._lock:
            if self._closed:
                raise errors.StoreBroken(f"{self._path} is closed")
            return await _out(self._outside, self._path, partial(work, self._db))


def _settling(row: Settled, now: Instant) -> Params:
    settled_at = now if row.state in TERMINAL else None
    return {**msgspec.structs.asdict(row), "settled_at": settled_at, "now": now}
