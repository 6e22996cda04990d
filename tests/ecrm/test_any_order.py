"""The checkout in each of its 720 orders, without the machinery around the decision (wire §1)."""

from __future__ import annotations

from itertools import permutations

from ecrm.moment import Duration, Instant, days, minutes
from proto import events
from tests.lives import Life

LINE = events.Product(product_id="cup", name="cup", price=10)
CHECKOUT = (
    (30, events.ProductAdded(product_id="cup", name="cup", price=10)),
    (25, events.CheckoutStarted(products=(LINE,))),
    (22, events.CheckoutStepCompleted(step="shipping")),
    (20, events.PaymentInfoEntered()),
    (19, events.OrderCompleted(order_id="o", total=10, currency="EUR", products=(LINE,))),
    (18, events.OrderPaid(order_id="o", total=10, currency="EUR", products=(LINE,))),
)

ORDERS = list(permutations(range(6)))


def told_in(order):
    """The mails of a life that is told the checkout in this order, twenty seconds apart."""
    life = Life(start="2026-03-02 10:00").identify().consents()
    start = life.now
    for place in order:
        ago, event = CHECKOUT[place]
        life.tell(event, occurred=Instant(start - minutes(ago))).sleeps(Duration(20_000))
    return life.sleeps(days(3))


def test_a_checkout_in_each_of_its_orders_comes_to_the_same_mails():
    others = {order: [kind for kind, *_ in told_in(order).mails] for order in ORDERS}
    assert {tuple(kinds) for kinds in others.values()} == {("k11", "k12")}
