"""The pulse: how late the event loop wakes who asked to be woken.

A loop that is late answers everybody late: a turn that takes long, a page that renders for a
second, a machine that has no time for us, all show here first. It beats in a service that serves
(`run.py serve`); a virtual clock has nothing to be late for.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

# Seconds. What holds the loop up for less than this may go unseen; a minute is remembered.
EVERY: Final = 0.25
KEPT: Final = 240


class Pulse:
    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=KEPT)

    async def beat(self) -> None:
        """Measure until cancelled."""
        while True:
            due = trio.current_time() + EVERY
            await trio.sleep_until(due)
            self._late.append(trio.current_time() - due)

    @property
    def latest(self) -> float:
        """The latest of the last minute's wakings, in seconds; 0 before the first."""
        return max(self._late, default=0.0)
