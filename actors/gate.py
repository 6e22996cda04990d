"""The gate: which mails may leave at this instant, and when the others may (delivery §1.3, §1.6).

Everything that holds mails back is asked here, and nothing here waits: the rate for all, those of
destinations, the smallest first; destinations that rest or asked for patience; connections; what an
operator paused; the warm-up; the breaker. What is held back for one destination or programme is
passed over and holds up no other. The theoretical arrival times and the day's count are saved, so a
restart gives no second burst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from actors.store import port
from ecrm import calendar
from ecrm.delivery import destinations, warmup
from ecrm.delivery.breaker import Breaker
from ecrm.delivery.destinations import Destinations, Health, slower, tightest
from ecrm.delivery.limiter import Limit, Limiter
from ecrm.delivery.policy import Policy
from ecrm.mail import Lane
from ecrm.moment import NEVER, Duration, Instant, format_instant, minutes

OWED: Final[tuple[Lane, ...]] = (0, 1)
OPTIONAL: Final[tuple[Lane, ...]] = (2, 3)
LANES: Final[tuple[Lane, ...]] = OWED + OPTIONAL
# The name of all destinations together: the server that takes our mails for all of them.
EVERYWHERE: Final = "*"
# After at most so long a mail that waits for its domain is looked at again.
LOOK: Final = minutes(5)


class Outlook(msgspec.Struct, frozen=True, gc=False):
    """How a destination, or all of them (`*`), may be written to now. `per_second` is what its
    settings allow (None: no more than all), `pace` the share of it that is used, per mille;
    `rests_until` the instant before which nothing goes there, where that is to come.
    """

    name: str
    per_second: float | None
    pace: int
    connections: int | None
    in_hand: int
    failures: int
    rests_until: Instant | None


class Gate:
    """`saved` is what an earlier gate gave to `state`; `pauses` what an operator has stopped, also
    of other transports than this one.
    """

    def __init__(
        self,
        policy: Policy,
        saved: dict[str, int],
        pauses: Iterable[port.PauseRow],
        transport: str = "",
    ) -> None:
        self.policy = policy
        self._transport = transport
        self.limiter = Limiter({k: v for k, v in saved.items() if not k.startswith("warm-up/")})
        self.destinations = Destinations()
        self.breaker = Breaker()
        self.pauses = {(row.scope, row.name): row for row in pauses}
        self._warmed = Counter({k: v for k, v in saved.items() if k.startswith("warm-up/")})
        self._in_hand: Counter[str] = Counter()

    @property
    def state(self) -> dict[str, int]:
        """What must outlive a restart."""
        return self.limiter.tats | dict(self._warmed)

    def outlook(self, now: Instant) -> list[Outlook]:
        """How those destinations stand of which there is anything to tell, all of them first."""
        known = self.policy.limits.keys() | self.policy.connections.keys()
        known |= self.destinations.health.keys() | self._in_hand.keys()
        return [self._outlook(name, now) for name in (EVERYWHERE, *sorted(known - {EVERYWHERE}))]

    def _outlook(self, name: str, now: Instant) -> Outlook:
        limit = self.policy.limit if name == EVERYWHERE else self.policy.limits.get(name)
        health = self.destinations.health.get(name, Health())
        return Outlook(
            name,
            None if limit is None else limit.per_second,
            self.destinations.pace(name, now),
            self.policy.connections.get(name),
            self._in_hand[name],
            health.failures,
            health.rests_until if health.rests_until > now else None,
        )

    # What may go.

    def lanes(self, now: Instant) -> tuple[Lane, ...]:
        """The lanes of which mails may be claimed."""
        if self._is_shut(now):
            return ()
        lanes = LANES if self.room(OPTIONAL, now) else OWED
        if self._is_warmed_up(now):
            lanes = OWED
        return self.unpaused(lanes)

    def room(self, lanes: tuple[Lane, ...], now: Instant) -> int:
        """How many mails of these lanes the rate for all has tokens for."""
        if self.breaker.probing:
            return min(1, self._tokens(lanes, now))
        return self._tokens(lanes, now)

    def passed_over(self, now: Instant) -> frozenset[str]:
        """The domains that may not be written to at this instant."""
        full: set[str] = {name for scope, name in self.pauses if scope == "domain"}
        full |= self.destinations.resting(now)
        for name, limit in self._limits(now):
            if not self.limiter.available(name, limit, 0, now):
                full |= destinations.domains_of(name)
        for name, most in self.policy.connections.items():
            if self._in_hand[name] >= most:
                full |= destinations.domains_of(name)
        return frozenset(full)

    @property
    def paused(self) -> frozenset[str]:
        """The programmes that an operator has stopped."""
        return frozenset(name for scope, name in self.pauses if scope == "programme")

    def wait_of(self, domain: str, lane: Lane, now: Instant, behind: int = 0) -> Instant | None:
        """When a mail that was claimed may go, where it may not go with those that are going; it is
        `behind` so many others to the same domain, so that one token does not wake all of them.
        """
        most = self.policy.connections
        if any(self._in_hand[name] >= most[name] for name in _named(domain, most)):
            # As soon as one of those is over; until then the domain is passed over.
            return now
        if lane in OPTIONAL and self._is_warmed_up(now):
            return self._tomorrow(now)
        for name, limit in tightest(self._buckets(domain, now)):
            if not self.limiter.available(name, limit, lane, now):
                free = self.limiter.next_at(name, limit, lane, now)
                # A destination may recover: nobody is put off by what it asks now for long.
                return min(
                    Instant(free + behind * limit.interval // 1_000), max(free, Instant(now + LOOK))
                )
        return None

    def enter(self, domain: str, lane: Lane, now: Instant) -> None:
        """A mail is on its way: it has its tokens."""
        for name, limit in self._buckets(domain, now):
            self.limiter.spend(name, limit, now)
        self.limiter.spend(EVERYWHERE, self._pace(EVERYWHERE, self.policy.limit, now), now)
        for name in destinations.names_of(domain):
            self._in_hand[name] += 1
        if self.policy.warm_up is not None and lane in OPTIONAL:
            self._warmed[warmup.day_key(now, self.policy.zone)] += 1

    def leave(self, domain: str) -> None:
        """A mail's attempt is over, whatever came of it."""
        for name in destinations.names_of(domain):
            self._in_hand[name] -= 1
            if not self._in_hand[name]:
                del self._in_hand[name]

    # What became of it.

    def taken(self, domain: str, now: Instant) -> bool:
        """Tells whether this closes the breaker."""
        self.destinations.well(domain, now)
        self.destinations.well(EVERYWHERE, now)
        return self.breaker.close()

    def back_off(self, name: str, now: Instant) -> Instant:
        return self.destinations.down(name, now)

    def slow_down(self, name: str, now: Instant, rest: Duration | None) -> None:
        self.destinations.slow(name, now, rest)

    # When to look again.

    def next_look(self, lanes: tuple[Lane, ...], now: Instant) -> Instant:
        """When mails of these lanes have a token, or the gate opens for them."""
        limit = self._pace(EVERYWHERE, self.policy.limit, now)
        opens = [self.limiter.next_at(EVERYWHERE, limit, lanes[0], now)]
        if self.breaker.is_open(now):
            opens.append(self.breaker.until)
        everywhere = self.destinations.health.get(EVERYWHERE)
        if everywhere is not None and everywhere.rests_until > now:
            opens.append(everywhere.rests_until)
        if lanes[0] in OPTIONAL and self._is_warmed_up(now):
            opens.append(self._tomorrow(now))
        return max(opens)

    def next_destination(self, now: Instant) -> Instant:
        """When the first destination that is full or rests may be written to again."""
        found = [self.destinations.next_change(now) or NEVER]
        for name, limit in self._limits(now):
            if not self.limiter.available(name, limit, 0, now):
                found.append(self.limiter.next_at(name, limit, 0, now))
        return min(found)

    def unpaused(self, lanes: tuple[Lane, ...]) -> tuple[Lane, ...]:
        """Those of these lanes that no operator has stopped."""
        if self._is_stopped:
            return ()
        return tuple(lane for lane in lanes if ("lane", str(lane)) not in self.pauses)

    def _is_shut(self, now: Instant) -> bool:
        resting = EVERYWHERE in self.destinations.resting(now)
        return resting or self.breaker.is_open(now) or self._is_stopped

    @property
    def _is_stopped(self) -> bool:
        """Has an operator stopped all that there is?"""
        return ("all", "") in self.pauses or ("transport", self._transport) in self.pauses

    def _is_warmed_up(self, now: Instant) -> bool:
        """Have as many gone today as a new sender should?"""
        if self.policy.warm_up is None:
            return False
        allowed = self.policy.warm_up.allowance(now, self.policy.zone)
        day = warmup.day_key(now, self.policy.zone)
        return allowed is not None and self._warmed[day] >= allowed

    def _tomorrow(self, now: Instant) -> Instant:
        return Instant(calendar.end_of_day(now, self.policy.zone) + 1)

    def _tokens(self, lanes: tuple[Lane, ...], now: Instant) -> int:
        limit = self._pace(EVERYWHERE, self.policy.limit, now)
        return self.limiter.available(EVERYWHERE, limit, lanes[-1], now)

    def _pace(self, name: str, limit: Limit, now: Instant) -> Limit:
        return slower(limit, self.destinations.pace(name, now))

    def _limits(self, now: Instant) -> Iterator[tuple[str, Limit]]:
        """The buckets of destinations: those of the settings, and of who asked for patience."""
        for name, limit in self.policy.limits.items():
            yield name, self._pace(name, limit, now)
        for name in self.destinations.slowed(now) - {EVERYWHERE, *self.policy.limits}:
            yield name, self._pace(name, self.policy.limit, now)

    def _buckets(self, domain: str, now: Instant) -> list[tuple[str, Limit]]:
        names = destinations.names_of(domain)
        return [(name, limit) for name, limit in self._limits(now) if name in names]


def _named(domain: str, most: Mapping[str, int]) -> Iterator[str]:
    return (name for name in destinations.names_of(domain) if name in most)


def told(breaker: Breaker, now: Instant) -> str:
    """The breaker's state for a person."""
    if breaker.is_open(now):
        return f"open until {format_instant(breaker.until)}: {breaker.why}"
    return f"trying one mail at a time: {breaker.why}" if breaker.probing else "closed"
