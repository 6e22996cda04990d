"""The catalogue: what it remembers, what a bare product id is completed with, what turns are given."""

from __future__ import annotations

import pytest

from actors.catalogue import Catalogue
from actors.store.memory import MemoryStore
from actors.store.port import Commit, ProductRow
from ecrm.catalogue import Taste
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


async def test_a_row_of_an_earlier_release_is_read():
    """As written before there were relations: msgpack, tagged with the event's name."""
    body = (
        b"\x84\xa6$event\xb0Product Upserted\xaaproduct_id\xa3cup\xa4name\xa5Tasse\xa5price\xcb@2"
        b"\x00\x00\x00\x00\x00\x00"
    )
    store = MemoryStore(lambda: Instant(0))
    await store.commit(Commit(products=[ProductRow("cup", Instant(1), body)]))
    catalogue = Catalogue()
    await catalogue.load(store)
    cup = catalogue.get("cup")
    assert (cup.name, cup.price, cup.currency, cup.in_stock) == ("Tasse", 1_800, "EUR", True)


def test_a_price_without_a_currency_is_in_the_shops():
    catalogue = Catalogue("JPY")
    catalogue.upsert(events.ProductUpserted(product_id="cup", price=1800), Instant(1))
    assert (catalogue.get("cup").price, catalogue.get("cup").currency) == (1_800, "JPY")


TASTE = Taste(had=frozenset(("cup",)), recent=("cup",))


def proposed(catalogue, relation):
    found = catalogue.shelf(TASTE, (relation,)).proposals.get(relation, ())
    return [proposal.product_id for proposal in found]


def test_a_turn_is_given_what_was_told(catalogue):
    assert proposed(catalogue, "complements") == []
    catalogue.upsert(events.ProductUpserted(product_id="tray", name="Tray", price=39), Instant(2))
    assert proposed(catalogue, "complements") == ["tray"]
    shelf = catalogue.shelf(TASTE, (), mentioned=("tray",))
    assert sorted(shelf.known) == ["cup", "tray"]


def test_what_is_told_of_a_product_later_does_not_lose_what_it_goes_with(catalogue):
    catalogue.upsert(events.ProductUpserted(product_id="tray", name="Tray", price=39), Instant(2))
    catalogue.upsert(events.ProductUpserted(product_id="cup", price=16.0), Instant(3))
    assert proposed(catalogue, "complements") == ["tray"]
    catalogue.upsert(events.ProductUpserted(product_id="tray", in_stock=False), Instant(4))
    assert proposed(catalogue, "complements") == []
    catalogue.upsert(events.ProductUpserted(product_id="tray", in_stock=True), Instant(5))
    assert proposed(catalogue, "complements") == ["tray"]


def test_what_orders_teach_is_proposed(catalogue):
    catalogue.upsert(events.ProductUpserted(product_id="tea", name="Tea", price=9), Instant(2))
    for basket in [["cup", "tea"]] * 3 + [["tray"]] * 5:
        catalogue.learn(basket)
    assert proposed(catalogue, "bought_with") == ["tea"]
    catalogue.relearn([["tray"]])
    assert proposed(catalogue, "bought_with") == []


def test_a_release_finds_the_editions_before_it(catalogue):
    for edition in (24, 25, 26):
        told = events.ProductUpserted(
            product_id=f"fifa-{edition}", series_id="fifa", edition=edition
        )
        catalogue.upsert(told, Instant(2))
    assert catalogue.earlier_editions("fifa-26") == ("fifa-25", "fifa-24")
    assert catalogue.earlier_editions("cup", "fifa", "25") == ("fifa-24",)
