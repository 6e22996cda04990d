"""The census: what the books say about everybody, counted anew each night (delivery §5.4).

The fifths of all buyers are cut at three in the shop's morning, versioned, and every customer is
scored by them from its next turn on. At a start the orders of the past are learnt again, behind the
service that is running already: memory has forgotten what goes with what.
"""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

import structlog
import trio

from actors.catalogue import Catalogue
from actors.clock import Clock
from actors.ledger import Ledger
from actors.recount import recount
from actors.store import port
from ecrm import calendar, rfm
from ecrm.moment import Instant

log = structlog.get_logger()

AT: Final = calendar.LocalTime(3)
AT_ONCE: Final = 2_000


class Census:
    def __init__(
        self, store: port.Store, clock: Clock, zone: ZoneInfo, catalogue: Catalogue, ledger: Ledger
    ) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._catalogue = catalogue
        self._ledger = ledger
        self.bell = clock.bell()

    async def run(self) -> None:
        with self._clock.working():
            await self.learn()
            await recount(self._store, self.bell)
        while not self.bell.stopping:
            night = calendar.next_local(Instant(self._clock.now() + 1), AT, self._zone)
            await self.bell.rest(night)
            if not self.bell.stopping and self._clock.now() >= night:
                await self.count()
        self._clock.dismiss(self.bell)

    async def count(self) -> rfm.Cuts:
        """Cut the fifths of all buyers as they are now."""
        buyers: list[rfm.Buyer] = []
        after = ""
        while page := await self._store.buyers(after, AT_ONCE):
            buyers += (rfm.Buyer(row.count, row.total, row.first_at, row.last_at) for row in page)
            after = page[-1].customer_id
        version = self._ledger.cuts.version + 1
        cuts = rfm.cut_points(buyers, self._clock.now(), version)
        same = self._ledger.cuts
        if (cuts.recency, cuts.frequency, cuts.value) == (
            same.recency,
            same.frequency,
            same.value,
        ):
            # The same points need no new version: nobody's score would change.
            return same
        await self._store.save_cuts(self._ledger.recut(cuts))
        log.info("census", version=version, buyers=cuts.buyers, kind=cuts.kind)
        return cuts

    async def relearn(self) -> int:
        """Forget what goes with what, and learn it again; tell from how many orders."""
        self._catalogue.relearn(())
        return await self.learn()

    async def learn(self) -> int:
        """Learn from all orders of the past what is bought together; tell how many there were."""
        learnt, after = 0, ""
        while page := await self._store.baskets(after, AT_ONCE):
            for _, products in page:
                self._catalogue.learn(products)
            learnt += len(page)
            after = page[-1][0]
            await trio.lowlevel.checkpoint()
        return learnt
