from __future__ import annotations

from itertools import permutations

import pytest

from ecrm import effects, facts, programmes
from ecrm.moment import SECOND, Duration, days, hours, minutes
from ecrm.pressure import Limits
from ecrm.rules import Rules
from proto import events
from tests.lives import Life, Withheld, shop

STARTED = events.CheckoutStarted(cart_id="k")
EMPTIED = events.CartEmptied(cart_id="k")
PAID = events.OrderPaid(order_id="o1", total=10, currency="EUR")
# With the confirmation, for an order ends what a cart began.
ONLY = ("cart", "confirmation")
# All three mails of a cart fit in a week only where a shop allows three.
CART = tuple(one for one in programmes.ALL if one.name in ONLY)
THREE_A_WEEK = Rules(shop(), Limits(per_week=3), CART)


def added(product_id: str = "p1") -> events.ProductAdded:
    return events.ProductAdded(product_id=product_id, price=20, cart_id="k")


def at_step(name: str) -> events.CheckoutStepViewed:
    return events.CheckoutStepViewed(step_name=name)


def shopper(rules: Rules | None = None) -> Life:
    return Life(start="2026-06-01 10:00", rules=rules, only=ONLY).identify().consents()


def test_a_product_left_for_an_hour_is_remembered():
    life = shopper().tell(added()).sleeps(hours(3))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 11:00")]


def test_the_hour_counts_from_the_last_product_put_in():
    life = shopper().tell(added()).sleeps(minutes(50)).tell(added("p2")).sleeps(hours(3))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 11:50")]


def test_a_checkout_left_for_ten_minutes_is_remembered():
    life = shopper().tell(added()).sleeps(minutes(5)).tell(STARTED).sleeps(hours(3))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 10:15")]


def test_the_earlier_of_the_two_clocks_counts():
    life = shopper().tell(added()).sleeps(minutes(55)).tell(STARTED).sleeps(hours(3))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 11:00")]


def test_an_event_that_comes_late_counts_from_when_it_happened():
    life = shopper().tell(added(), occurred="2026-06-01 09:20").sleeps(hours(3))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 10:20")]


def test_a_reminder_goes_three_hours_after_the_product_at_the_latest():
    in_time = shopper().tell(added()).skips(hours(3)).sleeps(hours(1))
    assert in_time.mails == [("k07", "cart/reminder", "2026-06-01 13:00")]
    late = shopper().tell(added()).skips(Duration(hours(3) + 1)).sleeps(hours(1))
    assert late.mails == []
    assert late.withheld == [Withheld("cart/reminder", "deadline")]


@pytest.mark.parametrize("step", ["payment", "review"])
def test_who_left_at_the_payment_reads_about_its_security(step):
    life = shopper().tell(added()).tell(STARTED).tell(at_step(step)).sleeps(hours(1))
    assert life.mails == [("k09", "cart/reminder-security", "2026-06-01 10:10")]


def test_a_means_of_payment_that_was_given_is_the_step_of_the_payment():
    life = shopper().tell(added()).tell(events.PaymentInfoEntered()).sleeps(hours(1))
    assert life.kinds == ["k09"]


def test_who_left_at_the_address_reads_the_plain_words():
    life = shopper().tell(added()).tell(STARTED).tell(at_step("address")).sleeps(hours(1))
    assert life.kinds == ["k07"]


def test_a_step_back_is_not_forgotten_the_furthest_counts():
    life = shopper().tell(added()).tell(STARTED).tell(at_step("payment")).tell(at_step("address"))
    assert life.sleeps(hours(1)).kinds == ["k09"]


def test_who_went_on_looking_at_products_reads_about_products():
    life = shopper().tell(added()).sleeps(minutes(5)).tell(events.ProductViewed(product_id="p2"))
    assert life.sleeps(hours(1)).mails == [("k10", "cart/reminder-promotion", "2026-06-01 11:00")]


def test_who_looked_at_products_before_reads_the_plain_words():
    life = shopper().tell(events.ProductViewed(product_id="p2")).tell(added()).sleeps(hours(1))
    assert life.kinds == ["k07"]


def test_the_sequence_is_reminder_offer_last_call():
    life = shopper(THREE_A_WEEK).tell(added()).sleeps(days(30))
    assert life.mails == [
        ("k07", "cart/reminder", "2026-06-01 11:00"),
        ("k08", "cart/offer", "2026-06-03 10:00"),
        ("k08", "cart/last-call", "2026-06-06 10:00"),
    ]
    assert life.withheld == []


