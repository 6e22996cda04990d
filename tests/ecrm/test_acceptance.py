"""What events say happened, come they late, twice or out of order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ecrm import facts, mail, state, values
from ecrm.moment import days, hours
from ecrm.state import Enrolment, Order, Parcel
from proto import envelope, events
from tests.lives import Life

TEA = events.Product(product_id="tea", price=10, quantity=2)
PAID = events.OrderPaid(order_id="o1", total=20, currency="EUR", products=(TEA,))


def life() -> Life:
    return Life(start="2026-06-01 10:00").identify()


def made(one: Life, event: events.Event, **more) -> list[str]:
    """The names of the facts of the world that an event makes."""
    before = len(one.facts)
    one.tell(event, **more)
    worldly = [fact for fact in one.facts[before + 1 :] if not hasattr(fact, "key")]
    return [type(fact).__name__ for fact in worldly]


# The person


def test_who_says_the_same_again_says_nothing_new():
    one = life()
    assert len(one.identify().of(facts.PersonChanged)) == 1


def test_what_a_trait_does_not_say_stays_as_it_was():
    one = life().identify(email=None, first_name=None, phone="+33")
    assert (one.state.person.email, one.state.person.phone) == ("ana@post.example", "+33")


def test_traits_are_taken_over():
    address = envelope.Address(country="FR")
    traits = {"last_name": "L", "birthday": "1990-01-02", "gender": "f", "locale": "fr-FR"}
    one = life().identify(address=address, timezone="Europe/Paris", **traits)
    assert one.state.person == state.Person(
        email="ana@post.example",
        first_name="Ana",
        country="FR",
        zone="Europe/Paris",
        **traits,
    )


def test_a_sign_up_does_not_write_over_what_is_known():
    one = life().tell(events.SignedUp(email="other@post.example", first_name="X", last_name="Y"))
    known = one.state.person
    assert (known.email, known.first_name, known.last_name) == ("ana@post.example", "Ana", "Y")


def test_an_account_is_opened_once():
    assert len(life().signs_up().signs_up().of(facts.SignedUp)) == 1


def test_a_new_address_without_an_account_registers_nobody():
    one = life().tell(events.EmailChanged(old_email="a@b.example", new_email="c@d.example"))
    assert one.state.person.email == "c@d.example"
    assert one.of(facts.Registered) == []


def test_the_last_word_on_a_consent_counts_with_its_source():
    one = life().consents()
    one.tell(events.ConsentUpdated(purpose="email_marketing", state="denied", source="mail footer"))
    assert one.state.consents["email_marketing"] == state.Consent(
        granted=False, at=one.now, source="mail footer"
    )


@pytest.mark.parametrize(
    ("frequency", "wish"),
    [
        (3, (3, 7)),
        (0, (0, 7)),
        ("weekly", (1, 7)),
        (" Monthly ", (1, 30)),
        ("daily", (7, 7)),
        ("never", (0, 7)),
        ("now and then", None),
        (None, None),
    ],
)
def test_how_often_somebody_wants_to_hear_of_the_shop_is_understood(frequency, wish):
    known = life().tell(events.PreferenceUpdated(frequency=frequency)).state.wish
    assert (known and (known.count, known.window // days(1))) == wish


def test_a_wish_that_is_said_again_is_no_news():
    one = life().tell(events.PreferenceUpdated(frequency="weekly"))
    assert made(one, events.PreferenceUpdated(frequency=1)) == []
    assert made(one, events.PreferenceUpdated(frequency=2)) == ["FrequencyWished"]


# The cart


def test_a_cart_that_is_told_as_it_is_makes_nothing():
    one = life().tell(events.CartViewed(currency="EUR", products=(TEA,)))
    assert made(one, events.CartViewed(currency="EUR", products=(TEA,))) == []


def test_a_cart_without_products_tells_nothing():
    assert made(life(), events.CartViewed()) == []


def test_a_cart_that_was_bought_since_is_not_put_back():
    one = life().sleeps(hours(1)).tell(PAID)
    assert made(one, events.CartViewed(products=(TEA,)), occurred="2026-06-01 10:30") == []
    assert made(one, events.PaymentInfoEntered(), occurred="2026-06-01 10:30") == []


def test_a_whole_cart_keeps_the_money_of_the_one_before():
    one = life().tell(events.ProductAdded(product_id="tea", price=1_000, currency="JPY"))
    one.tell(events.CartViewed(products=(events.Product(product_id="cup", price=500),)))
    assert (one.state.cart.currency, one.state.cart.lines[0].price) == ("JPY", 500)


def test_a_price_without_a_currency_is_in_the_shops():
    one = life().tell(events.ProductAdded(product_id="tea", price=3.5))
    assert (one.state.cart.currency, one.state.cart.lines[0].price) == ("EUR", 350)


def test_a_step_nobody_named_tells_nothing():
    one = life().tell(events.CheckoutStarted())
    assert made(one, events.CheckoutStepViewed(step=3)) == []


def test_a_step_without_a_checkout_before_it_begins_one():
    one = life().tell(events.CheckoutStepViewed(step_name="payment"))
    (reached,) = one.of(facts.CheckoutReached)
    assert (reached.step, reached.began) == ("payment", True)


def test_a_checkout_that_begins_again_begins_again():
    one = life().tell(events.CheckoutStarted()).tell(events.CheckoutStarted())
    assert [fact.began for fact in one.of(facts.CheckoutReached)] == [True, True]


def test_browsing_is_remembered_once_and_only_beside_a_cart():
    look = events.ProductListViewed(category="hats")
    one = life()
    assert made(one, look) == []
    one.tell(events.ProductAdded(product_id="tea"))
    assert made(one, look) == ["Browsed"]
    assert made(one, look) == []


def test_a_product_that_is_looked_at_is_browsing_and_remembered_once_in_a_row():
    hat, cup = events.ProductViewed(product_id="hat"), events.ProductViewed(product_id="cup")
    one = life().tell(events.ProductAdded(product_id="tea"))
    assert made(one, hat) == ["Browsed", "Viewed"]
    assert made(one, hat) == []
    assert made(one, cup) == made(one, hat) == ["Viewed"]
    assert [line.product_id for line in one.state.viewed] == ["cup", "hat"]


def test_only_the_last_products_that_were_looked_at_are_remembered():
    one = life()
    for n in range(state.VIEWED_KEPT + 3):
        one.tell(events.ProductViewed(product_id=f"p{n}", price=2))
    assert [line.product_id for line in one.state.viewed] == [f"p{n}" for n in range(3, 11)]


def test_what_was_looked_at_in_other_money_is_remembered_without_its_price():
    one = life().tell(events.ProductViewed(product_id="hat", price=900, currency="JPY"))
    assert [line.price for line in one.state.viewed] == [0]


def test_browsing_before_the_cart_was_filled_is_not_leaving_it():
    one = life().tell(events.ProductAdded(product_id="tea"))
    look = events.ProductListViewed(category="hats")
    assert made(one, look, occurred="2026-06-01 09:59") == []


def test_a_product_put_in_after_browsing_ends_the_browsing():
    one = life().tell(events.ProductAdded(product_id="tea"))
    one.tell(events.ProductsSearched(query="hat")).tell(events.ProductAdded(product_id="hat"))
    assert not one.state.cart.browsed


def test_more_pieces_taken_out_than_there_are_empty_the_line():
    one = life().tell(events.ProductAdded(product_id="tea", quantity=2))
    one.tell(events.ProductAdded(product_id="cup"))
    one.tell(events.ProductRemoved(product_id="tea", quantity=5))
    assert [line.product_id for line in one.state.cart.lines] == ["cup"]


def test_the_emptying_of_no_cart_is_remembered_once():
    someone = life()
    assert made(someone, events.CartEmptied(cart_id="k")) == ["CartEmptied"]
    assert made(someone, events.CartEmptied(cart_id="k")) == []


# The orders


@pytest.mark.parametrize(
    ("told", "total"),
    [({"total": 12.5}, 1_250), ({"revenue": 3}, 300), ({}, 2_000), ({"total": 0}, 2_000)],
)
def test_the_total_of_an_order_is_what_was_told_or_what_its_lines_make(told, total):
    one = life().tell(events.OrderCompleted(order_id="o1", products=(TEA,), **told))
    assert one.state.orders["o1"].total == total


def test_what_an_order_was_told_to_cost_is_kept_apart_from_what_nobody_said():
    one = life().tell(
        events.OrderCompleted(order_id="o1", shipping=0, tax=1.5, payment_method="card")
    )
    order = one.state.orders["o1"]
    assert (order.shipping, order.tax, order.discount) == (0, 150, None)
    assert order.payment_method == "card"


def test_an_order_that_is_placed_twice_was_placed_once():
    one = life().tell(events.OrderCompleted(order_id="o1"))
    assert made(one, events.OrderCompleted(order_id="o1")) == []


def test_an_order_that_is_placed_after_it_was_paid_is_one_purchase_at_its_earlier_instant():
    one = life().sleeps(hours(1)).tell(PAID)
    one.tell(events.OrderCompleted(order_id="o1"), occurred="2026-06-01 10:30")
    order = one.state.orders["o1"]
    assert (one.wall(order.placed_at), one.wall(order.paid_at)) == (
        "2026-06-01 10:30",
        "2026-06-01 11:00",
    )
    assert one.state.purchases.count == 1


def test_a_cart_filled_between_order_and_payment_is_not_emptied_by_the_payment():
    one = life().tell(events.OrderCompleted(order_id="o1")).sleeps(hours(1))
    one.tell(events.ProductAdded(product_id="hat")).sleeps(hours(1)).tell(PAID)
    assert [line.product_id for line in one.state.cart.lines] == ["hat"]


def test_an_order_is_prepared_once():
    one = life().tell(events.OrderPrepared(order_id="o1"))
    assert made(one, events.OrderPrepared(order_id="o1")) == []


@pytest.mark.parametrize("kind", [events.OrderCancelled, events.OrderRefunded])
def test_an_order_ends_once(kind):
    one = life().tell(PAID).tell(kind(order_id="o1"))
    assert made(one, kind(order_id="o1")) == []


@pytest.mark.parametrize(
    ("status", "fact"),
    [
        ("Delivered", ["ParcelDelivered"]),
        (" DELIVERED ", ["ParcelDelivered"]),
        ("failed", ["Raised", "ParcelFailed"]),
        ("Delivery Failed", ["Raised", "ParcelFailed"]),
        ("delivery_failure", ["Raised", "ParcelFailed"]),
        ("lost", ["Raised", "ParcelFailed"]),
        ("returned", ["Raised", "ParcelFailed"]),
        ("in transit", ["Raised"]),
        ("not delivered", ["Raised"]),
        ("", []),
    ],
)
def test_a_carriers_word_is_understood(status, fact):
    one = life().tell(PAID).tell(events.OrderFulfilled(order_id="o1"))
    assert made(one, events.ShipmentUpdated(order_id="o1", status=status)) == fact


def test_one_parcel_of_two_that_arrived_is_one_parcel():
    one = life().tell(PAID)
    for name in ("a", "b"):
        one.tell(events.OrderFulfilled(order_id="o1", fulfillment_id=name))
    one.tell(events.OrderDelivered(order_id="o1", fulfillment_id="a"))
    parcels = {parcel.parcel_id: parcel.delivered_at for parcel in one.state.orders["o1"].parcels}
    assert parcels == {"a": one.now, "b": None}


def test_a_delivery_in_the_future_is_now():
    one = life().tell(PAID).tell(events.OrderFulfilled(order_id="o1"))
    one.tell(events.OrderDelivered(order_id="o1", delivered_at=datetime(2030, 1, 1, tzinfo=UTC)))
    assert one.state.orders["o1"].parcels[0].delivered_at == one.now


def test_a_refund_that_names_no_products_of_the_order_gives_nothing_back():
    one = life().tell(PAID)
    one.tell(events.OrderRefunded(order_id="o1", products=(events.Product(product_id="x"),)))
    assert one.state.orders["o1"].back == {}


def test_a_refund_by_products_of_an_order_without_lines_is_a_part():
    one = life().tell(events.OrderPaid(order_id="o1", total=20, currency="EUR"))
    assert made(one, events.OrderRefunded(order_id="o1", products=(TEA,))) == ["ProductsReturned"]


def test_a_refund_of_the_whole_amount_is_of_the_whole_order():
    one = life().tell(PAID)
    assert made(one, events.OrderRefunded(order_id="o1", total=20)) == ["OrderRefunded"]


def test_what_was_refunded_is_no_purchase():
    one = life().tell(PAID).tell(events.OrderRefunded(order_id="o1"))
    assert (one.state.purchases.count, one.state.purchases.total) == (0, 0)


def test_an_event_of_the_future_happened_now():
    one = life()
    one.tell(PAID, occurred="2026-06-02 10:00")
    assert one.state.orders["o1"].paid_at == one.now


# What mails show


def shown(told: state.State, shows: tuple[str, ...], **refs: str) -> mail.Values:
    stay = Enrolment(programme="one", began_at=told.now, because="Doorbell", refs=refs)
    return values.shown(told, stay, shows, currency="EUR")


def test_a_parcel_nobody_knows_is_not_shown():
    order = Order("o1", parcels=(Parcel("a", life().now),))
    told = life().state
    told = state.State(customer_id=told.customer_id, orders={"o1": order})
    assert shown(told, ("order", "parcel"), order="o1", parcel="o1/b").parcel is None
    assert shown(told, ("parcel",), order="o1", parcel="o1/a").parcel is not None


def test_a_cart_that_is_gone_is_not_shown():
    assert shown(life().state, ("cart",)).cart is None


def test_a_mail_shows_only_what_its_step_asks_for():
    one = life().tell(PAID).tell(events.ProductAdded(product_id="hat", price=1), occurred=None)
    found = shown(one.sleeps(days(1)).state, (), order="o1")
    assert (found.cart, found.order, found.parcel, found.viewed) == (None, None, None, ())


def test_a_product_without_a_name_is_shown_by_its_id():
    one = life().sleeps(hours(1)).tell(events.ProductAdded(product_id="hat", price=1))
    assert shown(one.state, ("cart",)).cart.lines[0].name == "hat"


def test_what_was_looked_at_is_shown_last_first_and_without_what_was_bought_since():
    one = life()
    for product_id in ("hat", "tea", "cup"):
        one.tell(events.ProductViewed(product_id=product_id, price=3))
    found = shown(one.tell(PAID).state, ("viewed",))
    assert [line.product_id for line in found.viewed] == ["cup", "hat"]
    assert found.currency == "EUR"


def test_the_same_state_always_hashes_alike():
    told = life().tell(PAID).state
    again = state.decode(state.encode(told))
    assert state.hash_of(state.encode(told)) == state.hash_of(state.encode(again))
    assert state.hash_of(b"") != state.hash_of(state.encode(told))
