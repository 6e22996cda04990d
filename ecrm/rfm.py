"""RFM: how lately, how often and for how much somebody buys, each from 1 to 5 (R46, delivery §5.4).

Recency is the days since the last order, frequency the mean days between two, value the *average*
order (mission §9.5; the total is kept beside it, elsewhere). One customer cannot see the others:
the points at which a score changes are cut once for all of them, carry a version, and come to each
customer as a value; a score says which version it was made by and when. Five is best. Nothing here
is about mails: engagement is the other axis (mission §9.10).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final, Literal

import msgspec

from ecrm.moment import DAY, Instant

# Who has not ordered for a year scores 1 in recency, and is not what the others are compared with.
LOOK_BACK: Final = 365
# Fifths of fewer buyers than this move with every order (delivery §5.4).
FLOOR: Final = 500

Four = tuple[int, int, int, int]
Segment = Literal[
    "champions",
    "loyal",
    "potential loyal",
    "new",
    "promising",
    "needs attention",
    "about to sleep",
    "cannot lose",
    "at risk",
    "hibernating",
    "lost",
]


class Buyer(msgspec.Struct, frozen=True, gc=False):
    """The orders of one customer; `total` in minor units."""

    count: int
    total: int
    first_at: Instant
    last_at: Instant


class Cuts(msgspec.Struct, frozen=True, gc=False):
    """Where the scores change. `recency` (whole days since the last order) and `frequency` (whole
    mean days between orders) are the most that still scores 5, 4, 3 and 2; `value` (the average
    order in minor units) the least that scores 2, 3, 4 and 5. Cut `at`, from so many `buyers`.
    """

    version: int
    at: Instant
    recency: Four
    frequency: Four
    value: Four
    buyers: int = 0
    kind: Literal["fixed", "quintiles"] = "fixed"


# What a shop begins with: a month, a season, half a year and a year; 25, 50, 100 and 200 euros.
FIXED: Final = Cuts(
    version=0,
    at=Instant(0),
    recency=(30, 90, 180, LOOK_BACK),
    frequency=(30, 60, 90, 180),
    value=(25_00, 50_00, 100_00, 200_00),
)


class Score(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """From 1 to 5 each, made `at` by the cuts of `version`."""

    recency: int = 1
    frequency: int = 1
    value: int = 1
    version: int = 0
    at: Instant = Instant(0)


def score(buyer: Buyer, cuts: Cuts, now: Instant) -> Score:
    """The scores of a buyer at `now`. One order has no periodicity yet: its frequency scores 1, and
    who never bought scores 1 in all.
    """
    if buyer.count <= 0:
        return Score(version=cuts.version, at=now)
    age, period = _age(buyer, now), _period(buyer)
    return Score(
        recency=1 if age > LOOK_BACK else _points(age, cuts.recency),
        frequency=1 if period is None else _points(period, cuts.frequency),
        value=1 + sum(_average(buyer) >= bound for bound in cuts.value),
        version=cuts.version,
        at=now,
    )


def next_change(buyer: Buyer, cuts: Cuts, now: Instant) -> Instant | None:
    """The first instant after `now` with another score if nothing else happens; None if never. Only
    recency wears off.
    """
    before = score(buyer, cuts, now).recency
    for most in sorted({*cuts.recency, LOOK_BACK}):
        at = Instant(buyer.last_at + (most + 1) * DAY)
        if at > now and score(buyer, cuts, at).recency != before:
            return at
    return None


def cut_points(buyers: Iterable[Buyer], now: Instant, version: int, floor: int = FLOOR) -> Cuts:
    """Cut the base into fifths, or keep the fixed breaks where it is fewer than `floor` buyers.

    The fifths of recency are of those who bought within the look-back, those of frequency of those
    who bought more than once. Equals share the score of the middle of their group. Cost: three
    sorted lists of whole numbers, a number for each buyer.
    """
    base = [buyer for buyer in buyers if buyer.count > 0]
    fixed = msgspec.structs.replace(FIXED, version=version, at=now, buyers=len(base))
    if len(base) < floor:
        return fixed
    ages = [age for buyer in base if (age := _age(buyer, now)) <= LOOK_BACK]
    periods = [period for buyer in base if (period := _period(buyer)) is not None]
    dearest = _fifths([-_average(buyer) for buyer in base])
    return msgspec.structs.replace(
        fixed,
        recency=_fifths(ages) or FIXED.recency,
        frequency=_fifths(periods) or FIXED.frequency,
        value=FIXED.value if dearest is None else _mirrored(dearest),
        kind="quintiles",
    )


def segment(scores: Score) -> Segment:
    """The name of the group that these scores belong to; every triple has one."""
    for name, recency, frequency, value in _SEGMENTS:
        if scores.recency >= recency and scores.frequency >= frequency and scores.value >= value:
            return name
    return "lost"


# The first of which all three are reached, read from the most recent down.
_SEGMENTS: Final[tuple[tuple[Segment, int, int, int], ...]] = (
    ("champions", 4, 4, 4),
    ("loyal", 3, 4, 1),
    ("potential loyal", 4, 2, 1),
    ("new", 5, 1, 1),
    ("promising", 4, 1, 1),
    ("needs attention", 3, 2, 1),
    ("about to sleep", 3, 1, 1),
    ("cannot lose", 1, 4, 4),
    ("at risk", 1, 3, 1),
    ("hibernating", 2, 1, 1),
)


def _age(buyer: Buyer, now: Instant) -> int:
    return (now - buyer.last_at) // DAY


def _period(buyer: Buyer) -> int | None:
    if buyer.count < 2:
        return None
    return (buyer.last_at - buyer.first_at) // ((buyer.count - 1) * DAY)


def _average(buyer: Buyer) -> int:
    return buyer.total // buyer.count


def _points(days: int, most: Four) -> int:
    return 1 + sum(days <= bound for bound in most)


def _fifths(numbers: list[int]) -> Four | None:
    """The most that still scores 5, 4, 3 and 2 where less is better; None of nothing."""
    if not numbers:
        return None
    ranked = sorted(numbers)
    # A score that nobody has is kept for who is better than all.
    bounds = [ranked[0] - 1] * 4
    before = 0
    for number, group in groupby(ranked):
        size = sum(1 for _ in group)
        points = 5 - 5 * (2 * before + size) // (2 * len(ranked))
        bounds[5 - points :] = [number] * (points - 1)
        before += size
    return (bounds[0], bounds[1], bounds[2], bounds[3])


def _mirrored(most: Four) -> Four:
    return (-most[3], -most[2], -most[1], -most[0])
