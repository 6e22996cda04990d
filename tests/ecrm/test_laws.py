"""The laws, over lives nobody would think of (design §3).

`tests/laws.py` checks every turn; here lives are generated. Short ones: events in any order, late and
twice, alarms that ring late, early or not at all, hours to weeks that pass, clocks that go back,
visitors who turn out to be somebody. And two years with everything a shop can tell, recipients who
open and click, machines that do as well, a shelf full of proposals, and six nights on which the
clock is put forward or back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ecrm import apply, facts, messages, state
from ecrm.catalogue import Product
from ecrm.matters import Campaign, Release
from ecrm.moment import DAY, HOUR, MINUTE, SECOND, CustomerId, Duration, Instant
from ecrm.state import State
from proto import events
from tests.laws import UNSENT
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


def about(event, /, *names, **more):
    """An event with these ids out of a few."""
    few = {name: st.sampled_from([f"{name[0]}1", f"{name[0]}2"]) for name in names}
    return st.builds(event, **few, **more)


# What the shop tells of the shopping.
SHOPPING = (
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
)
# What it tells of an order and its parcels.
ORDERING = (
    order(events.OrderCompleted),
    order(events.OrderCancelled),
    order(events.OrderRefunded),
    order(events.OrderUpdated),
    st.builds(
        events.OrderPaid,
        order_id=ORDERS,
        products=LINES,
        total=st.integers(0, 90),
        currency=st.just("EUR"),
    ),
    st.builds(events.OrderPrepared, order_id=ORDERS),
    st.builds(events.OrderFulfilled, order_id=ORDERS, fulfillment_id=PARCELS),
    st.builds(events.OrderDelivered, order_id=ORDERS, fulfillment_id=PARCELS),
    st.builds(
        events.ShipmentUpdated,
        order_id=ORDERS,
        status=st.sampled_from(["delivered", "Delivery failed", "lost", "in transit"]),
    ),
)
# What people say.
SAYING = (
    st.builds(events.ProductReviewed, product_id=PRODUCTS, rating=st.integers(0, 5)),
    st.builds(
        events.SurveyAnswered,
        survey_id=st.sampled_from(["site/o1", "site/o2", "relevance", "support/t1", "nps"]),
        score=st.integers(0, 10),
    ),
    st.builds(
        events.ConsentUpdated,
        purpose=st.sampled_from(["email_marketing", "email_marketing", "open_tracking"]),
        state=st.sampled_from(["granted", "granted", "denied"]),
    ),
    st.builds(events.SignedUp, email=st.sampled_from([None, "ana@post.example"])),
    st.builds(
        events.PreferenceUpdated,
        frequency=st.sampled_from([0, 1, 5, "weekly", "monthly", "daily", "now and then", None]),
        topics=st.dictionaries(st.sampled_from(["news", "comment", "event"]), st.booleans()),
        digest=st.dictionaries(
            st.sampled_from(["comment", "shipping", "appointment", "event"]),
            st.sampled_from(["daily", "weekly", "monthly", "off"]),
        ),
    ),
    st.builds(
        events.InviteSent,
        invitee_email=st.sampled_from([None, "bob@post.example", "BOB@post.example", "z@x_y.org"]),
    ),
)
# Of 2026 and 2027, on whatever side of the present; none so far off that a life ends before it.
AT = st.integers(1_772_000_000, 1_826_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
# What else the shop tells: money, the account, others, dates, tickets.
TELLING = (
    about(events.InvoiceIssued, "invoice_id", total=MONEY, due_at=st.one_of(st.none(), AT)),
    about(events.InvoiceOverdue, "invoice_id", "order_id"),
    about(events.InvoicePaid, "invoice_id"),
    about(events.PaymentFailed, "order_id", invoice_id=st.sampled_from([None, "i1"])),
    st.builds(events.VerificationCodeRequested, code=st.just("s3cret-481516"), expires_at=AT),
    st.builds(
        events.PasswordResetRequested,
        reset_url=st.just("https://s.example/r/s3cret"),
        expires_at=AT,
    ),
    st.just(events.EmailChanged(old_email="ana@post.example", new_email="ana@new.example")),
    st.builds(events.LoginAttempted, success=st.booleans()),
    st.just(events.SignedIn()),
    st.just(events.AccountUpdated(fields=("password",))),
    about(events.CommentPosted, "subject_id"),
    about(
        events.AppointmentScheduled,
        "appointment_id",
        starts_at=AT,
        kind=st.sampled_from([None, "event"]),
    ),
    about(events.AppointmentCancelled, "appointment_id", starts_at=AT),
    *(
        about(kind, "ticket_id", parties=st.sampled_from([(), ("p@x.example", "ana@post.example")]))
        for kind in (
            events.SupportTicketOpened,
            events.SupportTicketUpdated,
            events.SupportTicketClosed,
        )
    ),
)
EVENTS = st.one_of(*SHOPPING, *ORDERING, *SAYING, *TELLING)
DELETED = events.AccountDeleted()
MATTERS = st.one_of(
    st.builds(
        Release,
        product_id=PRODUCTS,
        series_id=st.just("s"),
        edition=st.sampled_from(["1", "2", "3"]),
        name=st.just("Season"),
    ),
    st.builds(
        Campaign,
        campaign_id=st.sampled_from(["c1", "c2", "c3"]),
        name=st.just("newsletter/news"),
        segment=st.sampled_from(["", "orders.count > 0", 'tier == "active"']),
    ),
)
OUTCOMES = st.sampled_from(["accepted"] * 6 + ["accepted_unknown", *UNSENT])

CATALOGUE = (
    Product("p1", "One", category="a", price=500, currency="EUR", complements=("p4",), cycle_days=9),
    Product("p2", "Two", category="b", price=700, currency="EUR", series_id="s", edition="1",
            purchase_kind="considered"),
    Product("p3", "Three", price=90, currency="EUR", series_id="s", edition="2", recurring=True),
    Product("p4", "Four", category="a", price=500, currency="EUR", creator_id="maker"),
    Product("p5", "Five", category="a", price=900, currency="EUR", creator_id="maker"),
    Product("p6", "Six", category="a", price=800, currency="EUR"),
)  # fmt: skip


class Lives(RuleBasedStateMachine):
    """A person and a visitor who may turn out to be that person."""

    @initialize(zone=st.sampled_from(ZONES), start=st.sampled_from(STARTS), known=st.booleans())
    def begin(self, zone, start, known):
        self.person = Life(zone, start=start).shop_has(*CATALOGUE, recent=("p1", "p4"))
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

    @rule(outcome=OUTCOMES)
    def delivery_reports(self, outcome):
        self.person.reports(outcome)

    @rule(matter=MATTERS)
    def everybody_is_told(self, matter):
        self.person.is_told_of(matter)

    @rule(deed=st.sampled_from(["opens", "clicks"]), human=st.booleans())
    def the_person_sees_a_mail(self, deed, human):
        if self.person.sent:
            getattr(self.person, deed)(human=human)

    @rule()
    def the_account_is_deleted(self):
        self.person.tell(DELETED)

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
            ends(self.person)


TestLives = Lives.TestCase
TestLives.settings = settings(stateful_step_count=25)


# Two years


YEARS = 2 * 365 * DAY


class Deeds:
    """What happens to a person in one go; each method is one kind of it."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.orders = count(1)

    def tells(self, event):
        self.life.tell(event)

    def announces(self, matter):
        self.life.is_told_of(matter)

    def leaves_a_cart(self, event):
        self.life.tell(events.ProductAdded(product_id="p1", price=5)).tell(event)

    def buys(self, lines):
        """With the newest coupon there is, and the parcel arrives."""
        life, order_id = self.life, f"n{next(self.orders)}"
        coupon = life.state.offers[-1].code if life.state.offers else None
        placed = {"order_id": order_id, "products": lines, "coupon": coupon, "total": 40}
        life.tell(events.OrderCompleted(**placed)).sleeps(Duration(MINUTE))
        life.tell(events.OrderPaid(**placed, currency="EUR")).reports("accepted", "k11")
        life.sleeps(Duration(DAY)).tell(events.OrderFulfilled(order_id=order_id))
        life.tell(events.ShipmentUpdated(order_id=order_id, status="in transit"))

    def makes_a_date(self, after):
        starts = datetime.fromtimestamp((self.life.now + after) // 1_000, UTC)
        kind = "event" if after % 2 else None
        name = f"a{after % 3}"
        event = events.AppointmentScheduled(appointment_id=name, starts_at=starts, kind=kind)
        self.life.tell(event)

    def gathers(self, digest):
        self.life.tell(events.PreferenceUpdated(digest=digest))
        self.life.tell(events.CommentPosted(subject_id="s1"))

    def reads(self, deeds):
        """The person does this with the last marketing mail."""
        letters = [mail for mail in self.life.sent if mail.mail_class == "marketing"]
        for deed, human in deeds if letters else ():
            self.life.take(messages.Seen(letters[-1].mail_id, deed, human))

    def is_without_service(self, span):
        self.life.skips(Duration(span)).ticks()


DEEDS = st.one_of(
    st.tuples(st.just(Deeds.tells), st.one_of(*TELLING, *ORDERING)),
    st.tuples(st.just(Deeds.tells), st.one_of(*SAYING, *SHOPPING)),
    st.tuples(st.just(Deeds.announces), MATTERS),
    st.tuples(st.just(Deeds.leaves_a_cart), st.one_of(*SHOPPING)),
    st.tuples(st.just(Deeds.buys), LINES),
    st.tuples(st.just(Deeds.makes_a_date), st.integers(0, 20 * DAY)),
    st.tuples(
        st.just(Deeds.gathers),
        st.dictionaries(
            st.sampled_from(["comment", "shipping", "appointment"]),
            st.sampled_from(["daily", "weekly", "monthly", "off"]),
            max_size=1,
        ),
    ),
    st.tuples(
        st.just(Deeds.reads),
        st.lists(st.tuples(st.sampled_from(["opened", "clicked"]), st.booleans()), max_size=3),
    ),
    st.tuples(st.just(Deeds.is_without_service), st.integers(0, 10 * DAY)),
)


# One such life is worth a hundred turns.
@settings(max_examples=settings().max_examples // 3)
@given(
    zone=st.sampled_from(ZONES),
    start=st.sampled_from(STARTS),
    deeds=st.lists(st.tuples(st.integers(0, YEARS), DEEDS, OUTCOMES), min_size=40, max_size=80),
    deleted=st.booleans(),
)
def test_two_years_of_any_life_keep_every_law(zone, start, deeds, deleted):
    life = Life(zone, start=start).identify().signs_up().consents()
    life.tell(events.ConsentUpdated(purpose="open_tracking", state="granted"))
    life.shop_has(*CATALOGUE, recent=("p1", "p4"))
    begun, does = life.now, Deeds(life)
    for after, (deed, what), outcome in sorted(deeds, key=lambda one: one[0]):
        life.until(Instant(begun + after))
        deed(does, what)
        life.reports(outcome)
    life.until(Instant(begun + YEARS))
    if deleted:
        life.tell(DELETED).reports("accepted")
        # What was owed at that moment may still be on its way, and then goes as well.
        life.sleeps(Duration(90 * DAY)).reports("accepted")
        assert life.of(facts.Erased)
    ends(life)
    keeps_the_cap(life)


def ends(life):
    """When nothing more happens, every stay in a programme ends, and all was accounted for."""
    life.until(life.state.now).sleeps(LONGEST)
    assert life.state.enrolments == {}
    assert life.laws.awaited == {}


def keeps_the_cap(life):
    """Said once more, over the whole of a life: two in any seven days, twenty hours apart."""
    if life.of(facts.FrequencyWished):
        return
    unsent = {fact.mail_id for fact in life.of(facts.Heard) if fact.outcome in UNSENT}
    marketing = [mail for mail in life.sent if mail.mail_class == "marketing"]
    went = sorted(mail.at for mail in marketing if mail.mail_id not in unsent)
    assert all(later - one >= 20 * HOUR for one, later in pairwise(went))
    assert all(third - one >= 7 * DAY for one, third in zip(went, went[2:], strict=False))


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
