"""Destinations: who receives mail for a domain, and how it is doing (delivery §1.3, §1.4).

Many domains have one receiver behind them: what it asks of `gmail.com` it means of `googlemail.com`
too, so limits may name a provider. A destination that cannot be reached rests for half a minute,
twice as long each time, a quarter of an hour at most; one that says "slow down" is written to at
half the pace, and gets a tenth back for every minute without complaint. Both end by themselves. A
jitter that comes from the name keeps two destinations from coming back together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec

from ecrm.delivery.limiter import Limit
from ecrm.moment import MINUTE, SECOND, Duration, Instant

# By the name that settings may use.
PROVIDERS: Final[Mapping[str, frozenset[str]]] = {
    "gmail": frozenset(("gmail.com", "googlemail.com")),
    "microsoft": frozenset((
        "outlook.com", "outlook.fr", "hotmail.com", "hotmail.fr", "live.com", "live.fr", "msn.com",
    )),
    "yahoo": frozenset((
        "yahoo.com", "yahoo.fr", "yahoo.co.uk", "ymail.com", "rocketmail.com", "aol.com",
    )),
    "apple": frozenset(("icloud.com", "me.com", "mac.com")),
    "orange": frozenset(("orange.fr", "wanadoo.fr")),
    "free": frozenset(("free.fr", "aliceadsl.fr", "libertysurf.fr")),
    "sfr": frozenset(("sfr.fr", "neuf.fr", "cegetel.net", "club-internet.fr")),
    "laposte": frozenset(("laposte.net",)),
}  # fmt: skip
_PROVIDER_OF: Final = {domain: name for name, domains in PROVIDERS.items() for domain in domains}

FIRST_REST: Final = 30 * SECOND
LONGEST_REST: Final = 15 * MINUTE
SLOWEST: Final = 16  # per mille of its pace
RECOVERS: Final = 100  # per mille a minute


def names_of(domain: str) -> tuple[str, ...]:
    """The names that a limit may give a domain: its own, then its provider's."""
    provider = _PROVIDER_OF.get(domain)
    return (domain,) if provider is None else (domain, provider)


def domains_of(name: str) -> frozenset[str]:
    """The domains that a name in the settings stands for."""
    return PROVIDERS.get(name, frozenset((name,)))


class Health(msgspec.Struct, frozen=True, gc=False):
    """`failures` in a row; nothing goes there before `rests_until`; `pace` is per mille, as of
    `since`.
    """

    failures: int = 0
    rests_until: Instant = Instant(0)
    pace: int = 1_000
    since: Instant = Instant(0)


class Destinations:
    """The health of those destinations that are not simply well."""

    def __init__(self) -> None:
        self.health: dict[str, Health] = {}

    def down(self, domain: str, now: Instant) -> Instant:
        """It could not be reached, or closed the door; tell until when it rests."""
        known = self.health.get(domain, Health())
        rest = min(FIRST_REST << min(known.failures, 10), LONGEST_REST)
        share = int.from_bytes(blake2b(domain.encode(), digest_size=2).digest()) / 0xFFFF
        until = Instant(now + rest + int(rest * 0.1 * share))
        self.health[domain] = msgspec.structs.replace(
            known, failures=known.failures + 1, rests_until=until
        )
        return until

    def slow(self, domain: str, now: Instant, rest: Duration | None = None) -> None:
        """It asks for patience: half the pace from now on and, where it says so, a rest."""
        known = self.health.get(domain, Health())
        pace = max(SLOWEST, self.pace(domain, now) // 2)
        until = known.rests_until if rest is None else Instant(now + rest)
        self.health[domain] = msgspec.structs.replace(
            known, pace=pace, since=now, rests_until=max(known.rests_until, until)
        )

    def well(self, domain: str, now: Instant) -> None:
        """It took a mail."""
        known = self.health.get(domain)
        if known is None:
            return
        if self.pace(domain, now) == 1_000:
            del self.health[domain]
        elif known.failures:
            self.health[domain] = msgspec.structs.replace(known, failures=0)

    def pace(self, domain: str, now: Instant) -> int:
        """At what share of its rate it is written to, per mille."""
        known = self.health.get(domain)
        if known is None:
            return 1_000
        return min(1_000, known.pace + RECOVERS * max(0, now - known.since) // MINUTE)

    def resting(self, now: Instant) -> frozenset[str]:
        return frozenset(name for name, one in self.health.items() if one.rests_until > now)

    def slowed(self, now: Instant) -> frozenset[str]:
        return frozenset(name for name in self.health if self.pace(name, now) < 1_000)

    def next_change(self, now: Instant) -> Instant | None:
        """When the first of those that rest may be written to again."""
        ends = (one.rests_until for one in self.health.values() if one.rests_until > now)
        return min(ends, default=None)


def slower(limit: Limit, pace: int) -> Limit:
    """A limit at a share of its rate, per mille; its burst shrinks with it."""
    if pace >= 1_000:
        return limit
    burst = max(1, limit.burst * pace // 1_000)
    return Limit(limit.per_second * pace / 1_000, burst, min(limit.reserved, burst - 1))


def tightest(limits: Iterable[tuple[str, Limit]]) -> list[tuple[str, Limit]]:
    """Buckets in the order in which they are asked: the smallest first."""
    return sorted(limits, key=lambda named: (named[1].per_second, named[0]))
