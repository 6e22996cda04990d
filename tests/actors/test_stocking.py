"""A file of products into the catalogue: of a store at rest, and through the running service."""

from __future__ import annotations

import pytest

from actors import imports, stocking, tables
from actors.catalogue import Catalogue
from actors.client import greet
from actors.gateway import EVENTS_PATH
from actors.store.memory import MemoryStore
from tests.worlds import SECRET

NOW = 1_770_000_000_000

FILE = """product_id,name,price,currency,complements,colour
lamp,Lamp,89.00,EUR,bulb|shade,red
bulb,Bulb,abc,EUR,,
shade,Shade,19.00,EUR,,
"""
REFUSED = [(3, "price: 'abc' is no number: write 1234.50")]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


async def stocked(store):
    catalogue = Catalogue("EUR")
    await catalogue.load(store)
    return catalogue


async def test_the_rows_of_a_file_are_in_the_catalogue_and_the_wrong_ones_are_told(file):
    store, lines = MemoryStore(lambda: NOW), []
    done = await stocking.into_store(imports.read_products(file), store, "EUR", NOW, lines.append)
    catalogue = await stocked(store)
    assert (done.products, done.refused) == (2, REFUSED)
    assert [line for line, _ in done.notes] == [1]
    assert catalogue.get("lamp").complements == ("bulb", "shade")
    assert catalogue.get("bulb") is None
    assert lines[-1] == tables.count_lines(file)


async def test_what_was_known_of_a_product_and_is_not_said_again_stays(file, tmp_path):
    store = MemoryStore(lambda: NOW)
    await stocking.into_store(imports.read_products(file), store, "EUR", NOW, lambda _: None)
    again = tmp_path / "prices.csv"
    again.write_text("product_id,price\nlamp,79\n", encoding="utf-8")
    await stocking.into_store(imports.read_products(again), store, "EUR", NOW, lambda _: None)
    lamp = (await stocked(store)).get("lamp")
    assert (lamp.price, lamp.name, lamp.complements) == (7_900, "Lamp", ("bulb", "shade"))


async def test_more_rows_than_one_commit_takes_all_arrive(tmp_path):
    many = tmp_path / "many.jsonl"
    rows = (f'{{"product_id": "p{n}", "name": "P{n}", "price": {n}}}' for n in range(1_201))
    many.write_text("\n".join(rows), encoding="utf-8")
    store = MemoryStore(lambda: NOW)
    done = await stocking.into_store(imports.read_products(many), store, "EUR", NOW, lambda _: None)
    assert done.products == len(await stocked(store)) == 1_201


async def test_a_running_service_is_told_the_same(autojump_clock, world, file):
    client = await greet(await world.dial(EVENTS_PATH), SECRET)
    rows = list(imports.read_products(file))
    done = await stocking.through_service(rows, client, "import/1", lambda _: None)
    assert (done.products, done.refused) == (2, REFUSED)
    assert world.service.catalogue.get("lamp").price == 8_900
    # A later import of the same file counts as well: a price may have changed in between.
    shop = await world.shop()
    await shop.sells("lamp", price=50)
    await stocking.through_service(rows, client, "import/2", lambda _: None)
    assert world.service.catalogue.get("lamp").price == 8_900
