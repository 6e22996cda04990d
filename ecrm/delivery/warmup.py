"""Warm-up: a new sender writes to few people first and to more each day, or is taken for a spammer.

Only what is not owed is held back (lanes 2 and 3): a confirmation waits for no reputation.
"""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from ecrm import calendar
from ecrm.moment import Instant


class WarmUp(msgspec.Struct, frozen=True, gc=False):
    """`first` mails on the day `start`, `factor` times as many on each that follows, until `days`
    have passed.
    """

    start: date
    first: int = 200
    factor: float = 1.5
    days: int = 30

    def allowance(self, now: Instant, zone: ZoneInfo) -> int | None:
        """How many mails may go on the local day of `now`; None where there is no limit (any more).

        Before its start nothing is held back either: the old sender goes on.
        """
        day = (calendar.local(now, zone).date() - self.start).days
        if not 0 <= day < self.days:
            return None
        return int(self.first * self.factor**day)


def day_key(now: Instant, zone: ZoneInfo) -> str:
    """Under what name the mails of a day are counted."""
    return f"warm-up/{calendar.local(now, zone).date().isoformat()}"
