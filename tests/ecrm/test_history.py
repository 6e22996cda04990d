"""What a shop knew before becomes part of a life, and nobody is written to about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ecrm import facts, rfm
from ecrm.matters import Campaign
from ecrm.messages import SentBack
from ecrm.moment import days, hours
from ecrm.state import Consent
from proto import events
from proto.envelope import Traits
from tests.lives import Life

TEA = events.Product(product_id="tea", name="Tea", price=12.5, quantity=2)
NEWS = Campaign("c1", "newsletter/news", subject="News", segment="")
CUP = events.Product(product_id="cup", name="Cup", price=7)


def bought(order_id, at, *products):
    """An order of the past, placed and paid."""
    told = {"order_id": order_id, "currency": "EUR", "products": products or (TEA,), "total": 25}
    return (at, events.OrderCompleted(**told)), (at, events.OrderPaid(**told))


def shipped(order_id, at):
    return (at, events.OrderFulfilled(order_id=order_id))


def pays(life, order_id, *products, total=25):
    told = {"order_id": order_id, "currency": "EUR", "products": products or (TEA,)}
    return life.tell(events.OrderPaid(total=total, **told))


def known(life):
    """A person with an address, an account and an order a week ago, all from a file."""
    traits = Traits(email="ana@post.example", first_name="Ana")
    order = bought("o1", "2026-02-23 12:00")
    parcel = shipped("o1", "2026-02-24 12:00")
    return life.remembers(("", traits), ("2024-05-01 09:00", events.SignedUp()), *order, parcel)


# Nothing begins.


def test_the_past_sets_no_timer_and_wants_no_mail():
    life = known(Life())
    assert life.sent == []
    assert life.state.timers == life.state.enrolments == {}
    assert life.state.purchases.count == 1


def test_who_bought_last_week_is_asked_nothing_about_it():
    life = known(Life()).sleeps(days(120))
    assert life.mails == []
    assert life.state.orders["o1"].parcels[0].shipped_at == life.instant("2026-02-24 12:00")


def test_the_parcel_of_an_old_order_that_leaves_now_is_told_of():
    life = Life(only=("shipment",))
    life.remembers(("", Traits(email="ana@post.example")), *bought("o1", "2026-03-01 18:00"))
    life.tell(events.OrderFulfilled(order_id="o1", tracking_number="6A"))
    assert life.kinds == ["k14"]


def test_what_is_due_already_waits_for_its_tick():
    life = Life(only=("welcome",)).identify().signs_up().consents().skips(days(8))
    life.remembers(*bought("o1", "2025-01-01 10:00"))
    assert life.kinds == ["k01"]
    # And by then it is known that there was an order: the welcome has lost its sense.
    life.ticks()
    assert life.kinds == ["k01"]
    assert life.withheld == [("welcome/week-1", "stop_condition")]


# The future counts the past.


def test_the_next_order_is_no_first_order():
    life = known(Life(only=("confirmation", "nursing")))
    pays(life, "o2").sleeps(days(90))
    assert life.kinds == ["k11"]
    assert life.state.purchases.count == 2


def test_without_its_past_the_same_order_is_a_first_one():
    life = Life(only=("confirmation", "nursing")).identify().consents()
    pays(life, "o2").sleeps(days(90))
    assert life.kinds[0] == "k11"
    assert "k22" in life.kinds


def test_who_had_an_account_is_not_welcomed_when_heard_of_again():
    life = Life(only=("welcome",)).remembers(("2024-05-01 09:00", events.SignedUp()))
    life.identify().signs_up().consents().sleeps(days(40))
    assert life.mails == []
    assert life.state.registered_at == life.instant("2024-05-01 09:00")


def test_a_life_told_stands_where_the_same_life_lived():
    """Orders, sums, products and scores are those of somebody who lived it all with us."""
    dates = ["2025-11-03 10:00", "2026-01-12 18:30", "2026-02-20 09:15"]
    lived = Life(start="2025-11-01 09:00").identify().signs_up()
    for n, at in enumerate(dates):
        lived.at(at)
        order = {"order_id": f"o{n}", "currency": "EUR", "products": (TEA, CUP), "total": 32}
        lived.tell(events.OrderCompleted(**order)).tell(events.OrderPaid(**order))
    lived.tell(events.OrderRefunded(order_id="o1")).at("2026-03-02 10:00")
    told = Life().remembers(("", Traits(email="ana@post.example", first_name="Ana")))
    for n, at in enumerate(dates):
        past = [(when, replace(deed, total=32)) for when, deed in bought(f"o{n}", at, TEA, CUP)]
        told.remembers(*past)
    told.remembers((dates[2], events.OrderRefunded(order_id="o1")))
    ours, theirs = told.state, lived.state
    assert ours.orders == theirs.orders
    assert ours.purchases == theirs.purchases
    assert ours.had == theirs.had
    assert ours.person == theirs.person
    assert ours.engagement.ordered_at == theirs.engagement.ordered_at
    now = told.now
    scores = {rfm.score(buyer(one), rfm.FIXED, now) for one in (ours, theirs)}
    assert scores == {replace(ours.rfm, at=now)}
    assert ours.assess_at is not None


def buyer(state):
    sums = state.purchases
    return rfm.Buyer(sums.count, sums.total, sums.first_at, sums.last_at)


# What was heard live counts more.


def test_a_file_fills_what_is_missing_and_mends_what_a_file_has_told():
    life = Life().identify(email="new@post.example", first_name=None)
    old = Traits(email="old@post.example", first_name="Anna", phone="1")
    life.remembers(("", old)).remembers(("", Traits(first_name="Ana", email="older@post.example")))
    person = life.state.person
    assert (person.email, person.first_name, person.phone) == ("new@post.example", "Ana", "1")


def test_a_consent_keeps_its_date_and_its_proof():
    said = {"purpose": "email_marketing", "state": "granted", "source": "till", "proof": "sheet 4"}
    life = Life().remembers(("2025-06-01 12:00", events.ConsentUpdated(**said)))
    at = life.instant("2025-06-01 12:00")
    assert life.state.consents == {"email_marketing": Consent(True, at, "till")}
    assert life.of(facts.ConsentChanged)[0].proof == "sheet 4"


def test_nobody_agrees_by_being_imported():
    assert known(Life()).state.consents == {}


def test_the_later_word_on_consent_counts_whoever_tells_it():
    granted = events.ConsentUpdated(purpose="email_marketing", state="granted", source="till")
    denied = replace(granted, state="denied")
    life = Life().remembers(("2025-06-01 12:00", granted)).consents(given=False)
    life.remembers(("2025-07-01 12:00", granted))
    assert not life.state.consents["email_marketing"].granted
    other = Life().consents()
    # An undated no of a file does not speak against a yes that was heard.
    other.remembers(("", denied))
    assert other.state.consents["email_marketing"].granted


def test_a_no_of_the_past_takes_back_what_waits_in_the_queue():
    life = Life(only=("newsletter",)).identify()
    life.remembers(*bought("o1", "2026-02-01 10:00"))
    life.is_told_of(NEWS).sleeps(hours(1))
    assert life.kinds == ["k28"]
    denied = events.ConsentUpdated(purpose="email_marketing", state="denied")
    life.remembers(("2026-02-20 10:00", denied))
    assert [kind for kind, _ in life.retracted] == ["k28"]


def test_a_cart_filled_after_the_order_stays():
    life = Life().tell(events.ProductAdded(product_id="cup", price=7))
    life.remembers(*bought("o1", "2026-02-01 10:00"))
    assert [line.product_id for line in life.state.cart.lines] == ["cup"]


def test_a_cart_that_was_bought_meanwhile_is_reminded_of_no_more():
    life = Life(only=("cart",)).identify().consents()
    life.tell(events.ProductAdded(product_id="cup", price=7)).skips(days(1))
    life.remembers(*bought("o1", "2026-03-02 11:30"))
    assert life.state.cart is None
    assert life.sleeps(days(30)).mails == []


def test_what_a_first_order_has_begun_ends_when_it_was_none():
    life = Life(only=("nursing", "affinity")).identify().consents()
    pays(life, "o9").remembers(*bought("o1", "2025-02-01 10:00"))
    # Related products are for every buyer; nursing is for those of one order.
    assert [*life.state.enrolments] == ["affinity"]


def test_a_life_that_is_over_stays_so():
    life = known(Life(only=("farewell", "confirmation"))).tell(events.AccountDeleted())
    before = life.state
    assert life.remembers(*bought("o2", "2026-01-01 10:00")).state == before


# What came back.


def test_what_came_back_is_looked_for_in_the_newest_order_first():
    life = Life().remembers(*bought("o1", "2026-01-01 10:00"), *bought("o2", "2026-02-01 10:00"))
    life.remembers(("2026-02-10 10:00", SentBack({"tea": 3})))
    assert life.of(facts.OrderRefunded)[0].order_id == "o2"
    assert life.of(facts.ProductsReturned)[0].pieces == {"tea": 1}
    assert life.state.purchases.count == 1
    assert life.of(facts.ReturnUnmatched) == []


def test_what_was_bought_before_all_that_is_known_is_said_to_be_unmatched():
    life = Life().remembers(*bought("o1", "2026-02-01 10:00"))
    life.remembers(("2026-01-20 10:00", SentBack({"tea": 1})))
    assert life.of(facts.ReturnUnmatched)[0].pieces == {"tea": 1}
    assert life.state.purchases.count == 1


# Any past, into any life.

AT = st.sampled_from(["", "2024-02-29 23:59", "2026-01-05 10:00", "2026-03-01 10:00"])
DATED = AT.filter(bool)
IDS = st.sampled_from(["o1", "o2", "o3"])
PRODUCTS = st.lists(st.sampled_from([TEA, CUP]), unique=True, max_size=2).map(tuple)


def order(kind, **more):
    return st.builds(kind, order_id=IDS, currency=st.just("EUR"), **more)


DEEDS = st.one_of(
    st.tuples(DATED, order(events.OrderCompleted, products=PRODUCTS)),
    st.tuples(DATED, order(events.OrderPaid, products=PRODUCTS, total=st.integers(0, 90))),
    st.tuples(DATED, order(events.OrderCancelled)),
    st.tuples(DATED, order(events.OrderRefunded)),
    st.tuples(DATED, st.builds(events.OrderFulfilled, order_id=IDS)),
    st.tuples(DATED, st.builds(SentBack, st.dictionaries(st.sampled_from(["tea", "cup"]), st.integers(1, 5)))),
    st.tuples(AT, st.builds(events.SignedUp)),
    st.tuples(AT, st.builds(Traits, email=st.sampled_from(["a@x.example", "b@x.example", None]))),
    st.tuples(
        AT,
        st.builds(
            events.ConsentUpdated,
            purpose=st.just("email_marketing"),
            state=st.sampled_from(["granted", "denied"]),
        ),
    ),
)  # fmt: skip
LIVE = st.sampled_from([
    lambda life: life.identify(),
    lambda life: life.signs_up(),
    lambda life: life.consents(),
    lambda life: life.tell(events.ProductAdded(product_id="cup", price=7)),
    lambda life: pays(life, "o1"),
    lambda life: life.tell(events.OrderFulfilled(order_id="o1")),
    lambda life: life.sleeps(days(9)).reports("accepted"),
    lambda life: life.skips(days(3)),
])  # fmt: skip
PAST = st.lists(DEEDS, min_size=1, max_size=6)


@given(st.lists(st.one_of(LIVE, PAST), max_size=12))
def test_any_past_told_into_any_life_keeps_the_laws(steps):
    life = Life()
    for step in steps:
        if isinstance(step, list):
            life.remembers(*step)
        else:
            step(life)
    life.sleeps(days(400))
    assert len(life.state.orders) <= 3


@given(PAST.map(lambda past: [one for one in past if not isinstance(one[1], SentBack)]))
def test_the_same_past_told_twice_changes_no_sums(past):
    """What came back would come back twice: there the name in the store forbids it."""
    life = Life().remembers(*past)
    before = life.state
    after = life.remembers(*past).state
    assert (after.purchases, after.orders.keys()) == (before.purchases, before.orders.keys())
    assert (after.person, after.registered_at) == (before.person, before.registered_at)
