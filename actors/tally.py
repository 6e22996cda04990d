"""The tally of mails: what became of them, by programme and lane, and how soon they were taken.

A mail is counted when it is on disk what became of it. `again` is an attempt that failed and leaves
the mail in the queue; what waits only for its rate was no attempt and is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from actors.spread import MAILS, Spread
from actors.store import port
from ecrm.mail import Lane, Mail
from ecrm.moment import Instant

AGAIN = "again"


class Tally:
    """`mails` by (programme, lane, outcome); `waits` is by lane, from the decision to the hand-over
    of those that were accepted.
    """

    def __init__(self) -> None:
        self.mails: Counter[tuple[str, Lane, str]] = Counter()
        self.waits: dict[Lane, Spread] = {lane: Spread(MAILS) for lane in (0, 1, 2, 3)}

    @property
    def accepted(self) -> int:
        """How many mails were handed over."""
        return sum(n for (_, _, outcome), n in self.mails.items() if outcome == "accepted")

    def settled(
        self, results: Iterable[port.Settled], mails: Mapping[str, Mail], now: Instant
    ) -> None:
        """These were handed over, or tried."""
        for one in results:
            wanted = mails[one.mail_id]
            outcome = AGAIN if one.state == "queued" else one.state
            self.mails[wanted.programme, wanted.lane, outcome] += 1
            if one.state == "accepted":
                self.waits[wanted.lane].note((now - wanted.at) / 1_000)

    def kept_back(self, results: Iterable[port.Settled], mails: Mapping[str, Mail]) -> None:
        """These were not even tried."""
        for one in results:
            if one.state != "queued":
                wanted = mails[one.mail_id]
                self.mails[wanted.programme, wanted.lane, one.state] += 1
