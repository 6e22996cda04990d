"""Limits: how much of the house one key or one address may take (`[gateway.limits]`).

So that one bad page cannot starve the shop. Rules:

- Publishable keys are bounded in messages a second, each key and each address, and while the house
  has no `room` for more of them; secret and operator keys are not: a back end gets `busy` from the
  intake when the house is full.
- Connections are bounded in all, by publishable key and by address; those that have not said hello
  yet are few and counted apart, so that silent ones cannot keep others out for longer than a hello
  may take.
- Who says wrong keys is slowed: past a few, an address gets no secret or operator key taken, right
  or wrong, until it has been quiet. Publishable keys are no secret, so browsers behind the same
  address go on.

Nothing here knows a socket: websocket and HTTP ask the same object. Time is the process's own, not
the wall's: a clock that is set back keeps nobody out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from actors.mistakes import Section, value
from ecrm import moment
from ecrm.delivery.limiter import Limit, Limiter
from ecrm.moment import Instant
from proto.session import Grant

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Rate = Annotated[float, Meta(gt=0, le=1_000_000)]

# A page that was offline tells at once what it has kept; a batch must fit in any case.
BURST_SECONDS: Final = 5
LEAST_BURST: Final = 500
# Buckets that are full again are forgotten whenever there are so many.
BUCKETS: Final = 10_000


class Bounds(Section, frozen=True):
    connections: Count = 10_000
    connections_per_key: Count = 8_000
    connections_per_address: Count = 100
    silent: Count = 1_000
    silent_per_address: Count = 50
    connects_per_minute: Rate = 600.0
    messages_per_key: Rate = 1_000.0
    messages_per_address: Rate = 100.0
    wrong_keys_per_minute: Rate = 10.0


class GatewaySection(Section, frozen=True):
    """`ping_after` is how long a connection may be silent before it is asked whether it is still
    there.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8765
    ping_after: str = "30s"
    limits: Bounds = Bounds()


def check_gateway(gateway: GatewaySection) -> None:
    """Raises Misconfigured, the setting first."""
    if gateway.ping_after:
        value("gateway.ping_after", moment.parse_duration, gateway.ping_after)


class Visit(msgspec.Struct, gc=False):
    """One connection, as it is counted: silent until its key is known, and of no address until
    that is.
    """

    address: str = ""
    located: bool = False
    key_id: str = ""
    kind: str = ""


class Limits:
    def __init__(
        self,
        bounds: Bounds,
        now: Callable[[], Instant],
        room: Callable[[int], int] = lambda _count: 0,
    ) -> None:
        """`room` says for how many milliseconds there is none for so many messages of browsers."""
        self.visits = self.silent = self.refused = 0
        self._bounds = bounds
        self._now = now
        self._room = room
        self._silent_at: Counter[str] = Counter()
        self._open_at: Counter[str] = Counter()
        self._open_with: Counter[str] = Counter()
        self._rates = Limiter()
        self._per_key = _limit(bounds.messages_per_key)
        self._per_address = _limit(bounds.messages_per_address)
        self._connects = Limit(
            bounds.connects_per_minute / 60, max(100, round(bounds.connects_per_minute / 6))
        )
        self._guesses = Limit(
            bounds.wrong_keys_per_minute / 60, max(1, round(bounds.wrong_keys_per_minute))
        )

    # Messages.

    def allow(self, grant: Grant, address: str, count: int = 1) -> int:
        """0 where so many messages may come in now, which counts them; else milliseconds to wait
        before they come again, all of them.
        """
        if grant.kind != "publishable":
            return 0
        now = self._now()
        buckets = (
            (f"key {grant.key_id}", self._per_key),
            (f"from {address}", self._per_address),
        )
        waits = (self._rates.wait(bucket, limit, now, count) for bucket, limit in buckets)
        wait = max(self._room(count), *waits)
        if wait:
            self.refused += count
            return wait
        for bucket, limit in buckets:
            self._spend(bucket, limit, now, count)
        return 0

    # Keys.

    def guessed(self, address: str) -> None:
        """Somebody there said a key that there is not."""
        self._spend(f"guess {address}", self._guesses, self._now(), 1)

    def guessing(self, address: str) -> int:
        """Milliseconds for which no secret key is taken from there; 0 as a rule."""
        return self._rates.wait(f"guess {address}", self._guesses, self._now())

    def _spend(self, bucket: str, limit: Limit, now: Instant, count: int) -> None:
        if len(self._rates.tats) >= BUCKETS:
            self._rates.forget(now)
        self._rates.spend(bucket, limit, now, count)

    # Connections.

    def enter(self, address: str | None) -> Visit | None:
        """Somebody wants to connect; None where there is no room. `leave` ends it. From where is
        None while only a proxy is known: `locate` tells it.
        """
        bounds = self._bounds
        if self.visits >= bounds.connections or self.silent >= bounds.silent:
            self.refused += 1
            return None
        visit = Visit()
        if address is not None and not self.locate(visit, address):
            return None
        self.visits += 1
        self.silent += 1
        return visit

    def locate(self, visit: Visit, address: str) -> bool:
        """Count a visitor for its address; False where too many are there who say nothing, or it
        connects again and again.
        """
        bucket, now = f"connect {address}", self._now()
        many = self._silent_at[address] >= self._bounds.silent_per_address
        if many or self._rates.wait(bucket, self._connects, now):
            self.refused += 1
            return False
        self._spend(bucket, self._connects, now, 1)
        self._silent_at[address] += 1
        visit.address, visit.located = address, True
        return True

    def welcome(self, visit: Visit, grant: Grant) -> bool:
        """A visitor has said its key; False where that key, or its address, has enough of them."""
        publishable = grant.kind == "publishable"
        if publishable and (
            self._open_at[visit.address] >= self._bounds.connections_per_address
            or self._open_with[grant.key_id] >= self._bounds.connections_per_key
        ):
            self.refused += 1
            return False
        self._speaks(visit)
        visit.key_id, visit.kind = grant.key_id, grant.kind
        if publishable:
            self._open_at[visit.address] += 1
            self._open_with[grant.key_id] += 1
        return True

    def leave(self, visit: Visit) -> None:
        """The connection is gone."""
        self.visits -= 1
        if not visit.key_id:
            self._speaks(visit)
        elif visit.kind == "publishable":
            _less(self._open_at, visit.address)
            _less(self._open_with, visit.key_id)

    def _speaks(self, visit: Visit) -> None:
        self.silent -= 1
        if visit.located:
            _less(self._silent_at, visit.address)


def _limit(per_second: float) -> Limit:
    return Limit(per_second, max(LEAST_BURST, round(BURST_SECONDS * per_second)))


def _less(counted: Counter[str], name: str) -> None:
    """One less; nothing stays behind of what is not there any more."""
    counted[name] -= 1
    if not counted[name]:
        del counted[name]


def counted(address: str) -> str:
    """What an address counts as: of IPv6 the /64, which is what one house gets."""
    try:
        found = ip_address(address)
    except ValueError:
        # A stream without a socket, or what a proxy wrote that is no address.
        return address[:64]
    if found.version == 4:
        return address
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False).network_address)
