"""The shop's own books say exactly what turns said, and a commit that failed never (R46, R82)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from actors.store.memory import MemoryStore
from actors.store.port import BoughtRow, BuyerRow
from ecrm import facts, programmes, rfm
from ecrm.moment import DAY, HOUR, Instant
from ecrm.rules import Rules
from proto import events
from tests.actors.house import START, House, SetClock, farewell
from tests.lives import shop

FULL = Rules(shop())


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def store(clock):
    return MemoryStore(clock.now)


@pytest.fixture
def house(store, clock):
    return House(store, clock, FULL)


def order(order_id, *products, price=10, **more):
    lines = tuple(events.Product(product_id=one, price=price) for one in products)
    return {"order_id": order_id, "products": lines, "currency": "EUR", **more}


async def knows(house, user):
    await house.identify(user)
    granted = events.ConsentUpdated(purpose="email_marketing", state="granted")
    await house.tell(user, granted)


def bought(house):
    return sorted(
        (row.customer_id, row.order_id, row.product_id)
        for row in house.store._ledger._bought.values()
    )


async def buyer(house, user="ana"):
    [row] = [row for row in await house.store.buyers("", 10) if row.customer_id == user]
    return row


# What was bought, and by whom.


async def test_an_order_is_a_row_for_each_of_its_products(house):
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", "cup", "tea")))
    assert {*house.store._ledger._bought.values()} == {
        BoughtRow("tea", "ana", "o1", START),
        BoughtRow("cup", "ana", "o1", START),
    }


async def test_an_order_that_is_told_in_parts_is_booked_once(house, clock):
    told = order("o1", "tea", total=12)
    await house.tell("ana", events.OrderCompleted(**told))
    clock.at = Instant(START + HOUR)
    await house.tell("ana", events.OrderPaid(**told), events.OrderPrepared(order_id="o1"))
    assert bought(house) == [("ana", "o1", "tea")]
    assert await buyer(house) == BuyerRow("ana", 1, 1_200, START, START)
    assert await house.store.baskets("", 10) == [("o1", ("tea",))]


async def test_a_buyers_row_is_the_sum_of_all_orders(house, clock):
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", total=12)))
    clock.at = Instant(START + 9 * DAY)
    await house.tell("ana", events.OrderCompleted(**order("o2", "cup", total=30)))
    assert await buyer(house) == BuyerRow("ana", 2, 4_200, START, START + 9 * DAY)


async def test_a_cancelled_order_leaves_the_sums_and_the_only_one_takes_the_buyer_with_it(house):
    for name, total in (("o1", 12), ("o2", 30)):
        await house.tell("ana", events.OrderCompleted(**order(name, "tea", total=total)))
    await house.tell("ana", events.OrderCancelled(order_id="o2"))
    assert (await buyer(house)).total == 1_200
    await house.tell("ana", events.OrderCancelled(order_id="o1"))
    assert await house.store.buyers("", 10) == []


async def test_a_turn_that_says_nothing_of_orders_writes_nothing_into_the_books(house):
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea")))
    house.store._ledger._bought.clear()
    house.store._ledger._buyers.clear()
    await house.tell("ana", events.ProductAdded(product_id="cup"), events.SignedUp())
    assert bought(house) == []
    assert await house.store.buyers("", 10) == []


async def test_a_visitors_order_is_booked_when_it_is_known_whose_it_is(house):
    message = house.message(None, events.OrderCompleted(**order("o1", "tea")), anonymous_id="v")
    house.offer(message)
    await house.exhaust()
    assert bought(house) == []
    assert await house.store.buyers("", 10) == []
    await house.identify("ana", anonymous_id="v")
    await house.exhaust()
    assert bought(house) == [("ana", "o1", "tea")]
    assert (await buyer(house)).count == 1


async def test_an_order_teaches_what_goes_together(house):
    for n in range(8):
        await house.tell(f"c{n}", events.OrderCompleted(**order(f"o{n}", "tea", "cup")))
        await house.tell(f"d{n}", events.OrderCompleted(**order(f"p{n}", "mat")))
    companions = house.catalogue._products._bought.companions("tea")
    assert [one.product_id for one in companions] == ["cup"]


# How satisfied they were.


async def test_a_rating_of_the_site_counts_for_the_week_in_which_the_parcel_left(house, clock):
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea")))
    # Sunday evening, the last of the week of 2 March; then Monday.
    clock.at = _at("2026-03-08T21:00:00+00:00")
    await house.tell("ana", events.OrderFulfilled(order_id="o1", fulfillment_id="a"))
    clock.at = _at("2026-03-08T23:30:00+00:00")
    await house.tell("ana", events.OrderFulfilled(order_id="o1", fulfillment_id="b"))
    clock.at = _at("2026-03-24T10:00:00+00:00")
    await house.tell("ana", events.SurveyAnswered(survey_id="site/o1", score=4))
    assert await house.store.ratings("site") == [("2026-W10", 4, 1)]


async def test_weeks_begin_on_the_shops_own_monday(house, clock):
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea")))
    # Sunday night by Greenwich is Monday in Paris.
    clock.at = _at("2026-03-08T23:30:00+00:00")
    await house.tell("ana", events.OrderFulfilled(order_id="o1"))
    await house.tell("ana", events.SurveyAnswered(survey_id="site/o1", score=4))
    assert await house.store.ratings("site") == [("2026-W11", 4, 1)]


async def test_the_last_days_of_a_year_may_be_the_next_ones_first_week(house):
    assert house.system.ledger.week_of(_at("2025-12-29T12:00:00+00:00")) == "2026-W01"
    assert house.system.ledger.week_of(_at("2027-01-03T12:00:00+00:00")) == "2026-W53"


async def test_answers_to_a_survey_are_counted_by_week_and_score(house):
    for user, score in (("ana", 5), ("bob", 5), ("eve", 2)):
        await house.tell(user, events.SurveyAnswered(survey_id="support/t1", score=score))
    await house.tell("ana", events.SurveyAnswered(survey_id="relevance", score=3))
    assert await house.store.ratings("support") == [("2026-W10", 2, 1), ("2026-W10", 5, 2)]
    assert await house.store.ratings("relevance") == [("2026-W10", 3, 1)]
    assert await house.store.ratings("site") == []


# What the coupons cost.


async def _offered(house, user="ana"):
    """Somebody who has a coupon of ten percent for a review of what was bought; its code."""
    await knows(house, user)
    await house.tell(user, events.OrderCompleted(**order(f"first-{user}", "tea")))
    await house.tell(user, events.ProductReviewed(product_id="tea", rating=5))
    [made] = [fact for fact in house.facts(user) if isinstance(fact, facts.OfferMade)]
    return made.code


async def test_a_coupon_costs_what_the_order_says_it_was_worth(house):
    code = await _offered(house)
    told = order("o1", "tea", price=40, coupon=code, discount=3.5)
    await house.tell("ana", events.OrderCompleted(**told))
    assert house.system.ledger.spent(START) == {"reward": 350}
    assert await house.store.spent("2026-03") == {"reward": 350}


async def test_without_a_word_of_it_a_coupon_costs_its_percentage(house):
    code = await _offered(house)
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", price=40, coupon=code)))
    assert await house.store.spent("2026-03") == {"reward": 400}


async def test_a_coupon_is_booked_once_however_often_its_order_is_told(house):
    code = await _offered(house)
    told = order("o1", "tea", price=40, total=40, coupon=code)
    await house.tell("ana", events.OrderCompleted(**told), events.OrderPaid(**told))
    await house.tell("ana", events.OrderCompleted(**order("o2", "tea", coupon=code)))
    assert await house.store.spent("2026-03") == {"reward": 400}


async def test_what_is_paid_in_another_currency_is_not_added_to_the_shops_own(house):
    code = await _offered(house)
    told = {**order("o1", "tea", price=40, coupon=code), "currency": "GBP"}
    await house.tell("ana", events.OrderCompleted(**told))
    assert house.system.ledger.spent(START) == {}
    assert await house.store.spent("2026-03") == {}


async def test_a_commit_that_failed_leaves_the_sum_as_it_was(house):
    first, second = await _offered(house), await _offered(house, "bob")
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", coupon=first)))
    house.store.fail_next(1)
    message = house.message("bob", events.OrderCompleted(**order("o2", "tea", coupon=second)))
    outcomes = house.offer(message)
    await house.system.round()
    assert house.system.ledger.spent(START) == {"reward": 100}
    outcomes += house.offer(message)
    await house.system.round()
    assert outcomes == ["unknown"]
    assert house.system.ledger.spent(START) == {"reward": 200}
    assert await house.store.spent("2026-03") == {"reward": 200}


async def test_a_new_month_begins_at_nothing_by_the_shops_own_calendar(house, clock):
    code = await _offered(house)
    # The first of April in Paris, still March by Greenwich.
    clock.at = _at("2026-03-31T22:30:00+00:00")
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", coupon=code)))
    ledger = house.system.ledger
    assert await house.store.spent("2026-03") == {}
    assert await house.store.spent("2026-04") == {"reward": 100}
    assert ledger.spent(clock.now()) == {"reward": 100}
    assert ledger.spent(_at("2026-04-30T21:59:00+00:00")) == {"reward": 100}
    assert ledger.spent(_at("2026-04-30T22:00:00+00:00")) == {}


async def test_a_glance_at_last_month_does_not_forget_this_one(house):
    code = await _offered(house)
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", coupon=code)))
    ledger = house.system.ledger
    ledger.spent(Instant(START - 10 * DAY))
    assert ledger.spent(START) == {"reward": 100}


async def test_a_programme_that_has_spent_its_month_gives_nothing_more_until_the_next(clock, store):
    reward = next(one for one in programmes.ALL if one.name == "reward")
    thrifty = msgspec.structs.replace(reward, budget=100)
    house = House(store, clock, Rules(shop(), of=(thrifty,)))
    code = await _offered(house)
    await knows(house, "bob")
    await house.tell("bob", events.OrderCompleted(**order("first-bob", "tea")))
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", coupon=code)))
    await house.tell("bob", events.ProductReviewed(product_id="tea", rating=5))
    [withheld] = [fact for fact in house.facts("bob") if isinstance(fact, facts.MailWithheld)]
    assert (withheld.kind, withheld.reason) == ("k20", "budget")
    clock.at = _at("2026-04-01T08:00:00+00:00")
    assert await _offered(house, "eve")


async def test_the_next_process_knows_what_was_spent_this_month_and_the_cuts(house, clock):
    code = await _offered(house)
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", coupon=code)))
    cuts = rfm.Cuts(7, START, (1, 2, 3, 4), (5, 6, 7, 8), (10, 20, 30, 40), 900, "quintiles")
    await house.store.save_cuts(house.system.ledger.recut(cuts))
    after = house.restarted()
    assert (after.system.ledger.spent(START), after.system.ledger.cuts) == ({}, rfm.FIXED)
    await after.system.ledger.load(house.store, START)
    assert after.system.ledger.spent(START) == {"reward": 100}
    assert after.system.ledger.cuts == cuts
    later = house.restarted()
    await later.system.ledger.load(house.store, Instant(START + 31 * DAY))
    assert later.system.ledger.spent(Instant(START + 31 * DAY)) == {}


async def test_erasure_leaves_what_counts_nobody_by_name(house):
    code = await _offered(house)
    await house.tell("ana", events.OrderCompleted(**order("o1", "tea", coupon=code)))
    await house.tell("ana", events.SurveyAnswered(survey_id="support/t", score=2))
    await farewell(house, "ana")
    assert bought(house) == []
    assert await house.store.buyers("", 10) == []
    assert await house.store.spent("2026-03") == {"reward": 100}
    assert await house.store.ratings("support") == [("2026-W10", 2, 1)]


def _at(text):
    return Instant(round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000))
