"""What an event is told with: whose life it belongs to, when it happened, what the shop knows."""

from __future__ import annotations

import msgspec

from ecrm import facts, money
from ecrm.catalogue import EMPTY, Shelf
from ecrm.moment import Instant
from ecrm.state import Line, State
from proto import events

Facts = tuple[facts.AnyFact, ...]


class Told(msgspec.Struct, frozen=True, gc=False):
    """One event in its context: who has said it about whom, when, in a shop of which currency and
    with which products.
    """

    state: State
    occurred: Instant
    currency: str
    shelf: Shelf = EMPTY

    def line(self, product: events.Product, currency: str) -> Line:
        """A product of an event as a line, with what the catalogue knows of its kind."""
        known = self.shelf.known.get(product.product_id)
        line = Line(
            product_id=product.product_id,
            quantity=product.quantity or 1,
            price=money.minor_units(product.price or 0, currency),
            name=product.name or "",
            variant=product.variant or "",
            category=product.category or "",
            url=product.url or "",
            image_url=product.image_url or "",
        )
        if known is None:
            return line
        return msgspec.structs.replace(
            line,
            series_id=known.series_id,
            edition=known.edition,
            purchase_kind=known.purchase_kind,
            recurring=known.recurring,
            cycle_days=known.cycle_days,
        )

    def lines(self, products: tuple[events.Product, ...], currency: str) -> tuple[Line, ...]:
        return tuple(self.line(product, currency) for product in products)
