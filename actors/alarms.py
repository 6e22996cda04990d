"""The alarm keeper: wakes customers when their earliest timer is due.

The rows are the truth, and there is one per customer (law 5). The keeper reads those that are due,
in the order of (due, customer), gives each a tick that says nothing, and waits until their turns
are durable before it reads on: a backlog after an outage drains at the pace of the turn loop,
behind live events, and no customer ever has two ticks in flight. Lost, late or repeated ticks are
harmless.
"""

from __future__ import annotations

from typing import Final

from actors.clock import Clock
from actors.intake import Intake
from actors.store import port
from ecrm import messages

AT_ONCE: Final = 256


class Alarms:
    def __init__(self, store: port.Store, clock: Clock, intake: Intake) -> None:
        self.ticks = 0
        self._store = store
        self._clock = clock
        self._intake = intake
        self.bell = clock.bell()

    async def run(self) -> None:
        """Keep ticking until stopped."""
        while not self.bell.stopping:
            due = await self._store.due(self._clock.now(), AT_ONCE)
            if due:
                # A customer that could not take its turn is still due, and its row says so.
                await self._intake.relay([(one, messages.Tick()) for one in due])
                self.ticks += len(due)
            if len(due) < AT_ONCE:
                await self.bell.rest(await self._store.next_alarm())
        self._clock.dismiss(self.bell)
