"""The memory twin's numbers: who stands where, what became of mails and what they led to.

Plain values that `actors/store/memory.py` keeps under its lock; the rules are the port's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from actors.store.counted import CountRow, Standing, StandRow
from actors.store.queued import Queued
from actors.store.rows import JournalRow
from ecrm.moment import CustomerId, Instant


class Numbers:
    """The port's numbers; `turn` takes the store's lock."""

    def __init__(
        self,
        turn: Callable[[], AbstractAsyncContextManager[None]],
        journal: Mapping[CustomerId, Sequence[JournalRow]],
        now: Callable[[], Instant],
    ) -> None:
        self._turn = turn
        self._journal = journal
        # A store is made before its clock runs: it counts from the first look at its numbers, or
        # from before it, which nobody can tell apart.
        self._now = now
        self._since: Instant | None = None
        self._whole = True
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._stands: dict[CustomerId, dict[tuple[str, str], int]] = {}

    async def since(self) -> Instant:
        async with self._turn():
            self._since = self._now() if self._since is None else self._since
            return self._since

    async def counts(self, month: str = "") -> list[CountRow]:
        async with self._turn():
            found: Counter[tuple[str, str, str]] = Counter()
            for (when, *about), count in self._counts.items():
                if month in ("", when):
                    programme, step, what = about
                    found[programme, step, what] += count
            return [CountRow(month, *about, count) for about, count in sorted(found.items())]

    async def stands(self) -> dict[tuple[str, str], int]:
        async with self._turn():
            found: Counter[tuple[str, str]] = Counter()
            for places in self._stands.values():
                found.update(places)
            return dict(sorted(found.items()))

    async def whole(self) -> bool:
        async with self._turn():
            return self._whole

    async def place(self, found: list[Standing]) -> list[CustomerId]:
        async with self._turn():
            still = [one for one in found if one.seq == self._lived_until(one.customer_id)]
            for one in still:
                self._stands.pop(one.customer_id, None)
                self.stand(list(one.rows))
            return [one.customer_id for one in found if one not in still]

    async def complete(self) -> None:
        async with self._turn():
            self._whole = True

    def _lived_until(self, customer_id: CustomerId) -> int | None:
        rows = self._journal.get(customer_id)
        return rows[-1].seq + rows[-1].count if rows else None

    # What the store tells, under its lock.

    def stand(self, rows: list[StandRow]) -> None:
        for row in rows:
            places = self._stands.setdefault(row.customer_id, {})
            places[row.programme, row.step] = row.count
            if not row.count:
                del places[row.programme, row.step]

    def erase(self, customer_ids: set[CustomerId]) -> None:
        for customer_id in customer_ids:
            self._stands.pop(customer_id, None)

    def count(self, rows: list[CountRow]) -> None:
        for row in rows:
            self._counts[row.month, row.programme, row.step, row.what] += row.count

    def decided(self, queued: Queued) -> None:
        self._add(queued, "decided")

    def ended(self, queued: Queued) -> None:
        """Something became of it, which may have been the end."""
        if queued.settled_at is None:
            return
        self._add(queued, queued.state)
        if queued.state.startswith("accepted"):
            for name, agreed in (("opens", queued.row.opens), ("clicks", queued.row.clicks)):
                if agreed:
                    self._add(queued, name)

    def begun_again(self, queued: Queued) -> None:
        self._add(queued, queued.state, -1)

    def erased(self, queued: Queued) -> None:
        if queued.settled_at is None:
            self._add(queued, "erased")

    def seen(self, queued: Queued, deed: str, verdict: str) -> None:
        name = f"{deed} {verdict}"
        if deed in ("opened", "clicked") and name not in queued.seen:
            queued.seen.add(name)
            self._add(queued, name)

    def _add(self, queued: Queued, what: str, count: int = 1) -> None:
        row = queued.row
        month = f"{datetime.fromtimestamp(row.at / 1_000, UTC):%Y-%m}"
        self._counts[month, row.programme, row.step, what] += count
