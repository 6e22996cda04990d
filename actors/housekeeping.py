"""Housekeeping: forgets message ids past the window in which they can come again (wire §1)."""

from __future__ import annotations

from typing import Final

from actors.clock import Clock
from actors.store import port
from ecrm.moment import DAY, Instant

WINDOW: Final = 30 * DAY
EVERY: Final = DAY
AT_ONCE: Final = 5_000


class Housekeeping:
    def __init__(self, store: port.Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.bell = clock.bell()

    async def run(self) -> None:
        while not self.bell.stopping:
            before = Instant(self._clock.now() - WINDOW)
            while await self._store.prune(before, AT_ONCE) and not self.bell.stopping:
                pass
            await self.bell.rest(Instant(self._clock.now() + EVERY))
        self._clock.dismiss(self.bell)
