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
        self._bell = clock.bell()
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True
        self._bell.ring()

    async def run(self) -> None:
        while not self._stopping:
            before = Instant(self._clock.now() - WINDOW)
            while await self._store.prune(before, AT_ONCE) and not self._stopping:
                pass
            await self._bell.rest(Instant(self._clock.now() + EVERY))
        self._clock.dismiss(self._bell)
