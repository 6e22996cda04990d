"""The past of a file into the lives and the books of a store: once, whatever comes between."""

from __future__ import annotations

import pytest
import trio

from actors import past, remembering
from actors.census import Census
from actors.outside import open_outside
from actors.store import port
from actors.store.memory import MemoryStore
from actors.store.sqlite import open_store
from ecrm import facts, rfm
from ecrm.catalogue import Taste
from ecrm.errors import StoreBroken
from ecrm.messages import History, Past, SentBack
from ecrm.moment import DAY, Instant
from ecrm.rules import Rules
from proto import events
from tests.actors.house import START, House, SetClock
from tests.lives import shop

MANY = 600  # more than two batches of the turn loop


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore(lambda: START)
        return
    async with (
        open_outside() as outside,
        open_store(tmp_path / "ecrm.db", outside, lambda: START) as opened,
    ):
        yield opened


def order(who, order_id, *products, ago=30):
    at = Instant(START - ago * DAY)
    lines = tuple(events.Product(product_id=one, price=10) for one in products or ("tea",))
    told = {"order_id": order_id, "currency": "EUR", "total": 10 * len(lines), "products": lines}
    deeds = (
        events.SignedUp(), events.OrderCompleted(**told), events.OrderPaid(**told),
    )  # fmt: skip
    history = History("past.csv", tuple(Past(at, deed) for deed in deeds))
    return past.Remembrance(2, who, f"import/order/{order_id}", at, history)


def returned(who, name, **pieces):
    history = History("past.csv", (Past(START, SentBack(pieces)),))
    return past.Remembrance(9, who, f"import/return/{name}", START, history, takes_back=True)


async def told(store, *remembrances, stopping=None, progress=lambda _: None, products=()):
    found = past.Found(list(remembrances))
    found.products = {one.product_id: one for one in products}
    found.sort()
    stopping = trio.Event() if stopping is None else stopping
    return await remembering.into_store(found, store, Rules(shop()), START, progress, stopping)


async def life(store, who):
    """The state of a customer, as the next process wakes it."""
    house = House(store, SetClock())
    await house.system._load({who})
    return house.system._slots[who].state


async def test_the_past_is_in_the_lives_and_in_the_books(store):
    done = await told(
        store,
        order("ana", "o1", "tea", "cup"),
        order("ana", "o2", ago=3),
        returned("ana", "r", tea=1),
    )
    assert (done.told, done.known, done.orders, done.taken_back) == (3, 0, 2, 1)
    ana = await life(store, "ana")
    assert ana.purchases.count == 1
    assert ana.registered_at == START - 30 * DAY
    assert await store.baskets("", 10) == [("o1", ("cup", "tea")), ("o2", ("tea",))]
    (buyer,) = await store.buyers("", 10)
    assert (buyer.customer_id, buyer.count, buyer.total) == ("ana", 1, 2_000)
    assert await store.owners(["cup"], "", 10) == ["ana"]
    rows = await store.journal("ana", before=None, limit=10)
    assert [type(facts.decode(row.facts)[0]) for row in rows] == [facts.Remembered] * 3


async def test_nothing_waits_in_the_queue_and_no_programme_has_a_timer(store):
    await told(store, *(order(f"c{n}", f"o{n}") for n in range(20)))
    assert await store.queue_rows(None, None, 10) == []
    assert (await life(store, "c7")).timers == {}
    # The one alarm is the next look at the scores.
    assert await store.next_alarm() == (await life(store, "c7")).assess_at


async def test_a_file_told_twice_is_remembered_once_after_years_too(store):
    await told(store, order("ana", "o1"), returned("ana", "r", tea=1), order("max", "o2"))
    before = await life(store, "ana")
    while await store.prune(Instant(START + 3_000 * DAY), 100):
        pass
    again = await told(store, order("ana", "o1"), returned("ana", "r", tea=1), order("max", "o3"))
    assert (again.told, again.known) == (1, 2)
    assert await life(store, "ana") == before
    assert (await life(store, "max")).purchases.count == 2


async def test_a_stop_between_two_commits_loses_nothing_and_the_next_run_goes_on(store):
    stopping, all_orders = trio.Event(), [order(f"c{n:03}", f"o{n}") for n in range(MANY)]
    first = await told(store, *all_orders, stopping=stopping, progress=lambda _: stopping.set())
    assert first.stopped
    assert 0 < first.told < MANY
    second = await told(store, *all_orders)
    assert (second.known, second.told) == (first.told, MANY - first.told)
    assert {row.count for row in await store.buyers("", MANY)} == {1}


async def test_a_disk_that_fails_is_said_and_what_was_written_is_known_the_next_time():
    store = MemoryStore(lambda: START)
    all_orders = [order(f"c{n:03}", f"o{n}") for n in range(MANY)]
    with pytest.raises(StoreBroken):
        await told(store, *all_orders, progress=lambda _: store.fail_next(1))
    again = await told(store, *all_orders)
    assert again.known > 0
    assert again.known + again.told == MANY


async def test_the_fifths_are_cut_with_those_who_are_buyers_now(store):
    await told(store, *(order(f"c{n}", f"o{n}", ago=n % 200) for n in range(rfm.FLOOR)))
    cuts = await store.cuts()
    assert cuts.version == 1


async def test_the_catalogue_learns_what_it_lacks_and_keeps_what_it_knows(store):
    old = events.ProductUpserted(product_id="tea", name="Tea of 2010", price=1)
    await told(store, order("ana", "o1"), products=[old])
    now = events.ProductUpserted(product_id="tea", name="TEA", price=2)
    cup = events.ProductUpserted(product_id="cup", name="Cup", price=2)
    done = await told(store, order("ana", "o2"), products=[now, cup])
    assert done.products == 1
    bodies = {row.product_id: row.body for row in await store.products()}
    assert b"Tea of 2010" in bodies["tea"]
    assert b"Cup" in bodies["cup"]


async def test_what_is_bought_together_is_known_to_the_next_service(store):
    orders = [order(f"c{n}", f"o{n}", "tea", "cup") for n in range(4)]
    both = [events.ProductUpserted(product_id=one, name=one, price=2) for one in ("cup", "tea")]
    await told(store, *orders, products=both)
    await told(store, *(order(f"d{n}", f"p{n}", f"x{n}") for n in range(8)))
    house = House(store, SetClock())
    await house.catalogue.load(store)
    census = Census(
        store, house.clock, house.system.rules.zone, house.catalogue, house.system.ledger
    )
    assert await census.learn() == 12
    together = house.catalogue.shelf(Taste(recent=("tea",)), {"bought_with"})
    assert [one.product_id for one in together.proposals["bought_with"]] == ["cup"]


async def test_what_a_life_is_held_for_is_said_by_its_line(store):
    await told(store, order("ana", "o1"))
    await store.commit(port.Commit(holds=[port.HoldRow("ana", START, "cannot be read")]))
    done = await told(store, order("ana", "o2"), order("max", "o3"))
    assert done.refused == [(2, "customer ana is held: cannot be read")]
    assert done.told == 1


async def test_a_live_order_after_the_past_is_a_next_one(store):
    await told(store, order("ana", "o1"))
    house = House(store, SetClock())
    await house.identify("ana")
    await house.tell("ana", events.SignedUp())
    paid = events.OrderPaid(order_id="o2", total=10, currency="EUR")
    await house.tell("ana", paid)
    queued = [row.kind for row in await store.queue_rows(None, "ana", 10)]
    assert queued == ["k11"]
