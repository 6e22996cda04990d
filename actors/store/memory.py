"""The store in memory: the twin of the one on SQLite, for tests of all that stands on a store.

It keeps the port's rules in plain dicts and passes the same tests. A test can make it slow
(`slow`, seconds of trio's clock, virtual in tests), let the next calls fail (`fail_next`), or let
it die (`die`), after which every call fails: what was committed before can still be looked at.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import msgspec
import trio

from actors.store.counters import Numbers
from actors.store.ledger import Ledger
from actors.store.queued import Queued
from actors.store.roll import Register
from actors.store.rows import (
    AlarmRow,
    BroadcastRow,
    BuyerRow,
    ClaimedRow,
    Commit,
    CutsRow,
    DedupeRow,
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
    SnapshotRow,
    StoreSize,
    TellRow,
)
from actors.store.trail import Trail
from ecrm import errors
from ecrm.moment import CustomerId, Instant, Seq
from proto.envelope import RESERVED


class MemoryStore:
    """The port in dicts. Each call is a checkpoint; none can be cancelled once it has begun."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self.slow = 0.0
        self._now = now
        self._failures = 0
        self._dead = False
        self._lock = trio.Lock()
        self._journal: dict[CustomerId, list[JournalRow]] = {}
        self._arrived: list[JournalRow] = []
        self._snapshots: dict[CustomerId, list[SnapshotRow]] = {}
        self._alarms: dict[CustomerId, Instant] = {}
        self._outbox: dict[str, Queued] = {}
        self._arrivals = count()
        self._dedupe: dict[bytes, DedupeRow] = {}
        self._holds: dict[CustomerId, HoldRow] = {}
        self._tells: dict[str, TellRow] = {}
        self._products: dict[str, ProductRow] = {}
        self._keys: dict[str, KeyRow] = {}
        self._uses: dict[str, Instant] = {}
        self._limiter: dict[str, int] = {}
        self._secrets: dict[str, bytes] = {}
        self._ledger = Ledger()
        self.numbers = Numbers(self._turn, self._journal, now)
        self.trail = Trail(self._turn, self._outbox, self.numbers)
        self.register = Register(self._turn, self._outbox, self.trail, self._journal)

    def fail_next(self, count: int) -> None:
        """Let the next `count` commits raise StoreBroken; nothing of them is kept."""
        self._failures = count

    def die(self) -> None:
        """Let every call from now on raise StoreBroken, those under way too."""
        self._dead = True

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._lock:
            if self.slow:
                with trio.CancelScope(shield=True):
                    await trio.sleep(self.slow)
            if self._dead:
                raise errors.StoreBroken
            yield

    async def load(self, customer_ids: list[CustomerId]) -> dict[CustomerId, Life]:
        async with self._turn():
            return {customer_id: self._life(customer_id) for customer_id in customer_ids}

    def _life(self, customer_id: CustomerId) -> Life:
        snapshots = self._snapshots.get(customer_id, [])
        since = min((row.seq for row in snapshots), default=Seq(-1))
        journal = tuple(row for row in self._journal.get(customer_id, ()) if row.seq >= since)
        hold = self._holds.get(customer_id)
        return Life(customer_id, tuple(snapshots), journal, hold.reason if hold else None)

    async def repeats(self, keys: list[bytes]) -> dict[bytes, bytes]:
        async with self._turn():
            return {key: self._dedupe[key].answer for key in keys if key in self._dedupe}

    async def commit(self, commit: Commit) -> None:
        async with self._turn():
            if self._failures:
                self._failures -= 1
                raise errors.StoreBroken
            self._check(commit.journal)
            self._keep_turns(commit)
            self._keep_mails(commit)
            self._keep_messages(commit)
            self._ledger.keep(commit)
            self.register.keep(commit)
            self.numbers.stand(commit.stands)
            self.numbers.count(commit.counts)
            if commit.erase:
                self._erase({*commit.erase})

    def _check(self, rows: list[JournalRow]) -> None:
        """Refuse a turn whose place is taken before anything is changed."""
        places = Counter((row.customer_id, row.seq) for row in rows if row.count)
        for customer_id in {row.customer_id for row in rows}:
            places.update((customer_id, row.seq) for row in self._journal.get(customer_id, ()))
        if any(count > 1 for count in places.values()):
            raise errors.StoreBroken("two turns claim one place in a customer's journal")

    def _keep_turns(self, commit: Commit) -> None:
        for row in commit.journal:
            if row.count:
                self._arrived.append(row)
                turns = self._journal.setdefault(row.customer_id, [])
                turns.insert(bisect_left(turns, row.seq, key=lambda turn: turn.seq), row)
        for snapshot in commit.snapshots:
            others = self._snapshots.get(snapshot.customer_id, [])
            kept = [snapshot, *(row for row in others if row.seq != snapshot.seq)]
            kept.sort(key=lambda row: -row.seq)
            self._snapshots[snapshot.customer_id] = kept
        for snapshot in commit.snapshots:
            del self._snapshots[snapshot.customer_id][2:]
        for alarm in commit.alarms:
            self._set(alarm)

    def _set(self, alarm: AlarmRow) -> None:
        if alarm.due is None:
            self._alarms.pop(alarm.customer_id, None)
        else:
            self._alarms[alarm.customer_id] = alarm.due

    def _keep_mails(self, commit: Commit) -> None:
        for row in commit.outbox:
            arrived = Queued(arrival=next(self._arrivals), row=row, due=row.due)
            if self._outbox.setdefault(row.mail_id, arrived) is arrived:
                self.numbers.decided(arrived)
        for mail_id, why in commit.cancels:
            queued = self._outbox.get(mail_id)
            if queued and queued.settled_at is None:
                queued.cancel(why, self._now())
                self.numbers.ended(queued)
        for mail_id in commit.reported:
            queued = self._outbox.get(mail_id)
            if queued and queued.settled_at is not None:
                queued.reported = True

    def _keep_messages(self, commit: Commit) -> None:
        for row in commit.dedupe:
            self._dedupe.setdefault(row.key, row)
        for hold in commit.holds:
            self._holds.setdefault(hold.customer_id, hold)
        for tell in commit.tells:
            self._tells.setdefault(tell.tell_id, tell)
        for tell_id in commit.told:
            self._tells.pop(tell_id, None)
        self._products |= {row.product_id: row for row in commit.products}

    def _erase(self, customer_ids: set[CustomerId]) -> None:
        for customer_id in customer_ids:
            for rows in (self._journal, self._snapshots, self._alarms, self._holds):
                rows.pop(customer_id, None)
        self._arrived = [row for row in self._arrived if row.customer_id not in customer_ids]
        self._tells = {
            i: row for i, row in self._tells.items() if row.customer_id not in customer_ids
        }
        gone = [i for i, one in self._outbox.items() if one.row.customer_id in customer_ids]
        for mail_id in gone:
            self.numbers.erased(self._outbox.pop(mail_id))
        self.trail.erase({*gone})
        self._ledger.erase(customer_ids)
        self.register.erase(customer_ids)
        self.numbers.erase(customer_ids)

    async def due(self, now: Instant, limit: int) -> list[CustomerId]:
        async with self._turn():
            due = sorted((at, who) for who, at in self._alarms.items() if at <= now)
            return [customer_id for _, customer_id in due[:limit]]

    async def next_alarm(self) -> Instant | None:
        async with self._turn():
            return min(self._alarms.values(), default=None)

    async def reclaim(self, epoch: str) -> list[ClaimedRow]:
        async with self._turn():
            others = [queued for queued in self._queue() if queued.epoch not in ("", epoch)]
            for queued in others:
                if queued.state == "leased":
                    queued.state, queued.epoch = "queued", ""
            return [queued.claimed() for queued in others if queued.state == "submitting"]

    def _queue(self) -> list[Queued]:
        return sorted(self._outbox.values(), key=lambda queued: queued.order)

    async def claim(
        self,
        now: Instant,
        epoch: str,
        limit: int,
        lanes: tuple[int, ...],
        skip: frozenset[str],
        paused: frozenset[str] = frozenset(),
    ) -> list[ClaimedRow]:
        async with self._turn():
            claimed = [
                queued
                for queued in self._queue()
                if queued.state == "queued"
                and queued.row.lane in lanes
                and queued.due <= now
                and queued.row.domain not in skip
                and queued.row.programme not in paused
            ][:limit]
            for queued in claimed:
                queued.state, queued.epoch = "leased", epoch
            return [queued.claimed() for queued in claimed]

    async def submitting(self, bodies: list[tuple[str, bytes]], epoch: str) -> set[str]:
        async with self._turn():
            leased = {
                mail_id: queued
                for mail_id, _ in bodies
                if (queued := self._outbox.get(mail_id))
                and queued.state == "leased"
                and queued.epoch == epoch
            }
            for mail_id, body in bodies:
                if mail_id in leased:
                    leased[mail_id].submit(body, self._now())
            return {*leased}

    async def settle(self, now: Instant, results: list[Settled]) -> None:
        async with self._turn():
            for result in results:
                queued = self._outbox.get(result.mail_id)
                if queued and queued.settled_at is None:
                    queued.settle(result, now)
                    self.numbers.ended(queued)

    async def next_send(
        self,
        lanes: tuple[int, ...],
        skip: frozenset[str] = frozenset(),
        paused: frozenset[str] = frozenset(),
    ) -> Instant | None:
        async with self._turn():
            return min(
                (
                    queued.due
                    for queued in self._outbox.values()
                    if queued.state == "queued"
                    and queued.row.lane in lanes
                    and queued.row.domain not in skip
                    and queued.row.programme not in paused
                ),
                default=None,
            )

    async def pauses(self) -> list[PauseRow]:
        async with self._turn():
            return self._ledger.pauses()

    async def pause(self, row: PauseRow) -> None:
        async with self._turn():
            self._ledger.pause(row)

    async def resume(self, scope: PauseScope, name: str) -> bool:
        async with self._turn():
            return self._ledger.resume(scope, name)

    async def requeue(self, mail_id: str, now: Instant, not_after: Instant) -> bool:
        async with self._turn():
            queued = self._outbox.get(mail_id)
            if queued is None or queued.state not in ("dead", "expired") or not queued.row.lane:
                return False
            self.numbers.begun_again(queued)
            queued.requeue(now, not_after)
            return True

    async def unreported(self, limit: int) -> list[ReportRow]:
        async with self._turn():
            waiting = sorted(
                (queued.settled_at, queued.arrival, queued)
                for queued in self._outbox.values()
                if queued.settled_at is not None and not queued.reported
            )
            return [
                ReportRow(
                    mail_id=queued.row.mail_id,
                    customer_id=queued.row.customer_id,
                    state=queued.state,
                    response=queued.response,
                    settled_at=at,
                    bounce=queued.bounce,
                )
                for at, _, queued in waiting[:limit]
            ]

    async def limiter_state(self) -> dict[str, int]:
        async with self._turn():
            return dict(self._limiter)

    async def save_limiter(self, tats: dict[str, int]) -> None:
        async with self._turn():
            self._limiter |= tats

    async def owners(self, product_ids: list[str], after: str, limit: int) -> list[CustomerId]:
        async with self._turn():
            return self._ledger.owners(product_ids, after, limit)

    async def baskets(self, after: str, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        async with self._turn():
            return self._ledger.baskets(after, limit)

    async def buyers(self, after: str, limit: int) -> list[BuyerRow]:
        async with self._turn():
            return self._ledger.buyers(after, limit)

    async def people(self, after: str, limit: int) -> list[CustomerId]:
        async with self._turn():
            people = sorted(who for who in self._journal if not who.startswith(RESERVED))
            return [who for who in people if who > after][:limit]

    async def save_cuts(self, row: CutsRow) -> None:
        async with self._turn():
            self._ledger.cuts[row.version] = row

    async def cuts(self) -> CutsRow | None:
        async with self._turn():
            cuts = self._ledger.cuts
            return cuts[max(cuts)] if cuts else None

    async def broadcasts(self) -> list[BroadcastRow]:
        async with self._turn():
            return self._ledger.open_broadcasts()

    async def advance(self, broadcast_id: str, cursor: str, *, done: bool) -> None:
        async with self._turn():
            known = self._ledger.broadcasts
            if broadcast_id in known:
                row = msgspec.structs.replace(known[broadcast_id], cursor=cursor, done=done)
                known[broadcast_id] = row

    async def spent(self, month: str) -> dict[str, int]:
        async with self._turn():
            return self._ledger.spent(month)

    async def ratings(self, survey: str) -> list[tuple[str, int, int]]:
        async with self._turn():
            return self._ledger.ratings(survey)

    async def suppressed(self, addresses: list[str]) -> dict[str, str]:
        async with self._turn():
            return self._ledger.suppressed(addresses, self._now())

    async def tells(self) -> list[TellRow]:
        async with self._turn():
            return [*self._tells.values()]

    async def products(self) -> list[ProductRow]:
        async with self._turn():
            return [row for _, row in sorted(self._products.items())]

    async def keys(self) -> list[KeyRow]:
        async with self._turn():
            return [row for _, row in sorted(self._keys.items())]

    async def add_keys(self, rows: list[KeyRow]) -> None:
        async with self._turn():
            self._keys |= {row.key_id: row for row in rows}

    async def remove_key(self, key_id: str) -> bool:
        async with self._turn():
            return self._keys.pop(key_id, None) is not None

    async def uses(self) -> dict[str, Instant]:
        async with self._turn():
            return dict(self._uses)

    async def save_uses(self, used: dict[str, Instant]) -> None:
        async with self._turn():
            self._uses |= used

    async def journal(
        self, customer_id: CustomerId, *, before: Seq | None, limit: int
    ) -> list[JournalRow]:
        async with self._turn():
            turns = self._journal.get(customer_id, [])
            turns = [row for row in turns if before is None or row.seq < before]
            return turns[max(0, len(turns) - limit) :]

    async def queue_counts(self) -> list[QueueCount]:
        async with self._turn():
            counts = Counter((each.state, each.row.lane) for each in self._outbox.values())
            return [QueueCount(state, lane, n) for (state, lane), n in sorted(counts.items())]

    async def queue_rows(
        self, state: OutboxState | None, customer_id: CustomerId | None, limit: int
    ) -> list[QueueRow]:
        async with self._turn():
            rows = [queued.shown() for queued in reversed(self._outbox.values())]
            rows = [row for row in rows if state in (None, row.state)]
            return [row for row in rows if customer_id in (None, row.customer_id)][:limit]

    async def mail(self, mail_id: str) -> bytes | None:
        async with self._turn():
            queued = self._outbox.get(mail_id)
            return queued.shown_mail if queued else None

    async def mail_of_provider(self, provider_id: str) -> str | None:
        async with self._turn():
            wanted = (
                i for i, q in self._outbox.items() if provider_id and q.provider_id == provider_id
            )
            return next(wanted, None)

    async def last_at(self) -> Instant | None:
        async with self._turn():
            return self._arrived[-1].at if self._arrived else None

    async def size(self) -> StoreSize:
        async with self._turn():
            return StoreSize(
                customers=len(self._journal),
                events=len(self._arrived),
                facts=sum(row.count for row in self._arrived),
                alarms=len(self._alarms),
                quarantined=len(self.register.quarantine),
                held=len(self._holds),
            )

    async def holds(self) -> list[HoldRow]:
        async with self._turn():
            return sorted(self._holds.values(), key=lambda row: (row.at, row.customer_id))

    async def release(self, customer_id: CustomerId) -> bool:
        async with self._turn():
            return self._holds.pop(customer_id, None) is not None

    async def quarantined(self, limit: int) -> list[QuarantineRow]:
        async with self._turn():
            return self.register.quarantine[::-1][:limit]

    async def prune(self, before: Instant, limit: int) -> int:
        async with self._turn():
            old = sorted((row.at, key) for key, row in self._dedupe.items() if row.at < before)
            for _, key in old[:limit]:
                del self._dedupe[key]
            ended = self._ledger.prune(before, limit)
            return len(old[:limit]) + self.trail.prune(before, limit) + ended

    async def secret(self, name: str) -> bytes:
        async with self._turn():
            return self._secrets.setdefault(name, os.urandom(32))
