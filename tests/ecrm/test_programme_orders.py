"""Confirmation, preparation, shipment, parcel, review: what is owed and asked about an order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ecrm import facts
from ecrm.moment import SECOND, Duration, days, hours
from proto import events
from tests.lives import Life, Withheld

ONLY = ("confirmation", "preparation", "shipment", "parcel", "review")
PAID = events.OrderPaid(
    order_id="o1",
    total=30,
    currency="EUR",
    products=(
        events.Product(product_id="tea", price=10, quantity=2, name="Tea"),
        events.Product(product_id="cup", price=10, name="Cup"),
    ),
)
COMPLETED = events.OrderCompleted(order_id="o1", total=30, currency="EUR")
PREPARED = events.OrderPrepared(order_id="o1")
CANCELLED = events.OrderCancelled(order_id="o1")
REFUNDED = events.OrderRefunded(order_id="o1")
RATED = events.SurveyAnswered(survey_id="site/o1", score=9)
LOST = events.ShipmentUpdated(order_id="o1", status="Delivery failed")
DELIVERED = events.OrderDelivered(order_id="o1")


def parcel(name: str = "", order_id: str = "o1", **more: str) -> events.OrderFulfilled:
    return events.OrderFulfilled(order_id=order_id, fulfillment_id=name or None, **more)


def refunded(*products: str, quantity: int | None = None, total: float | None = None):
    lines = tuple(events.Product(product_id=one, quantity=quantity) for one in products)
    return events.OrderRefunded(order_id="o1", products=lines, total=total)


def buyer() -> Life:
    return Life(start="2026-06-01 10:00", only=ONLY).identify()


def shipped() -> Life:
    """Paid on the 1st of June, handed over on the 2nd at 10:00, what was owed is sent."""
    return buyer().tell(PAID).sleeps(days(1)).tell(parcel()).reports("accepted")


def asked(life: Life) -> list[tuple[str, str]]:
    owed = ("k11", "k13", "k14")
    return [(mail.kind, mail.at) for mail in life.mails if mail.kind not in owed]


# Confirmation (k11)


def test_an_order_is_confirmed_when_it_is_paid_not_when_it_is_placed():
    life = buyer().tell(COMPLETED).sleeps(hours(5)).tell(PAID)
    assert life.mails == [("k11", "confirmation/confirmed", "2026-06-01 15:00")]


def test_an_order_that_is_paid_twice_is_confirmed_once():
    life = buyer().tell(PAID).sleeps(Duration(SECOND)).tell(PAID).sleeps(days(10)).tell(PAID)
    assert life.kinds == ["k11"]
    assert (life.state.purchases.count, life.state.purchases.total) == (1, 3_000)


def test_a_payment_heard_of_days_later_is_still_confirmed():
    life = buyer().sleeps(days(9)).tell(PAID, occurred="2026-06-01 10:00")
    assert life.mails == [("k11", "confirmation/confirmed", "2026-06-10 10:00")]


def test_a_confirmation_goes_at_night_and_whatever_was_consented():
    life = Life(start="2026-06-01 23:30", only=ONLY).identify().consents(given=False).tell(PAID)
    assert life.mails == [("k11", "confirmation/confirmed", "2026-06-01 23:30")]


def test_a_confirmation_carries_promotion_only_where_marketing_is_allowed():
    bare = buyer().consents(given=False).tell(PAID)
    full = buyer().tell(PAID)
    assert [fact.mail.values.promote for fact in bare.of(facts.MailRequested)] == [False]
    assert [fact.mail.values.promote for fact in full.of(facts.MailRequested)] == [True]


def test_a_confirmation_shows_the_lines_the_order_was_placed_with():
    placed = events.OrderCompleted(order_id="o1", currency="EUR", products=PAID.products)
    life = buyer().tell(placed).tell(events.OrderPaid(order_id="o1", total=30, currency="EUR"))
    (fact,) = life.of(facts.MailRequested)
    assert [line.name for line in fact.mail.values.order.lines] == ["Tea", "Cup"]
    assert fact.mail.values.order.total == 3_000


def test_a_payment_for_an_order_that_was_cancelled_is_not_confirmed():
    assert buyer().tell(CANCELLED).tell(PAID).mails == []


def test_a_confirmation_in_the_queue_is_not_taken_back_by_a_cancellation():
    life = buyer().tell(PAID).tell(CANCELLED)
    assert life.retracted == []


def test_an_order_that_is_cancelled_is_no_purchase():
    life = buyer().tell(PAID).tell(CANCELLED).tell(CANCELLED)
    assert (life.state.purchases.count, life.state.purchases.total) == (0, 0)
    assert len(life.of(facts.OrderCancelled)) == 1


def test_two_orders_are_confirmed_apart():
    other = events.OrderPaid(order_id="o2", total=5, currency="EUR")
    life = buyer().tell(PAID).tell(other)
    assert life.kinds == ["k11", "k11"]
    assert len({fact.mail.mail_id for fact in life.of(facts.MailRequested)}) == 2


def test_an_update_of_an_order_nobody_placed_says_nothing():
    assert buyer().tell(events.OrderUpdated(order_id="o9", total=1)).state.orders == {}


def test_an_update_changes_what_it_tells_and_leaves_the_rest():
    life = buyer().tell(PAID).tell(events.OrderUpdated(order_id="o1", total=25, currency="EUR"))
    order = life.state.orders["o1"]
    assert (order.total, len(order.lines), order.paid_at) == (2_500, 2, life.now)


def test_only_the_newest_orders_are_kept_and_all_are_counted():
    life = buyer()
    for n in range(40):
        life.sleeps(hours(1)).tell(events.OrderPaid(order_id=f"o{n}", total=1, currency="EUR"))
    assert list(life.state.orders) == [f"o{n}" for n in range(8, 40)]
    assert (life.state.purchases.count, life.state.purchases.total) == (40, 4_000)


# Preparation (k13)


def test_an_order_in_preparation_is_told_once():
    life = buyer().tell(PAID).sleeps(hours(1)).tell(PREPARED).tell(PREPARED)
    assert life.mails[1:] == [("k13", "preparation/prepared", "2026-06-01 11:00")]


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED])
def test_an_order_that_no_longer_stands_is_not_prepared(event):
    assert buyer().tell(PAID).tell(event).tell(PREPARED).kinds == ["k11"]


# Shipment (k14)


def test_every_parcel_is_told_once_with_its_own_tracking():
    life = buyer().tell(PAID)
    for name in ("a", "b", "a"):
        life.sleeps(hours(1)).tell(parcel(name, tracking_number=f"T{name}"))
    told = [fact.mail for fact in life.of(facts.MailRequested) if fact.mail.kind == "k14"]
    assert [(mail.values.parcel.tracking_number, life.wall(mail.at)) for mail in told] == [
        ("Ta", "2026-06-01 11:00"),
        ("Tb", "2026-06-01 12:00"),
    ]


def test_a_parcel_without_a_name_is_known_by_its_tracking_number():
    life = buyer().tell(PAID).tell(parcel(tracking_number="T1")).tell(parcel(tracking_number="T1"))
    assert [one.parcel_id for one in life.state.orders["o1"].parcels] == ["T1"]


def test_parcels_of_two_orders_are_two_parcels():
    life = buyer().tell(PAID).tell(parcel("a")).tell(parcel("a", "o2"))
    assert life.kinds == ["k11", "k14", "k14"]


# Parcel (k17)


def test_the_parcel_is_asked_about_fifteen_days_after_it_left():
    assert asked(shipped().sleeps(days(20))) == [("k17", "2026-06-17 10:00")]


def test_the_question_waits_three_days_after_a_late_delivery():
    life = shipped().sleeps(days(14)).tell(DELIVERED).sleeps(days(10))
    assert asked(life) == [("k17", "2026-06-19 10:00")]


def test_an_early_delivery_does_not_bring_the_question_forward():
    life = shipped().sleeps(days(2)).tell(DELIVERED).sleeps(days(20))
    assert asked(life) == [("k17", "2026-06-17 10:00")]


def test_a_delivery_the_carrier_reports_counts_as_well():
    told = events.ShipmentUpdated(order_id="o1", status="Delivered")
    life = shipped().sleeps(days(14)).tell(told).sleeps(days(10))
    assert asked(life) == [("k17", "2026-06-19 10:00")]


def test_a_delivery_counts_from_when_it_happened():
    at = datetime(2026, 6, 15, 8, tzinfo=UTC)
    told = events.OrderDelivered(order_id="o1", delivered_at=at)
    life = shipped().sleeps(days(14)).tell(told).sleeps(days(10))
    assert asked(life) == [("k17", "2026-06-18 10:00")]


def test_nobody_is_asked_about_a_parcel_that_did_not_arrive():
    life = shipped().sleeps(days(4)).tell(LOST).sleeps(days(20))
    assert asked(life) == []
    assert Withheld("parcel/arrived", "condition") in life.withheld


def test_a_parcel_that_arrives_after_all_is_asked_about():
    life = shipped().sleeps(days(4)).tell(LOST).sleeps(days(2)).tell(DELIVERED).sleeps(days(20))
    assert asked(life) == [("k17", "2026-06-17 10:00")]


def test_news_of_a_parcel_on_its_way_changes_nothing():
    on_its_way = events.ShipmentUpdated(order_id="o1", status="in transit")
    life = shipped().tell(on_its_way)
    assert life.of(facts.ParcelDelivered, facts.ParcelFailed) == []


def test_a_delivery_that_is_reported_twice_happened_once():
    life = shipped().tell(DELIVERED).sleeps(days(1)).tell(DELIVERED)
    assert len(life.of(facts.ParcelDelivered)) == 1


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED, RATED])
def test_the_question_is_dropped_where_it_became_pointless(event):
    life = shipped().sleeps(days(4)).tell(event).sleeps(days(20))
    assert asked(life) == []
    assert Withheld("parcel/arrived", "stop_condition") in life.withheld


def test_a_rating_takes_the_question_back_from_the_queue():
    life = shipped().sleeps(days(15)).tell(RATED)
    assert life.retracted == [("k17", "Site Rated o1")]
    assert life.state.orders["o1"].rated_at == life.now


def test_another_survey_answers_nothing_about_the_shop():
    life = shipped().tell(events.SurveyAnswered(survey_id="nps/o1", score=1)).sleeps(days(20))
    assert asked(life) == [("k17", "2026-06-17 10:00")]


def test_a_rating_of_an_order_nobody_knows_makes_no_order():
    life = buyer().tell(events.SurveyAnswered(survey_id="site/o9", score=1))
    assert life.state.orders == {}


def test_an_order_in_two_parcels_is_asked_about_once_after_the_last():
    life = shipped().sleeps(days(3)).tell(parcel("second")).sleeps(days(25))
    assert asked(life) == [("k17", "2026-06-20 10:00")]


# Review (k18, k19)


def reviews(life: Life) -> list[tuple[str, str]]:
    return [one for one in asked(life) if one[0] in ("k18", "k19")]


def test_a_review_is_asked_for_after_a_month_and_twice_more():
    assert reviews(shipped().sleeps(days(90))) == [
        ("k18", "2026-07-02 10:00"),
        ("k19", "2026-07-12 10:00"),
        ("k19", "2026-07-22 10:00"),
    ]


@pytest.mark.parametrize(("after", "left"), [(20, 0), (35, 1), (45, 2), (55, 3)])
def test_a_review_of_any_of_its_products_is_enough(after, left):
    said = events.ProductReviewed(product_id="cup", rating=4)
    life = shipped().sleeps(days(after)).tell(said).sleeps(days(60))
    assert len(reviews(life)) == left


def test_a_review_of_something_else_is_not():
    said = events.ProductReviewed(product_id="hat", rating=4)
    life = shipped().sleeps(days(20)).tell(said).sleeps(days(60))
    assert len(reviews(life)) == 3


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED, refunded("tea", "cup"), refunded(total=30)])
def test_an_order_paid_back_is_not_reviewed(event):
    life = shipped().sleeps(days(20)).tell(event).sleeps(days(60))
    assert reviews(life) == []
    assert Withheld("review/product", "stop_condition") in life.withheld


def test_a_product_sent_back_is_not_asked_about():
    life = shipped().tell(refunded("tea")).sleeps(days(31))
    mail = life.of(facts.MailRequested)[-1].mail
    assert [line.product_id for line in mail.values.order.lines] == ["cup"]


def test_one_piece_of_two_sent_back_leaves_one():
    life = shipped().tell(refunded("tea", quantity=1)).sleeps(days(31))
    mail = life.of(facts.MailRequested)[-1].mail
    assert [(line.product_id, line.quantity) for line in mail.values.order.lines] == [
        ("tea", 1),
        ("cup", 1),
    ]


def test_an_order_sent_back_piece_by_piece_is_an_order_sent_back():
    life = shipped().tell(refunded("tea", quantity=1)).tell(refunded("cup"))
    assert life.state.orders["o1"].refunded_at is None
    life.tell(refunded("tea", quantity=1)).sleeps(days(60))
    assert life.state.orders["o1"].refunded_at is not None
    assert reviews(life) == []


def test_a_part_of_the_money_back_leaves_the_order_standing():
    life = shipped().tell(refunded(total=5)).sleeps(days(31))
    assert reviews(life) == [("k18", "2026-07-02 10:00")]


def test_an_order_whose_products_nobody_told_is_not_reviewed():
    life = buyer().tell(events.OrderPaid(order_id="o1", total=3, currency="EUR")).tell(parcel())
    life.sleeps(days(60))
    assert reviews(life) == []
    assert life.withheld.count(Withheld("review/product", "condition")) == 1


def test_an_order_nobody_received_is_not_reviewed():
    assert reviews(shipped().tell(LOST).sleeps(days(60))) == []


def test_a_refund_of_an_order_nobody_knows_is_remembered():
    life = buyer().tell(REFUNDED).tell(PAID)
    assert life.mails == []