def test_the_offer_takes_ten_percent_off_until_the_local_day_ends():
    life = shopper().tell(added()).sleeps(days(3))
    (offer,) = life.of(facts.OfferMade)
    assert (offer.percent, life.wall(offer.until)) == (10, "2026-06-03 23:59:59.999")
    (mail,) = [fact.mail for fact in life.of(facts.MailRequested) if fact.mail.values.offer]
    assert mail.template == "cart/offer"
    assert mail.values.offer.code == offer.code
    assert mail.not_after == offer.until


def test_the_offer_of_a_night_without_an_hour_ends_with_its_day():
    life = (
        Life(start="2026-03-27 12:00", only=ONLY)
        .identify()
        .consents()
        .tell(added())
        .sleeps(days(3))
    )
    (offer,) = life.of(facts.OfferMade)
    assert life.mails[-1] == ("k08", "cart/offer", "2026-03-29 13:00")
    assert life.wall(offer.until) == "2026-03-29 23:59:59.999"


def test_an_offer_that_ended_is_forgotten_when_another_is_made():
    life = shopper().tell(added()).sleeps(days(20)).tell(added()).sleeps(days(3))
    made = [offer.code for offer in life.of(facts.OfferMade)]
    assert len(set(made)) == 2
    assert [offer.code for offer in life.state.offers] == made[1:]


def test_the_shop_hears_of_the_coupon_before_the_customer_does():
    life = shopper().tell(added()).sleeps(days(3))
    order = [type(one) for one in life.effects if isinstance(one, effects.Send | effects.Notify)]
    assert order == [effects.Send, effects.Notify, effects.Send]


def test_an_offer_due_at_night_is_made_in_the_morning_for_that_day():
    life = (
        Life(start="2026-06-01 22:00", only=ONLY)
        .identify()
        .consents()
        .tell(added())
        .sleeps(days(3))
    )
    assert life.mails == [
        ("k07", "cart/reminder", "2026-06-01 23:00"),
        ("k08", "cart/offer", "2026-06-04 08:00"),
    ]
    (offer,) = life.of(facts.OfferMade)
    assert life.wall(offer.until) == "2026-06-04 23:59:59.999"


def test_the_last_call_waits_until_the_week_s_cap_has_room():
    life = shopper().tell(added()).sleeps(days(30))
    reminder, _, last_call = life.of(facts.MailRequested)
    assert life.kinds == ["k07", "k08", "k08"]
    assert last_call.mail.at - reminder.mail.at >= days(7)
    assert life.withheld == []


@pytest.mark.parametrize("event", [PAID, events.OrderCompleted(order_id="o1")])
def test_an_order_ends_what_is_pending(event):
    life = shopper().tell(added()).sleeps(minutes(30)).tell(event).sleeps(days(10))
    assert [kind for kind in life.kinds if kind != "k11"] == []
    assert life.withheld == [Withheld("cart/reminder", "stop_condition")]


@pytest.mark.parametrize(
    "event",
    [EMPTIED, events.ProductRemoved(product_id="p1")],
)
def test_a_cart_that_is_emptied_ends_what_is_pending(event):
    life = shopper().tell(added()).sleeps(minutes(30)).tell(event).sleeps(days(10))
    assert life.mails == []
    assert life.withheld == [Withheld("cart/reminder", "stop_condition")]


def test_one_product_of_two_taken_out_leaves_a_cart():
    life = shopper().tell(added()).tell(added("p2")).tell(events.ProductRemoved(product_id="p1"))
    life.sleeps(hours(1))
    (fact,) = life.of(facts.MailRequested)
    assert [line.product_id for line in fact.mail.values.cart.lines] == ["p2"]


@pytest.mark.parametrize("event", [PAID, EMPTIED])
def test_an_order_and_an_emptied_cart_take_back_what_waits_in_the_queue(event):
    life = shopper().tell(added()).sleeps(hours(1))
    (sent,) = life.of(facts.MailRequested)
    life.tell(event)
    cancels = [one.mail_id for one in life.effects if isinstance(one, effects.Cancel)]
    assert cancels == [sent.mail.mail_id]


def test_a_mail_that_was_taken_back_in_time_does_not_weigh_on_the_person():
    life = shopper().tell(added()).sleeps(hours(1)).tell(EMPTIED).reports("cancelled")
    assert life.state.pressed == ()
    life.tell(added()).sleeps(hours(1))
    assert life.mails[-1] == ("k07", "cart/reminder", "2026-06-01 12:00")


def test_a_mail_that_was_sent_after_all_does():
    life = shopper().tell(added()).sleeps(hours(1)).tell(EMPTIED).reports("accepted")
    life.tell(added()).sleeps(hours(1))
    assert life.kinds == ["k07"]
    assert life.withheld[-1] == Withheld("cart/reminder", "cap")


