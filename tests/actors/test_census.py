"""The nightly count: at three in the shop's morning, versioned, and never for nothing (R46)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio

from actors.census import AT_ONCE, Census
from actors.clock import TrioClock
from actors.store.memory import MemoryStore
from actors.store.port import BoughtRow, BuyerRow, Commit
from ecrm import calendar, facts, rfm
from ecrm.calendar import LocalTime
from ecrm.moment import DAY, HOUR, Instant
from proto import events
from tests.actors.house import PARIS, START, House
from tests.worlds import instant

# Three in the morning after Monday 2 March, in Paris.
NIGHT = instant("2026-03-03 03:00")


@pytest.fixture
async def house(autojump_clock):
    clock = TrioClock(START)
    return House(MemoryStore(clock.now), clock)


def census_of(house):
    return Census(house.store, house.clock, PARIS, house.catalogue, house.system.ledger)


@asynccontextmanager
async def counting(house):
    """The census at work, among the others."""
    census = census_of(house)
    async with house.lives(census):
        yield census


async def until(house, at):
    await trio.sleep((at - house.clock.now()) / 1_000)
    await house.clock.settled()


async def buy(house, count, *, first=0):
    """So many buyers: the n-th ordered n days ago, for n euros."""
    rows = [
        BuyerRow(f"c{n:04}", 1, n * 100, Instant(START - n * DAY), Instant(START - n * DAY))
        for n in range(first, first + count)
    ]
    await house.store.commit(Commit(buyers=rows))


async def version(house):
    row = await house.store.cuts()
    return None if row is None else row.version


async def test_it_counts_at_three_in_the_shops_morning_and_not_before(autojump_clock, house):
    await buy(house, 600)
    async with counting(house):
        await until(house, Instant(NIGHT - 1))
        assert house.system.ledger.cuts == rfm.FIXED
        await until(house, NIGHT)
        cuts = house.system.ledger.cuts
    assert (cuts.version, cuts.at, cuts.buyers, cuts.kind) == (1, NIGHT, 600, "quintiles")
    # Fifths of those who bought within a year, and of all by what they spent.
    assert cuts.recency == (72, 145, 219, 292)
    assert cuts.value == (12_000, 24_000, 36_000, 48_000)


@pytest.mark.parametrize(
    ("noon", "night"),
    # Before Sundays of 23 and of 25 hours.
    [("2026-03-27 12:00", 23 * HOUR), ("2026-10-23 12:00", 25 * HOUR)],
)
async def test_it_counts_once_a_night_where_the_clocks_change(autojump_clock, noon, night):
    clock = TrioClock(instant(noon))
    house = House(MemoryStore(clock.now), clock)
    await buy(house, 600)
    counted = []
    async with counting(house):
        for n in range(3):
            await buy(house, 200, first=600 + 200 * n)
            await until(house, calendar.next_local(Instant(clock.now() + 1), LocalTime(12), PARIS))
            counted.append(house.system.ledger.cuts)
    assert [cuts.version for cuts in counted] == [1, 2, 3]
    assert {f"{calendar.local(cuts.at, PARIS):%H:%M}" for cuts in counted} == {"03:00"}
    assert [b.at - a.at for a, b in pairwise(counted)] == [night, DAY]


async def test_the_cuts_are_saved_and_a_new_process_scores_by_them_from_its_start(
    autojump_clock, house
):
    await buy(house, 600)
    cuts = await census_of(house).count()
    after = house.restarted()
    await after.system.ledger.load(after.store, after.clock.now())
    assert after.system.ledger.cuts == cuts
    assert (cuts.version, await version(house)) == (1, 1)


async def test_the_same_cuts_keep_their_version_and_write_nothing(autojump_clock, house):
    await buy(house, 600)
    census = census_of(house)
    first = await census.count()
    await trio.sleep(DAY / 1_000 / 10)
    assert await census.count() is first
    assert await version(house) == 1
    await buy(house, 600, first=600)
    second = await census.count()
    assert (second.version, await version(house)) == (2, 2)
    assert second.value != first.value


async def test_few_buyers_keep_the_fixed_cuts_without_a_version(autojump_clock, house):
    await buy(house, rfm.FLOOR - 1)
    assert await census_of(house).count() == rfm.FIXED
    assert await version(house) is None


async def test_more_buyers_than_a_page_holds_are_all_counted(autojump_clock, house):
    await buy(house, 2 * AT_ONCE + 1)
    assert (await census_of(house).count()).buyers == 2 * AT_ONCE + 1


async def test_everybody_is_scored_by_the_new_cuts_from_the_next_turn_on(autojump_clock, house):
    bought = events.OrderCompleted(order_id="o1", total=20, currency="EUR")
    await house.identify("ana")
    await house.tell("ana", bought)
    assert (house.state("ana").rfm.value, house.state("ana").rfm.version) == (1, 0)
    await buy(house, 600)
    await census_of(house).count()
    assert house.state("ana").rfm.version == 0
    await house.tell("ana", events.ProductViewed(product_id="tea"))
    assert house.state("ana").rfm.version == 1
    [_, scored] = [fact for fact in house.facts("ana") if isinstance(fact, facts.Scored)]
    assert scored.score == house.state("ana").rfm


async def test_at_a_start_the_orders_of_the_past_are_learnt_again(autojump_clock, house):
    rows = [
        BoughtRow(product, f"c{n}", f"o{n:05}", START)
        for n in range(AT_ONCE + 5)
        for product in (("tea", "cup") if n % 2 else ("mat",))
    ]
    await house.store.commit(Commit(bought=rows))
    known = house.catalogue._products._bought
    assert known.popularity("tea") == 0
    async with counting(house):
        await house.clock.settled()
    assert (known.popularity("tea"), known.popularity("mat")) == (1_002, 1_003)
    assert [one.product_id for one in known.companions("tea")] == ["cup"]


async def test_learning_tells_how_many_orders_there_were(autojump_clock, house):
    rows = [BoughtRow("tea", "ana", f"o{n}", START) for n in range(3)]
    await house.store.commit(Commit(bought=rows))
    assert await census_of(house).learn() == 3


async def test_a_stop_ends_it_at_once_and_counts_nothing(autojump_clock, house):
    await buy(house, 600)
    async with counting(house) as census:
        await house.clock.settled()
        census.bell.stop()
        await house.clock.settled()
        await until(house, Instant(NIGHT + DAY))
    assert house.system.ledger.cuts == rfm.FIXED
