"""The reporter: tells customers what became of their mails.

A settled row of the outbox stands until its customer's turn about it is durable, so a report is
never lost and, being a row, never told twice to any effect.
"""

from __future__ import annotations

from typing import Final

from actors.clock import Clock
from actors.intake import Intake
from actors.store import port
from ecrm import messages

AT_ONCE: Final = 256


class Reports:
    def __init__(self, store: port.Store, clock: Clock, intake: Intake) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock
        self.bell = clock.bell()

    async def run(self) -> None:
        while not self.bell.stopping:
            rows = await self._store.unreported(AT_ONCE)
            if rows:
                # A report that was not taken stands in its row, and comes again.
                await self._intake.relay([(row.customer_id, _report(row)) for row in rows])
            else:
                await self.bell.rest()
        self._clock.dismiss(self.bell)


def _report(row: port.ReportRow) -> messages.Report:
    return messages.Report(row.mail_id, row.state, row.response, row.bounce)
