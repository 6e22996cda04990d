"""The reporter: tells customers what became of their mails.

A settled row of the outbox stands until its customer's turn about it is durable, so a report is
never lost and, being a row, never told twice to any effect.
"""

from __future__ import annotations

from typing import Final

from actors.clock import Clock
from actors.intake import Intake
from actors.store import port
from ecrm import mail, messages

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
                words = [(row.customer_id, await self._report(row)) for row in rows]
                await self._intake.relay([*words])
            else:
                await self.bell.rest()
        self._clock.dismiss(self.bell)

    async def _report(self, row: port.ReportRow) -> messages.Inward:
        """What a row says. Of a mail that was refused, where it was to go is looked up as well: of
        an accepted one nobody asks.
        """
        address = ""
        if row.state in ("dead", "expired"):
            found = await self._store.mail(row.mail_id)
            address = mail.decode(found).to if found is not None else ""
        return messages.Report(row.mail_id, row.state, row.response, row.bounce, address)
