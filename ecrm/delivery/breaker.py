"""The breaker: a transport that refuses *us* is left alone, and no mail pays for it (delivery
§1.4).

Wrong credentials or a relay that is not allowed are no mail's fault: the mails go back as they
were, and after a minute one is tried again, then after two, a quarter of an hour at most. The first
that is taken closes the breaker.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm.moment import MINUTE, Instant

FIRST: Final = MINUTE
LONGEST: Final = 15 * MINUTE


class Breaker(msgspec.Struct):
    """Open until `until`, for `why`; then one mail at a time is tried (`probing`)."""

    trips: int = 0
    until: Instant = Instant(0)
    why: str = ""

    @property
    def probing(self) -> bool:
        return self.trips > 0

    def is_open(self, now: Instant) -> bool:
        return self.until > now

    def trip(self, now: Instant, why: str) -> None:
        self.until = Instant(now + min(FIRST << min(self.trips, 10), LONGEST))
        self.trips += 1
        self.why = why

    def close(self) -> bool:
        """A mail was taken; tells whether it had been open."""
        was = self.probing
        self.trips, self.until, self.why = 0, Instant(0), ""
        return was
