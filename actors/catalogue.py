"""The catalogue: what the shop's products are called, cost and look like.

Fed by `Product Upserted`. The turn loop asks it to complete an event before the customer decides on
it, so that a cart line that came as a bare product id has a name, a price and a picture in the
mail, and turns stay pure.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec.structs import replace

from actors.store import port
from ecrm.moment import Instant
from proto import envelope, events

P = TypeVar("P", bound=events.Product)

# What a line takes over from the catalogue where the event does not say it.
_COMPLETED = ("name", "price", "category", "variant", "url", "image_url", "currency")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(events.ProductUpserted).decode


class Catalogue:
    def __init__(self) -> None:
        self._products: dict[str, events.ProductUpserted] = {}

    def __len__(self) -> int:
        return len(self._products)

    async def load(self, store: port.Store) -> None:
        for row in await store.products():
            self._products[row.product_id] = _decode(row.body)

    def upsert(self, product: events.ProductUpserted, now: Instant) -> port.ProductRow:
        """Take in what is told of a product, keep what was told before, and make its row."""
        before = self._products.get(product.product_id)
        if before is not None:
            fields = product.__struct_fields__
            said = {name: getattr(product, name) for name in fields}
            product = replace(before, **{k: v for k, v in said.items() if v not in (None, ())})
        self._products[product.product_id] = product
        return port.ProductRow(product.product_id, now, _encode(product))

    def enrich(self, message: envelope.Message) -> envelope.Message:
        """The message with every product it names completed."""
        event = message.event
        if isinstance(event, events.Product):
            return replace(message, event=self._completed(event))
        products = getattr(event, "products", ())
        if not products:
            return message
        completed = tuple(self._completed(product) for product in products)
        return replace(message, event=replace(event, products=completed))

    def _completed(self, product: P) -> P:
        known = self._products.get(product.product_id)
        if known is None:
            return product
        said = {
            name: value
            for name in _COMPLETED
            if getattr(product, name) is None and (value := getattr(known, name)) is not None
        }
        # A price is only worth something in its own currency.
        if product.currency not in (None, known.currency):
            said.pop("price", None)
        return replace(product, **said) if said else product
