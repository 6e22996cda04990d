"""The rate limiter: a generic cell rate algorithm, one number per bucket (delivery §1.3).

A bucket remembers the theoretical arrival time (`tat`) of its next mail. Spending moves it forward
by one interval; a mail conforms while `tat` is no further ahead than the burst allows. The number
is persisted, so a restart cannot burst. A part of the burst is reserved: marketing (lanes 2 and 3)
stops short of it, so a code or a confirmation always finds a token. Instants are in milliseconds,
buckets count in microseconds to keep fast rates exact.
"""

from __future__ import annotations

import math

import msgspec

from ecrm.moment import Duration, Instant


class Limit(msgspec.Struct, frozen=True, gc=False):
    """So many mails a second, of which `burst` at once, `reserved` of those for lanes 0 and 1."""

    per_second: float
    burst: int
    reserved: int = 0

    @property
    def interval(self) -> int:
        """Microseconds between two mails."""
        return max(1, round(1_000_000 / self.per_second))


def limit(per_second: float, *, reserve: float = 0.2) -> Limit:
    """A limit whose burst is one second's worth. Raises ValueError unless the rate is
    positive and finite.
    """
    if not 0 < per_second < math.inf:
        raise ValueError(f"{per_second} mails a second are no rate: write a number above 0")
    burst = max(1, round(per_second))
    return Limit(per_second, burst, min(burst - 1, max(1, round(burst * reserve))))


class Limiter:
    """The buckets and what is left in them. Pure: the caller brings the time."""

    def __init__(self, tats: dict[str, int] | None = None) -> None:
        self.tats = dict(tats or {})

    def available(self, bucket: str, limit: Limit, lane: int, now: Instant) -> int:
        """How many mails of this lane conform right now."""
        ahead = max(0, self.tats.get(bucket, 0) - now * 1_000)
        return max(0, (_room(limit, lane) - ahead) // limit.interval)

    def spend(self, bucket: str, limit: Limit, now: Instant, count: int = 1) -> None:
        start = max(self.tats.get(bucket, 0), now * 1_000)
        self.tats[bucket] = start + count * limit.interval

    def wait(self, bucket: str, limit: Limit, now: Instant, count: int = 1) -> Duration:
        """How long until so many conform at once; more than the burst counts as the burst."""
        ahead = max(0, self.tats.get(bucket, 0) - now * 1_000)
        missing = ahead + (min(count, limit.burst) - limit.burst) * limit.interval
        return Duration(max(0, -(-missing // 1_000)))

    def forget(self, now: Instant) -> None:
        """Drop the buckets that are as good as new."""
        self.tats = {bucket: tat for bucket, tat in self.tats.items() if tat > now * 1_000}

    def ahead(self, now: Instant) -> Duration:
        """How long it takes until every bucket is free again."""
        return Duration(max(0, max(self.tats.values(), default=0) // 1_000 - now))

    def next_at(self, bucket: str, limit: Limit, lane: int, now: Instant) -> Instant:
        """The first instant at which one mail of this lane conforms."""
        ahead = max(0, self.tats.get(bucket, 0) - now * 1_000)
        missing = ahead + limit.interval - _room(limit, lane)
        return now if missing <= 0 else Instant(now + -(-missing // 1_000))


def _room(limit: Limit, lane: int) -> int:
    """How far ahead of now the bucket may be once a mail of this lane was sent."""
    tokens = limit.burst if lane < 2 else limit.burst - limit.reserved
    return max(1, tokens) * limit.interval
