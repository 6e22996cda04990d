"""Housekeeping: forgets what is past its time, a little at a time, so that no commit waits long.

Message ids and hits after the window in which they can come again or count (wire §1), and mails
some months after they ended, as the settings say. A mail's id is derived from its cause, so
forgetting its row lets no second one out: what it was decided in is over long before. When keys
were last used, which may be lost, is written down on the way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from actors.clock import Clock
from actors.store import port
from ecrm.moment import DAY, Duration, Instant, days

WINDOW: Final = 30 * DAY
EVERY: Final = DAY
AT_ONCE: Final = 5_000
# Their links and hits go with them: each costs more than an id.
MAILS_AT_ONCE: Final = 500
# What links in mails, complaints and an audit need.
KEPT: Final = days(366)

Prune = Callable[[Instant, int], Awaitable[int]]


class Housekeeping:
    """`kept` is how long mails are known after they ended; `save` writes down what may be lost."""

    def __init__(
        self,
        store: port.Store,
        clock: Clock,
        kept: Duration = KEPT,
        save: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept
        self._save = save
        self.bell = clock.bell()

    async def run(self) -> None:
        while not self.bell.stopping:
            await self._prune(self._store.prune, WINDOW, AT_ONCE)
            await self._prune(self._store.register.prune_mails, self._kept, MAILS_AT_ONCE)
            await self._write_down()
            await self.bell.rest(Instant(self._clock.now() + EVERY))
        await self._write_down()
        self._clock.dismiss(self.bell)

    async def _prune(self, prune: Prune, after: int, limit: int) -> None:
        before = Instant(self._clock.now() - after)
        while not self.bell.stopping and await prune(before, limit):
            pass

    async def _write_down(self) -> None:
        if self._save is not None:
            await self._save()
