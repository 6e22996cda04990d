"""The memory twin's books: sales, broadcasts, what offers cost, answers, suppressed addresses.

Plain values that `actors/store/memory.py` asks under its lock; the rules are the port's.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from actors.store.rows import (
    SCOPES,
    BoughtRow,
    BroadcastRow,
    BuyerRow,
    Commit,
    CutsRow,
    PauseRow,
    Scope,
    SuppressionRow,
)
from ecrm.moment import NEVER, CustomerId, Instant


class Ledger:
    """What a commit says of many customers, and of nobody by name."""

    def __init__(self) -> None:
        self.cuts: dict[int, CutsRow] = {}
        self.broadcasts: dict[str, BroadcastRow] = {}
        self._suppressions: dict[tuple[str, Scope], SuppressionRow] = {}
        self._bought: dict[tuple[str, CustomerId, str], BoughtRow] = {}
        self._buyers: dict[CustomerId, BuyerRow] = {}
        self._spent: Counter[tuple[str, str]] = Counter()
        self._ratings: Counter[tuple[str, str, int]] = Counter()
        self._pauses: dict[tuple[str, str], PauseRow] = {}

    def pauses(self) -> list[PauseRow]:
        return sorted(self._pauses.values(), key=lambda row: (row.at, row.scope, row.name))

    def pause(self, row: PauseRow) -> None:
        known = self._pauses.get((row.scope, row.name), row)
        self._pauses[row.scope, row.name] = msgspec.structs.replace(row, at=known.at)

    def resume(self, scope: str, name: str) -> bool:
        return self._pauses.pop((scope, name), None) is not None

    def keep(self, commit: Commit) -> None:
        for bought in commit.bought:
            place = (bought.product_id, bought.customer_id, bought.order_id)
            self._bought.setdefault(place, bought)
        for buyer in commit.buyers:
            self._buyers[buyer.customer_id] = buyer
            if not buyer.count:
                del self._buyers[buyer.customer_id]
        for broadcast in commit.broadcasts:
            self.broadcasts.setdefault(broadcast.broadcast_id, broadcast)
        for spent in commit.spent:
            self._spent[spent.month, spent.programme] += spent.cost
        self._ratings.update((row.survey, row.week, row.score) for row in commit.ratings)
        self._suppress(commit)

    def _suppress(self, commit: Commit) -> None:
        for place in [place for place in self._suppressions if place[0] in commit.freed]:
            del self._suppressions[place]
        for row in commit.suppressions:
            former = self._suppressions.get((row.address, row.scope), row)
            if _ends(row) >= _ends(former):
                self._suppressions[row.address, row.scope] = row

    def suppressed(self, addresses: list[str], now: Instant) -> dict[str, str]:
        places = ((address, scope) for address in addresses for scope in reversed(SCOPES))
        rows = (self._suppressions.get(place) for place in places)
        return {row.address: row.scope for row in rows if row is not None and _ends(row) > now}

    def prune(self, before: Instant, limit: int) -> int:
        rows = sorted(self._suppressions.items(), key=lambda item: _ends(item[1]))
        ended = [place for place, row in rows if _ends(row) < before][:limit]
        for place in ended:
            del self._suppressions[place]
        return len(ended)

    def erase(self, customer_ids: set[CustomerId]) -> None:
        self._bought = {
            place: row for place, row in self._bought.items() if row.customer_id not in customer_ids
        }
        for customer_id in customer_ids:
            self._buyers.pop(customer_id, None)

    def owners(self, product_ids: list[str], after: str, limit: int) -> list[CustomerId]:
        owners = {row.customer_id for row in self._bought.values() if row.product_id in product_ids}
        return sorted(who for who in owners if who > after)[:limit]

    def baskets(self, after: str, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        baskets: dict[str, set[str]] = defaultdict(set)
        for row in self._bought.values():
            if row.order_id > after:
                baskets[row.order_id].add(row.product_id)
        page = sorted(baskets.items())[:limit]
        return [(order_id, tuple(sorted(product_ids))) for order_id, product_ids in page]

    def buyers(self, after: str, limit: int) -> list[BuyerRow]:
        return [row for who, row in sorted(self._buyers.items()) if who > after][:limit]

    def open_broadcasts(self) -> list[BroadcastRow]:
        rows = [row for row in self.broadcasts.values() if not row.done]
        return sorted(rows, key=lambda row: (row.start, row.broadcast_id))

    def spent(self, month: str) -> dict[str, int]:
        return {programme: cost for (of, programme), cost in self._spent.items() if of == month}

    def ratings(self, survey: str) -> list[tuple[str, int, int]]:
        counts = sorted(self._ratings.items())
        return [(week, score, count) for (of, week, score), count in counts if of == survey]


def _ends(row: SuppressionRow) -> Instant:
    return NEVER if row.expires is None else row.expires
