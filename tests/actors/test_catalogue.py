"""The catalogue: what a bare product id is completed with, and what it never overrides."""

from __future__ import annotations

import pytest

from actors.catalogue import Catalogue
from actors.store.memory import MemoryStore
from actors.store.port import Commit
from ecrm.moment import Instant
from proto import envelope, events

CUP = events.ProductUpserted(
    product_id="cup",
    name="Tasse",
    price=18.0,
    currency="EUR",
    category="tea",
    url="https://shop.example/cup",
    image_url="https://shop.example/cup.jpg",
    complements=("tray",),
)


@pytest.fixture
def catalogue():
    catalogue = Catalogue()
    catalogue.upsert(CUP, Instant(1))
    return catalogue


def about(event):
    return envelope.Message(
        kind="track", message_id="m1", event_name="x", event=event, timestamp=0, user_id="zoe"
    )


def test_a_bare_product_is_completed(catalogue):
    completed = catalogue.enrich(about(events.ProductAdded(product_id="cup", quantity=2))).event
    assert completed == events.ProductAdded(
        product_id="cup",
        quantity=2,
        name="Tasse",
        price=18.0,
        currency="EUR",
        category="tea",
        url="https://shop.example/cup",
        image_url="https://shop.example/cup.jpg",
    )


def test_what_the_event_says_stands(catalogue):
    said = events.ProductAdded(product_id="cup", name="Tasse bleue", price=15.0)
    completed = catalogue.enrich(about(said)).event
    assert (completed.name, completed.price, completed.category) == ("Tasse bleue", 15.0, "tea")


def test_every_line_of_an_order_is_completed(catalogue):
    lines = (events.Product(product_id="cup"), events.Product(product_id="unknown"))
    order = events.OrderCompleted(order_id="o1", products=lines)
    cup, unknown = catalogue.enrich(about(order)).event.products
    assert cup.name == "Tasse"
    assert unknown == lines[1]


def test_a_price_in_another_currency_is_not_taken_over(catalogue):
    said = events.ProductAdded(product_id="cup", currency="GBP")
    completed = catalogue.enrich(about(said)).event
    assert (completed.price, completed.currency, completed.name) == (None, "GBP", "Tasse")


def test_an_event_without_products_is_left_alone(catalogue):
    message = about(events.SignedUp())
    assert catalogue.enrich(message) is message


def test_a_product_that_nobody_told_of_is_left_alone(catalogue):
    message = about(events.ProductAdded(product_id="unknown"))
    assert catalogue.enrich(message).event == message.event


def test_what_is_told_again_changes_and_what_is_not_stays(catalogue):
    catalogue.upsert(events.ProductUpserted(product_id="cup", price=16.0), Instant(2))
    completed = catalogue.enrich(about(events.ProductAdded(product_id="cup"))).event
    assert (completed.price, completed.name) == (16.0, "Tasse")
    assert len(catalogue) == 1


async def test_a_later_start_knows_what_an_earlier_one_was_told(catalogue):
    store = MemoryStore(lambda: Instant(0))
    row = catalogue.upsert(events.ProductUpserted(product_id="cup", price=16.0), Instant(2))
    await store.commit(Commit(products=[row]))
    later = Catalogue()
    await later.load(store)
    message = about(events.ProductAdded(product_id="cup"))
    assert later.enrich(message) == catalogue.enrich(message)
    assert later.upsert(events.ProductUpserted(product_id="cup"), Instant(2)).body == row.body
