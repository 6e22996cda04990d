"""The laws, over lives nobody would think of (design §3).

`tests/lives.py` checks every turn; here lives are generated: events in any order, late and twice,
alarms that ring late, early or not at all, hours to weeks that pass, nights on which the clock is
put forward or back, people who change their mind, orders that are cancelled and paid back, visitors
who turn out to be somebody.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ecrm import apply, messages, state
from ecrm.moment import DAY, HOUR, MINUTE, SECOND, CustomerId, Duration, Instant
from ecrm.state import State
from proto import events
from tests.lives import LONGEST, Life
from tests.values import any_fact

ZONES = ("Europe/Paris", "Asia/Kolkata", "America/New_York", "Pacific/Chatham")

# Beside the nights on which Europe and New York change their clocks.
STARTS = ("2026-03-27 18:30", "2026-10-23 20:50", "2026-03-07 12:00", "2026-06-15 07:59")

SPANS = st.one_of(
    st.integers(0, 5 * MINUTE),
    st.integers(MINUTE, 3 * HOUR),
    st.integers(HOUR, 3 * DAY),
    st.integers(DAY, 40 * DAY),
    st.sampled_from([10 * MINUTE, HOUR, 20 * HOUR, 2 * DAY, 5 * DAY, 7 * DAY, 15 * DAY, 30 * DAY]),
)
LATE = st.one_of(st.just(0), st.integers(0, 2 * HOUR), st.integers(0, 29 * DAY))

PRODUCTS = st.sampled_from(["p1", "p2", "p3"])
ORDERS = st.sampled_from(["o1", "o2", "o3"])
PARCELS = st.sampled_from(["", "a", "b"])
MONEY = st.one_of(st.none(), st.integers(0, 90), st.floats(0, 90, width=32))
LINES = st.lists(
    st.builds(
        events.Product,
        product_id=PRODUCTS,
        price=MONEY,
        quantity=st.one_of(st.none(), st.integers(1, 3)),
    ),
    max_size=3,
).map(tuple)


def order(kind):
    return st.builds(
        kind, order_id=ORDERS, products=LINES, total=MONEY, currency=st.sampled_from([None, "JPY"])
    )


EVENTS = st.one_of(
    st.builds(
        events.ProductAdded,
        product_id=PRODUCTS,
        price=MONEY,
        quantity=st.one_of(st.none(), st.integers(1, 3)),
    ),
    st.builds(
        events.ProductRemoved, product_id=PRODUCTS, quantity=st.one_of(st.none(), st.integers(1, 3))
    ),
    st.just(events.CartEmptied(cart_id="k")),
    st.builds(events.CartViewed, products=LINES),
    st.builds(events.CheckoutStarted, products=LINES),
    st.builds(
        events.CheckoutStepViewed, step_name=st.sampled_from([None, "address", "payment", "odd"])
    ),
    st.builds(events.PaymentInfoEntered),
    st.builds(events.ProductViewed, product_id=PRODUCTS),
    order(events.OrderCompleted),
    order(events.OrderCancelled),
    order(events.OrderRefunded),
    order(events.OrderUpdated),
    st.builds(events.OrderPaid, order_id=ORDERS, products=LINES, total=st.integers(0, 90), currency=st.just("EUR")),
    st.builds(events.OrderPrepared, order_id=ORDERS),
    st.builds(events.OrderFulfilled, order_id=ORDERS, fulfillment_id=PARCELS),
    st.builds(events.OrderDelivered, order_id=ORDERS, fulfillment_id=PARCELS),
    st.builds(
        events.ShipmentUpdated,
        order_id=ORDERS,
        status=st.sampled_from(["delivered", "Delivery failed", "lost", "in transit"]),
    ),
    st.builds(events.ProductReviewed, product_id=PRODUCTS, rating=st.integers(0, 5)),
    st.builds(events.SurveyAnswered, survey_id=ORDERS.map("site/{}".format), score=st.just(9)),
    st.builds(events.ConsentUpdated, purpose=st.just("email_marketing"), state=st.sampled_from(["granted", "denied"])),
    st.builds(events.SignedUp, email=st.sampled_from([None, "ana@post.example"])),
    st.builds(
        events.PreferenceUpdated,
        frequency=st.sampled_from([0, 1, 5, "weekly", "monthly", "daily", "now and then", None]),
    ),
    st.just(events.EmailChanged(old_email="ana@post.example", new_email="ana@new.example")),
)  # fmt: skip


class Lives(RuleBasedStateMachine):
    """A person and a visitor who may turn out to be that person."""

    @initialize(zone=st.sampled_from(ZONES), start=st.sampled_from(STARTS), known=st.booleans())
    def begin(self, zone, start, known):
        self.person = Life(zone, start=start)
        self.visitor = Life(zone, start=start, customer_id="visitor:v")
        if known:
            self.person.identify().signs_up().consents()

    @rule(event=EVENTS, late=LATE, twice=st.booleans())
    def the_shop_tells(self, event, late, twice):
        at = Instant(self.person.now - late)
        for _ in range(1 + twice):
            self.person.tell(event, occurred=at)

    @rule(event=EVENTS, late=LATE)
    def the_visitor_does(self, event, late):
        if self.visitor.state.bound_to is None:
            self.visitor.now = max(self.visitor.now, self.person.now)
            self.visitor.tell(event, occurred=Instant(self.visitor.now - late))

    @rule()
    def the_visitor_is_known(self):
        self.visitor.now = max(self.visitor.now, self.person.now)
        self.visitor.becomes(self.person)

    @rule(zone=st.sampled_from([*ZONES, None, "Nowhere/Land"]))
    def the_person_says_who_they_are(self, zone):
        self.person.identify(timezone=zone)

    @rule(span=SPANS)
    def time_passes(self, span):
        self.person.sleeps(Duration(span))

    @rule(span=SPANS)
    def the_service_is_down(self, span):
        self.person.skips(Duration(span)).ticks()

    @rule()
    def an_alarm_rings_for_nothing(self):
        self.person.ticks()

    @rule(back=st.integers(SECOND, 2 * HOUR))
    def the_clock_is_put_back(self, back):
        """The turn's moment stays where the customer was (law 1)."""
        self.person.now = Instant(self.person.now - back)

    @rule(outcome=st.sampled_from(["accepted", "cancelled", "expired", "dead", "suppressed"]))
    def delivery_reports(self, outcome):
        self.person.reports(outcome)

    @rule()
    def delivery_reports_a_mail_nobody_knows(self):
        self.person.take(messages.Report("nobody's", "accepted"))

    @invariant()
    def the_state_is_bounded(self):
        if hasattr(self, "person"):
            assert len(state.encode(self.person.state)) < 16_000

    def teardown(self):
        """When nothing more happens, every stay in a programme ends."""
        if hasattr(self, "person"):
            self.person.now = max(self.person.now, self.person.state.now)
            self.person.sleeps(LONGEST)
            assert self.person.state.enrolments == {}


TestLives = Lives.TestCase
TestLives.settings = settings(stateful_step_count=25)


@given(st.lists(any_fact(), max_size=12))
def test_any_fact_applies_to_any_state(past):
    before = State(customer_id=CustomerId("c1"))
    after = apply.replay(before, tuple(past))
    assert after.seq == len(past)


@given(st.lists(any_fact(), min_size=1, max_size=12), st.data())
def test_a_snapshot_anywhere_in_a_nonsensical_past_changes_nothing(past, data):
    cut = data.draw(st.integers(0, len(past)))
    empty = State(customer_id=CustomerId("c1"))
    snapshot = state.encode(apply.replay(empty, tuple(past[:cut])))
    whole = apply.replay(empty, tuple(past))
    assert apply.replay(state.decode(snapshot), tuple(past[cut:])) == whole
