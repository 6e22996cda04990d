"""The catalogue: what the shop's products are, and what goes with what.

Fed by `Product Upserted`, kept in the store as it was told, and turned into `ecrm/catalogue.py`'s
products in memory. Before a turn the turn loop asks it to complete the event, so that a cart line
that came as a bare product id has a name, a price and a picture in the mail, and for the shelf that
the turn chooses its proposals from; so turns stay pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from actors.store import port
from ecrm import catalogue, messages
from ecrm.mail import Relation
from ecrm.moment import Instant
from proto import envelope, events

P = TypeVar("P", bound=events.Product)
E = TypeVar("E", bound=msgspec.Struct)

# What a line takes over from the catalogue where the event does not say it.
_COMPLETED = ("name", "price", "category", "variant", "url", "image_url", "currency")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(events.ProductUpserted).decode


class Catalogue:
    """`currency` is the shop's, for prices without one; the default is `Shop`'s own."""

    def __init__(self, currency: str = "EUR") -> None:
        self._currency = currency
        self._told: dict[str, events.ProductUpserted] = {}
        self._products = catalogue.Catalogue()

    def __len__(self) -> int:
        return len(self._told)

    async def load(self, store: port.Store) -> None:
        for row in await store.products():
            self._take(_decode(row.body))

    def upsert(self, product: events.ProductUpserted, now: Instant) -> port.ProductRow:
        """Take in what is told of a product, keep what was told before, and make its row."""
        before = self._told.get(product.product_id)
        if before is not None:
            fields = product.__struct_fields__
            said = {name: getattr(product, name) for name in fields}
            product = replace(before, **{k: v for k, v in said.items() if v not in (None, ())})
        self._take(product)
        return port.ProductRow(product.product_id, now, _encode(product))

    def enrich(self, message: messages.Incoming) -> messages.Incoming:
        """The message with every product it names completed."""
        match message:
            case envelope.Message(event=event):
                completed = self._enriched(event)
                return message if completed is event else replace(message, event=completed)
            case messages.History(past=past):
                return replace(
                    message, past=tuple(replace(one, deed=self._enriched(one.deed)) for one in past)
                )
            case _:
                return message

    def _enriched(self, event: E) -> E:
        if isinstance(event, events.Product):
            return self._completed(event)
        products = getattr(event, "products", ())
        if not products:
            return event
        return replace(event, products=tuple(self._completed(product) for product in products))

    def get(self, product_id: str) -> catalogue.Product | None:
        return self._products.get(product_id)

    def learn(self, basket: Sequence[str]) -> None:
        """Take in the product ids of one order; the caller tells each order once."""
        self._products.learn(basket)

    def relearn(self, baskets: Iterable[Sequence[str]]) -> None:
        """Forget all orders, and learn these."""
        self._products.relearn(baskets)

    def shelf(
        self,
        taste: catalogue.Taste,
        relations: Collection[Relation],
        mentioned: Iterable[str] = (),
    ) -> catalogue.Shelf:
        """What a turn of this person is given of the catalogue."""
        return self._products.shelf(taste, relations, mentioned)

    def earlier_editions(
        self, product_id: str, series_id: str = "", edition: str = ""
    ) -> tuple[str, ...]:
        """The products of its series that came before it, the newest of them first (R35); what a
        release says of `series_id` and `edition` counts before what is known.
        """
        return self._products.earlier_editions(product_id, series_id, edition)

    def _take(self, product: events.ProductUpserted) -> None:
        self._told[product.product_id] = product
        self._products.put(catalogue.product_of(product, self._currency))

    def _completed(self, product: P) -> P:
        known = self._told.get(product.product_id)
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
