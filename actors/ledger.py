"""The ledger: what turns tell the shop's own books, and what the books tell turns.

A turn sees one customer; some questions are about all of them. Who owns an edition, what is bought
together, where the fifths of all buyers lie, what a programme's coupons have cost this month, how
satisfied the parcels of a week were: each has its rows, written in the very commit of the turn, so
the books never disagree with the lives.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from actors import numbers
from actors.catalogue import Catalogue
from actors.store import port
from ecrm import calendar, customer, facts, rfm
from ecrm.moment import CustomerId, Instant
from ecrm.shop import Shop
from ecrm.state import Order, State

SITE: Final = "site"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(rfm.Cuts).decode


class Ledger:
    """`spent` is by programme, of the month that the last turn lay in; `cuts` are the current cut
    points of RFM.
    """

    def __init__(self, shop: Shop, zone: ZoneInfo, catalogue: Catalogue) -> None:
        self._shop = shop
        self._zone = zone
        self._catalogue = catalogue
        self._month, self._ends = "", Instant(0)
        self._spent: dict[str, int] = {}
        self.cuts = rfm.FIXED

    async def load(self, store: port.Store, now: Instant) -> None:
        self._begin_month(now)
        self._spent = await store.spent(self._month)
        row = await store.cuts()
        if row is not None:
            self.cuts = _decode(row.body)

    def spent(self, now: Instant) -> dict[str, int]:
        """What each programme's coupons have cost in the month of `now`."""
        if now >= self._ends:
            self._begin_month(now)
        return self._spent

    def copied(self) -> Ledger:
        """The books as they stand, for whoever looks at another month without beginning it."""
        return copy(self)

    def _begin_month(self, now: Instant) -> None:
        # Where it ends is remembered: every turn asks for the sums.
        first = calendar.local(now, self._zone).date().replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        self._month, self._spent = f"{first:%Y-%m}", {}
        self._ends = calendar.resolve(following, calendar.LocalTime(0), self._zone)

    def week_of(self, at: Instant) -> str:
        return f"{calendar.local(at, self._zone):%G-W%V}"

    def recut(self, cuts: rfm.Cuts) -> port.CutsRow:
        """Score by these cut points from now on."""
        self.cuts = cuts
        return port.CutsRow(cuts.version, cuts.at, _encode(cuts))

    def write(self, before: State, taken: customer.Taken, rows: port.Commit) -> None:
        """The rows that a turn makes; visitors have no place in the books before they are known."""
        after = taken.after
        if not after.is_visitor and after.orders is not before.orders:
            self._write_orders(before, after, rows)
        if not after.is_visitor and after.purchases != before.purchases:
            rows.buyers.append(_buyer(after))
        if after.person.email != before.person.email:
            email = after.person.email.casefold()
            rows.addresses.append(port.AddressRow(after.customer_id, email))
        rows.stands += numbers.stands(before, taken)
        rows.counts += numbers.brought(before, taken)
        for fact in taken.facts:
            match fact:
                case facts.SiteRated(order_id=order_id, score=score):
                    # The week in which the parcel left: the carrier's work, not the answer's (R82).
                    sent = _sent_at(after.orders.get(order_id)) or after.now
                    rows.ratings.append(port.RatingRow(SITE, self.week_of(sent), score))
                case facts.SurveyTaken(survey=survey, score=score):
                    rows.ratings.append(port.RatingRow(survey, self.week_of(after.now), score))
                case facts.OfferUsed(programme=programme, cost=cost, currency=currency):
                    if currency == self._shop.currency:
                        self._book(programme, cost, after.now, rows)
                case _:
                    pass

    def _write_orders(self, before: State, after: State, rows: port.Commit) -> None:
        who = after.customer_id
        for order_id, order in sorted(after.orders.items()):
            known = before.orders.get(order_id)
            if order is known or not order.bought or (known is not None and known.bought):
                continue
            products = list(dict.fromkeys(line.product_id for line in order.lines))
            at = order.placed_at or order.paid_at or after.now
            rows.bought += [port.BoughtRow(one, who, order_id, at) for one in products]
            self._catalogue.learn(products)

    def _book(self, programme: str, cost: int, now: Instant, rows: port.Commit) -> None:
        spent = self.spent(now)
        spent[programme] = spent.get(programme, 0) + cost
        rows.spent.append(port.SpentRow(programme, self._month, cost))

    def unbook(self, rows: list[port.SpentRow]) -> None:
        """The disk did not take these."""
        for row in rows:
            if row.month == self._month:
                self._spent[row.programme] -= row.cost


def _buyer(state: State) -> port.BuyerRow:
    sums, who = state.purchases, CustomerId(state.customer_id)
    first, last = sums.first_at or Instant(0), sums.last_at or Instant(0)
    return port.BuyerRow(who, sums.count, sums.total, first, last)


def _sent_at(order: Order | None) -> Instant | None:
    if order is None:
        return None
    return min((parcel.shipped_at for parcel in order.parcels), default=None)
