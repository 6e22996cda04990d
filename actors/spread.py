"""A spread: how often something took how long; a histogram that costs its writer very little.

Noting is one bisection and two additions, without locks: everything here lives in the trio thread.
What it looks like to whoever reads metrics is made when they ask (`actors/exposition.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import inf
from typing import Final

# Seconds. Around the budgets (design §11): a turn is a fraction of a millisecond, a commit some
# milliseconds, an acknowledgement within 100 ms, a mail within 250 ms or after hours of patience.
TURNS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
COMMITS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
ACKS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MAILS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3_600.0, 86_400.0)


class Spread:
    """`bounds` are the upper ends of the classes, in seconds; what is above them all has its own.
    `total` is the sum of all that was noted.
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def note(self, seconds: float) -> None:
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def note_all(self, seconds: list[float]) -> None:
        """The same for many, at a fraction of the cost; `seconds` is sorted by it."""
        seconds.sort()
        below = 0
        for place, bound in enumerate(self.bounds):
            upto = bisect_right(seconds, bound)
            self._counts[place] += upto - below
            below = upto
        self._counts[-1] += len(seconds) - below
        self.total += sum(seconds)

    @property
    def count(self) -> int:
        return sum(self._counts)

    @property
    def mean(self) -> float:
        """Seconds; 0 before the first."""
        return self.total / max(1, self.count)

    def within(self, share: float) -> float:
        """The smallest bound that this share of all was no longer than: infinity above the last."""
        wanted = share * self.count
        ends = zip((*self.bounds, inf), self.cumulated, strict=True)
        return next(bound for bound, count in ends if count >= wanted)

    @property
    def cumulated(self) -> list[int]:
        """How many were no longer than each bound, and all of them."""
        return list(accumulate(self._counts))
