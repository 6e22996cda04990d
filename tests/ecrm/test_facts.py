"""What a fact sets off, what it asks of the world, and how it reads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ecrm import apply, effects, explain, facts, mail, messages, programmes, triggers
from ecrm.explain import sentences
from ecrm.matters import Comment, Invoice, Refund, Review
from ecrm.moment import DAY, CustomerId, Instant
from ecrm.programme import MailStep
from ecrm.state import Cart, Consent, Had, Line, Order, Parcel, Person, Purchases, State, Wish
from ecrm.triggers import Trigger
from proto import notices
from tests.values import FACTS, any_fact, anything

ME = CustomerId("c1")
NOW = Instant(1_780_000_000_000)
WORLD = State(customer_id=ME, now=NOW)


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15)
def test_every_fact_can_be_told_in_a_sentence(kind, data):
    said = explain.sentence(data.draw(anything(kind)))
    assert said.strip()


def test_no_kind_of_fact_is_without_its_place():
    subclasses = set(facts.Fact.__subclasses__())
    assert subclasses == set(FACTS) == set(apply._APPLIERS) == set(sentences._SENTENCES)


@given(any_fact(), st.sampled_from([CustomerId("c1"), CustomerId("visitor:v")]))
def test_every_fact_asks_for_durable_or_fleeting_things_only(fact, who):
    asked = effects.effects_of(who, fact, NOW)
    assert isinstance(asked, tuple)
    assert all(isinstance(one, effects.Effect) for one in asked)


@given(any_fact())
def test_every_fact_is_read_as_it_was_written(fact):
    assert facts.decode(facts.encode((fact,))) == (fact,)


# How some read


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (
            facts.Happened(NOW, "Order Paid", NOW),
            "Order Paid, happened 2026-05-28T20:26:40Z",
        ),
        (facts.Left("cart", "offer", "k08", "stop_condition", "Cart Emptied by Order Paid o1"),
         "left cart: stop_condition, Cart Emptied by Order Paid o1; k08 offer will not be sent"),
        (facts.Left("welcome", "graduated", "", "stop_condition", "Order Paid o1"),
         "left welcome: stop_condition, Order Paid o1"),
        (facts.ConsentChanged("email_marketing", granted=True, source="footer"),
         "email_marketing was granted (footer)"),
        (facts.ConsentChanged("email_marketing", granted=False), "email_marketing was denied"),
        (facts.MailWithheld("cart", "offer", "k08", "cap", "too many"),
         "mail k08 offer is not sent: cap, too many (cart)"),
    ],
)  # fmt: skip
def test_a_fact_reads_like_this(fact, sentence):
    assert explain.sentence(fact) == sentence


def requested(**seen) -> facts.MailRequested:
    wanted = mail.Mail(
        mail_id="m1", customer_id=ME, kind="k07", programme="cart", step="reminder",
        template="cart/reminder", mail_class="marketing", lane=2, at=NOW, not_after=NOW,
        to="a@b.example", locale="fr", zone="Europe/Paris",
    )  # fmt: skip
    return facts.MailRequested("cart", wanted, {}, seen)


def test_a_mail_is_told_with_what_decided_it():
    told = explain.sentence(requested(**{"cart.lines": 1}))
    assert told == "mail k07 cart/reminder goes to the queue as m1 (cart.lines was 1)"
    assert explain.sentence(requested()) == "mail k07 cart/reminder goes to the queue as m1"


# What they ask for


def asked(fact) -> list[effects.Effect]:
    return list(effects.effects_of(ME, fact, NOW))


def test_a_mail_that_is_wanted_is_sent():
    fact = requested()
    assert asked(fact) == [effects.Send(fact.mail)]


def test_a_mail_that_became_pointless_is_cancelled():
    assert asked(facts.MailRetracted("m1", "k07", "Order Paid o1")) == [
        effects.Cancel("m1", "Order Paid o1")
    ]


def test_a_visitor_is_told_who_it_is_and_the_person_what_it_did():
    cart, said = Cart("k", "EUR"), {"email_marketing": Consent(granted=True, at=NOW)}
    orders = {"o1": Order("o1")}
    assert asked(facts.Recognised(CustomerId("visitor:v"))) == [
        effects.Tell(CustomerId("visitor:v"), messages.Bind(ME))
    ]
    legacy = State(ME, cart=cart, consents=said, orders=orders)
    assert asked(facts.Bound(NOW, CustomerId("c2"), legacy=legacy)) == [
        effects.Tell(CustomerId("c2"), messages.Inherit(ME, legacy=legacy))
    ]


def test_what_was_bound_before_lives_were_handed_on_whole_hands_on_what_it_knew():
    cart, said = Cart("k", "EUR"), {"email_marketing": Consent(granted=True, at=NOW)}
    orders = {"o1": Order("o1")}
    assert asked(facts.Bound(NOW, CustomerId("c2"), cart, said, orders)) == [
        effects.Tell(
            CustomerId("c2"),
            messages.Inherit(ME, legacy=State(ME, cart=cart, consents=said, orders=orders)),
        )
    ]


def test_an_older_id_is_told_who_it_is():
    assert asked(facts.Joined(CustomerId("c0"))) == [
        effects.Tell(CustomerId("c0"), messages.Bind(ME))
    ]


@pytest.mark.parametrize("outcome", ["accepted", "accepted_unknown"])
def test_a_mail_that_was_taken_is_told_as_sent(outcome):
    assert asked(facts.Heard(NOW, "m1", outcome, "250", "k14", "shipment/o1/T")) == [
        effects.Notify(
            notices.EmailSent(
                customer_id=ME, at=NOW, mail_id="m1", kind="k14", programme="shipment"
            )
        )
    ]


def test_a_mail_that_was_given_up_is_told_with_the_reason_of_the_other_side():
    assert asked(facts.Heard(NOW, "m1", "dead", "550 no", "k07", "cart")) == [
        effects.Notify(
            notices.EmailFailed(
                customer_id=ME,
                at=NOW,
                mail_id="m1",
                kind="k07",
                programme="cart",
                response="550 no",
            )
        )
    ]


@pytest.mark.parametrize("outcome", ["cancelled", "expired", "suppressed"])
def test_a_mail_that_was_not_handed_over_is_told_as_withheld(outcome):
    (told,) = asked(facts.Heard(NOW, "m1", outcome, "", "k07", "cart"))
    assert isinstance(told.notice, notices.EmailWithheld)
    assert (told.notice.reason, told.notice.mail_id) == (outcome, "m1")


def test_a_mail_that_was_not_decided_on_is_told_as_withheld():
    (told,) = asked(facts.MailWithheld("cart", "offer", "k08", "cap", "too many"))
    assert (told.notice.reason, told.notice.programme, told.notice.step) == ("cap", "cart", "offer")


def test_the_shop_is_told_of_every_coupon():
    assert asked(facts.OfferMade("AB-CD", 10, NOW, "cart")) == [
        effects.Notify(
            notices.CouponIssued(
                customer_id=ME, at=NOW, code="AB-CD", percent=10, until=NOW, programme="cart"
            )
        )
    ]


def test_what_merely_happened_asks_for_nothing():
    assert asked(facts.Happened(NOW, "Order Paid", NOW)) == []
    assert asked(facts.Awaits("cart", "offer", NOW)) == []


# What they set off

EARLIER = Instant(NOW - 1_000)
LINE, ORDER = Line("p1"), Order("o1", placed_at=EARLIER, paid_at=EARLIER)


@pytest.mark.parametrize(
    ("fact", "trigger"),
    [
        (facts.SignedUp(), Trigger("Signed Up", NOW)),
        (facts.Registered(), Trigger("Registered", NOW)),
        (facts.LinePut("k", "EUR", LINE, EARLIER), Trigger("Product Added", EARLIER)),
        (facts.CheckoutReached("k", "start", EARLIER, began=True), Trigger("Checkout Started", EARLIER)),
        (facts.CartEmptied("Order Paid o1"), Trigger("Cart Emptied", NOW, about="by Order Paid o1")),
        (facts.OrderPlaced(ORDER), Trigger("Order Completed", EARLIER, {"order": "o1"}, "o1")),
        (facts.OrderPlaced(Order("o1")), Trigger("Order Completed", NOW, {"order": "o1"}, "o1")),
        (facts.OrderPaid(ORDER), Trigger("Order Paid", EARLIER, {"order": "o1"}, "o1")),
        (facts.OrderPaid(Order("o1")), Trigger("Order Paid", NOW, {"order": "o1"}, "o1")),
        (facts.OrderPrepared("o1", EARLIER), Trigger("Order Prepared", EARLIER, {"order": "o1"}, "o1")),
        (facts.OrderShipped("o1", Parcel("T", EARLIER)),
         Trigger("Order Fulfilled", EARLIER, {"order": "o1", "parcel": "o1/T"}, "o1")),
        (facts.ParcelDelivered("o1", "T", EARLIER), Trigger("Order Delivered", EARLIER, {"order": "o1"}, "o1")),
        (facts.ParcelFailed("o1", "T", "lost", EARLIER), Trigger("Delivery Failed", EARLIER, {"order": "o1"}, "o1")),
        (facts.OrderCancelled("o1", EARLIER), Trigger("Order Cancelled", EARLIER, {"order": "o1"}, "o1")),
        (facts.OrderRefunded("o1", EARLIER, 700, "EUR"),
         Trigger("Order Refunded", EARLIER, {"order": "o1"}, "o1", Refund("o1", 700, "EUR"))),
        (facts.ProductsReturned("o1", {"p1": 1}, EARLIER),
         Trigger("Products Returned", EARLIER, {"order": "o1"}, "o1", Refund("o1", whole=False))),
        (facts.ProductReviewed("p1", 4, again=True), Trigger("Product Reviewed", NOW, about="p1")),
        (facts.SurveyTaken("relevance", "", 8), Trigger("Relevance Rated", NOW)),
        (facts.SurveyTaken("support", "7", 8), Trigger("Support Rated", NOW, {"ticket": "7"}, "7")),
        (facts.FrequencyWished(Wish(1, DAY)), Trigger("Frequency Wished", NOW)),
        (facts.AccountClosed(), Trigger("Account Deleted", NOW)),
        (facts.Heard(NOW, "m", "accepted", kind="k11", refs={"order": "o1"}),
         Trigger("Sent k11", NOW, {"order": "o1"}, "k11")),
        (facts.Raised("Invoice Paid", EARLIER, Invoice("i1"), {"invoice": "i1"}),
         Trigger("Invoice Paid", EARLIER, {"invoice": "i1"}, "i1", Invoice("i1"))),
        (facts.NoticeKept("weekly", Comment("s1")),
         Trigger("Notice Kept", NOW, {"cadence": "weekly"}, "weekly")),
        (facts.Assessed("inactive", None, "active"), Trigger("Became inactive", NOW)),
        (facts.CameBack(), Trigger("Sign Of Life", NOW)),
        (facts.SiteRated("o1", 9), Trigger("Site Rated", NOW, {"order": "o1"}, "o1")),
        (facts.Happened(NOW, "Birthday", EARLIER), Trigger("Birthday", EARLIER)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, facts.Fact) else "",
)  # fmt: skip
def test_a_fact_sets_off_its_trigger(fact, trigger):
    assert triggers.triggers_of(WORLD, fact) == (trigger,)


@pytest.mark.parametrize(
    "fact",
    [
        facts.Happened(NOW, "Order Paid", NOW),
        facts.Happened(NOW, "Site Rated", NOW),
        facts.CheckoutReached("k", "payment", NOW),
        facts.PersonChanged(Person()),
        facts.Inherited(NOW, CustomerId("visitor:v")),
        facts.Inherited(NOW, CustomerId("visitor:v"), Cart("k", "EUR")),
        facts.Enrolled("cart", "cart", "Product Added"),
        facts.Heard(NOW, "m", "dead", kind="k11"),
        facts.Heard(NOW, "nobody's", "accepted"),
        facts.SurveyTaken("colours", "", 3),
        facts.Assessed("active", None, "active"),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_a_fact_that_is_no_news_sets_nothing_off(fact):
    assert triggers.triggers_of(WORLD, fact) == ()


@pytest.mark.parametrize(
    ("step", "names"), [("", ["Product Added"]), ("payment", ["Product Added", "Checkout Started"])]
)
def test_a_cart_that_came_along_sets_off_what_filled_it(step, names):
    cart = Cart("k", "EUR", (LINE,), touched_at=EARLIER, step=step)
    found = triggers.triggers_of(WORLD, facts.Inherited(NOW, CustomerId("visitor:v"), cart))
    assert found == tuple(Trigger(name, EARLIER) for name in names)


def test_a_first_review_of_what_was_bought_sets_off_what_it_earns():
    bought = Order("o1", lines=(Line("p1", name="Tea"),))
    told = replace(WORLD, orders={"o1": bought}, had={"p1": Had(NOW)})
    assert triggers.triggers_of(told, facts.ProductReviewed("p1", 4)) == (
        Trigger("Product Reviewed", NOW, about="p1"),
        Trigger("Review Earned", NOW, {"product": "p1"}, "p1", Review("p1", "Tea", 4)),
    )


@pytest.mark.parametrize("had", [{}, {"p2": Had(NOW)}], ids=["nothing", "another"])
def test_a_review_of_what_was_not_bought_earns_nothing(had):
    found = triggers.triggers_of(replace(WORLD, had=had), facts.ProductReviewed("p1", 4))
    assert found == (Trigger("Product Reviewed", NOW, about="p1"),)


@pytest.mark.parametrize(
    ("count", "counted"),
    [
        (1, Trigger("First Order", EARLIER, {"order": "o1"})),
        (2, Trigger("Next Order", EARLIER)),
    ],
)
def test_an_order_counts_when_it_is_heard_of_first_and_only_then(count, counted):
    order = Order("o1", lines=(LINE,), placed_at=EARLIER)
    told = replace(WORLD, orders={"o1": order}, purchases=Purchases(count=count))
    assert triggers.triggers_of(told, facts.OrderPlaced(order)) == (
        Trigger("Order Completed", EARLIER, {"order": "o1"}, "o1"),
        counted,
        Trigger("Product Bought", EARLIER, {"product": "p1"}, "p1"),
    )
    paid = replace(order, paid_at=NOW)
    told = replace(told, orders={"o1": paid})
    assert triggers.triggers_of(told, facts.OrderPaid(paid)) == (
        Trigger("Order Paid", NOW, {"order": "o1"}, "o1"),
    )


@pytest.mark.parametrize(
    ("order", "amount"),
    [(Order("o1", "JPY", total=900), 900), (Order("o1", "JPY"), None)],
)
def test_a_whole_refund_is_of_what_the_order_cost_where_nobody_says_how_much(order, amount):
    told = replace(WORLD, orders={"o1": order})
    (found,) = triggers.triggers_of(told, facts.OrderRefunded("o1", EARLIER))
    assert found.matter == Refund("o1", amount, "JPY")


KINDS = sorted(
    step.kind for one in programmes.ALL for step in one.steps if isinstance(step, MailStep)
)


@given(any_fact().filter(lambda fact: not isinstance(fact, facts.Happened | facts.Raised)))
def test_every_trigger_of_a_fact_is_one_that_events_do_not_set_off_by_themselves(fact):
    if isinstance(fact, facts.Heard):
        fact = replace(fact, kind="k07")
    assert all(triggers.is_ours(found.name) for found in triggers.triggers_of(WORLD, fact))


@pytest.mark.parametrize(
    "name", ["Sent k11", "Became inactive", "First Order", "Sign Of Life", "Appointment Moved"]
)
def test_an_event_of_the_name_of_one_of_ours_sets_nothing_off(name):
    assert triggers.triggers_of(WORLD, facts.Happened(NOW, name, EARLIER)) == ()


@pytest.mark.parametrize("one", programmes.ALL, ids=lambda one: one.name)
def test_every_trigger_of_the_house_can_happen(one):
    sent = {f"Sent {kind}" for kind in KINDS}
    ours = {*triggers.FROM_FACTS, *sent}
    assert {*one.enrol, *one.leave, *one.clocks()} <= ours


def test_a_trigger_reads_with_what_it_is_about():
    assert str(Trigger("Order Paid", NOW, {}, "o1")) == "Order Paid o1"
    assert str(Trigger("Registered", NOW)) == "Registered"
