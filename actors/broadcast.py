"""Broadcasts: what is told to many (a release, a campaign), page by page, behind live events.

A broadcast is a row with a cursor. A page of customers is told and waited for before the cursor
moves on, so a crash or a failed commit repeats one page at most, and a customer who hears it again
answers as before: the telling has a dedupe key like any message. Between pages there is a pause,
and of each batch of the turn loop only a share is for words from inside: a hundred thousand owners
cost a live event nothing that anybody would feel.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from actors.catalogue import Catalogue
from actors.clock import Clock
from actors.intake import Intake
from actors.store import port
from ecrm import condition, matters, messages, readings
from ecrm.errors import Rejected
from ecrm.moment import Instant, instant_of
from proto import events

# A page holds the turn loop up for as long as its turns take: 16 ms for so many on a slow core.
AT_ONCE: Final = 32
PAUSE: Final = 50  # ms from the end of a page to the next: some 400 customers a second

Launch = events.ProductReleased | events.CampaignLaunched


class Announcer:
    """Makes the row of a broadcast from its event; `templates` are those that exist."""

    def __init__(self, catalogue: Catalogue, templates: Collection[str]) -> None:
        self._catalogue = catalogue
        self._templates = templates

    def row(self, event: Launch, now: Instant) -> port.BroadcastRow:
        """Raises Rejected, saying what is wrong with the launch."""
        if isinstance(event, events.ProductReleased):
            return self._release(event, now)
        return self._campaign(event, now)

    def _release(self, event: events.ProductReleased, now: Instant) -> port.BroadcastRow:
        known = self._catalogue.get(event.product_id)
        if known is None:
            raise Rejected(
                "invalid",
                f"the catalogue does not know {event.product_id!r}: send Product Upserted first",
                "$.properties.product_id",
            )
        edition = known.edition if event.edition is None else str(event.edition)
        release = matters.Release(
            product_id=event.product_id,
            series_id=event.series_id,
            edition=edition,
            name=known.name or known.product_id,
            price=known.price,
            currency=known.currency,
            url=known.url,
            image_url=known.image_url,
        )
        start = now if event.released_at is None else instant_of(event.released_at)
        audience = self._catalogue.earlier_editions(event.product_id, event.series_id, edition)
        return _row(f"release/{event.product_id}", release, audience, start, now)

    def _campaign(self, event: events.CampaignLaunched, now: Instant) -> port.BroadcastRow:
        if f"newsletter/{event.template}" not in self._templates:
            raise Rejected(
                "invalid",
                f"there is no template newsletter/{event.template}",
                "$.properties.template",
            )
        segment = event.segment or ""
        try:
            readings.check(condition.parse(segment))
        except ValueError as error:
            raise Rejected("invalid", str(error), "$.properties.segment") from None
        campaign = matters.Campaign(event.campaign_id, event.template, event.subject or "", segment)
        start = now if event.schedule is None else instant_of(event.schedule)
        return _row(f"campaign/{event.campaign_id}", campaign, (), start, now)


def _row(
    name: str,
    matter: matters.Release | matters.Campaign,
    audience: tuple[str, ...],
    start: Instant,
    now: Instant,
) -> port.BroadcastRow:
    announce = messages.encode(messages.Announce(name, matter))
    # A release without earlier editions has nobody to tell; no audience would mean everybody.
    done = isinstance(matter, matters.Release) and not audience
    return port.BroadcastRow(name, now, max(start, now), audience, announce, done=done)


class Broadcasts:
    """Tells what the rows say. `told` counts the customers."""

    def __init__(self, store: port.Store, clock: Clock, intake: Intake) -> None:
        self.told = 0
        self._store = store
        self._clock = clock
        self._intake = intake
        self.bell = clock.bell()

    async def run(self) -> None:
        while not self.bell.stopping:
            now = self._clock.now()
            waiting = await self._store.broadcasts()
            due = [row for row in waiting if row.start <= now]
            for row in due:
                await self._page(row)
            if due:
                await self.bell.rest(Instant(self._clock.now() + PAUSE))
            else:
                await self.bell.rest(min((row.start for row in waiting), default=None))
        self._clock.dismiss(self.bell)

    async def _page(self, row: port.BroadcastRow) -> None:
        page = (
            await self._store.owners(list(row.audience), row.cursor, AT_ONCE)
            if row.audience
            else await self._store.people(row.cursor, AT_ONCE)
        )
        announce = messages.decode(row.message)
        if page:
            words = [(one, announce) for one in page]
            if not await self._intake.relay(words, about=f"told {row.broadcast_id}"):
                # The cursor stays: the page is told again, and taken by those who have not.
                return
        self.told += len(page)
        cursor = page[-1] if page else row.cursor
        await self._store.advance(row.broadcast_id, cursor, done=len(page) < AT_ONCE)