def test_an_order_that_is_heard_of_late_still_ends_it():
    life = shopper().tell(added()).sleeps(hours(1))
    life.tell(PAID, occurred="2026-06-01 10:30").sleeps(days(10))
    assert life.kinds == ["k07", "k11"]
    assert life.retracted == [("k07", "Cart Emptied by Order Paid o1")]


def test_what_was_bought_is_not_put_back_by_an_event_that_comes_late():
    life = shopper().sleeps(hours(1)).tell(PAID)
    life.tell(added(), occurred="2026-06-01 10:30").tell(STARTED, occurred="2026-06-01 10:40")
    assert life.sleeps(days(10)).kinds == ["k11"]


def test_a_new_cart_after_the_order_is_remembered_again():
    life = shopper().tell(added()).tell(PAID).sleeps(days(2)).tell(added("p2")).sleeps(hours(2))
    assert life.mails[-1] == ("k07", "cart/reminder", "2026-06-03 11:00")


STORY = (
    (added(), 0),
    (STARTED, 60),
    (at_step("payment"), 120),
    (events.OrderCompleted(order_id="o1", total=20, currency="EUR"), 180),
    (events.OrderPaid(order_id="o1", total=20, currency="EUR"), 185),
)


@pytest.mark.parametrize("order", list(permutations(range(5))), ids=str)
def test_in_whatever_order_a_purchase_is_told_it_is_confirmed_once_and_not_reminded(order):
    life = shopper()
    begun = life.now
    life.sleeps(minutes(4))
    for place in order:
        event, after = STORY[place]
        life.tell(event, occurred=begun + after * SECOND).sleeps(Duration(SECOND))
    life.sleeps(days(30))
    assert life.kinds == ["k11"]
    assert life.state.cart is None
    assert (life.state.purchases.count, life.state.purchases.total) == (1, 2_000)


def test_a_buyer_is_reminded_without_having_been_asked():
    life = (
        Life(start="2026-06-01 10:00", only=ONLY)
        .identify()
        .tell(PAID)
        .sleeps(days(1))
        .tell(added())
    )
    assert life.sleeps(hours(1)).kinds == ["k11", "k07"]


def test_a_buyer_who_objected_is_not():
    life = Life(only=ONLY).identify().tell(PAID).consents(given=False).sleeps(days(1)).tell(added())
    assert life.sleeps(days(10)).kinds == ["k11"]


def test_who_never_bought_and_was_never_asked_is_not():
    life = Life(only=ONLY).identify().tell(added()).sleeps(days(10))
    assert life.mails == []
    assert {reason for _, reason in life.withheld} == {"consent"}


def test_a_cart_without_an_address_has_nobody_to_remind():
    life = Life(only=ONLY).consents().tell(added()).sleeps(hours(1))
    assert life.withheld == [Withheld("cart/reminder", "missing_data")]


def test_a_checkout_of_nothing_reminds_of_nothing():
    life = shopper().tell(STARTED).sleeps(days(10))
    assert life.mails == []
    assert {reason for _, reason in life.withheld} == {"condition"}


def test_a_cart_the_shop_tells_whole_is_what_the_mail_shows():
    product = events.Product(product_id="p9", price=3.5, quantity=2, name="Tea")
    life = shopper().tell(added())
    life.tell(events.CartViewed(cart_id="k", currency="EUR", products=(product,)))
    life.sleeps(hours(1))
    (fact,) = life.of(facts.MailRequested)
    shown = fact.mail.values.cart
    assert [(line.name, line.quantity, line.price) for line in shown.lines] == [("Tea", 2, 350)]
    assert (shown.total, shown.currency) == (700, "EUR")


def test_a_whole_cart_older_than_ours_is_ignored():
    product = events.Product(product_id="p9")
    life = shopper().tell(added())
    life.tell(events.CartViewed(products=(product,)), occurred="2026-06-01 09:59")
    assert [line.product_id for line in life.state.cart.lines] == ["p1"]


def test_an_emptying_older_than_the_cart_is_ignored():
    life = shopper().tell(added()).tell(EMPTIED, occurred="2026-06-01 09:59")
    assert life.sleeps(hours(1)).kinds == ["k07"]


def test_the_same_product_twice_is_one_line():
    life = shopper().tell(added()).tell(added())
    assert [(line.product_id, line.quantity) for line in life.state.cart.lines] == [("p1", 2)]


def test_fewer_of_a_product_is_fewer_of_a_product():
    life = shopper().tell(added()).tell(added())
    life.tell(events.ProductRemoved(product_id="p1", quantity=1))
    assert [(line.product_id, line.quantity) for line in life.state.cart.lines] == [("p1", 1)]


def test_a_product_that_is_not_in_the_cart_is_not_taken_out():
    life = shopper().tell(added()).tell(events.ProductRemoved(product_id="p2"))
    assert life.of(facts.LineTaken, facts.CartEmptied) == []
