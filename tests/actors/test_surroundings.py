"""What a turn is given of the shop: what it may ask for, and nothing else (R26 to R33)."""

from __future__ import annotations

import pytest

from actors.catalogue import Catalogue
from actors.ledger import Ledger
from actors.surroundings import around
from ecrm import catalogue, matters, messages
from ecrm.moment import DAY, Instant
from proto import envelope, events
from tests.actors.house import PARIS, START
from tests.lives import Life, rules_in, shop

RULES = rules_in("Europe/Paris")
LATER = Instant(START + DAY)


@pytest.fixture
def goods():
    """A phone and a camera, each with what goes with it, and a book with another by its author."""
    known = Catalogue()
    for product_id, more in {
        "phone": {"complements": ("case",), "services": ("warranty",), "category": "phones"},
        "camera": {"complements": ("tripod",), "category": "cameras"},
        "book": {"creator_id": "hugo", "category": "books"},
        "case": {},
        "tripod": {},
        "warranty": {},
        "novel": {"creator_id": "hugo", "category": "books"},
    }.items():
        told = events.ProductUpserted(
            product_id=product_id, name=product_id.title(), price=10, url="/p", **more
        )
        known.upsert(told, START)
    return known


@pytest.fixture
def ledger(goods):
    return Ledger(shop(), PARIS, goods)


@pytest.fixture
def look(goods, ledger):
    """What a message's turn is given, of a state at an instant."""

    def look(state, message, now=LATER):
        return around(RULES, goods, ledger, state, message, now)

    return look


def line(product):
    return events.Product(product_id=product, price=10)


def ordered(order_id, *products):
    lines = tuple(map(line, products))
    return events.OrderCompleted(order_id=order_id, total=10, products=lines)


def paid(order_id, *products):
    lines = tuple(map(line, products))
    return events.OrderPaid(order_id=order_id, total=10, currency="EUR", products=lines)


def a_life():
    return Life().identify().consents()


def said(life, event):
    return life.message("track", events.NAMES[type(event)], event)


def proposed(shelf):
    """The products of each relation."""
    return {
        relation: [one.product_id for one in found] for relation, found in shelf.proposals.items()
    }


# Nothing for who asks nothing.


@pytest.mark.parametrize(
    "event",
    [
        events.SignedUp(),
        events.ConsentUpdated(purpose="email_marketing", state="granted"),
        events.CartEmptied(cart_id="c"),
        events.OrderFulfilled(order_id="o1"),
        events.LoginAttempted(success=True),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_turn_that_proposes_and_names_nothing_gets_an_empty_shelf(look, event):
    life = a_life().tell(ordered("o1", "phone"))
    given = look(life.state, said(life, event))
    assert (given.shelf, given.shelves) == (catalogue.EMPTY, {})


def test_a_tick_with_nothing_due_gets_nothing(look):
    life = a_life().tell(ordered("o1", "phone"))
    given = look(life.state, messages.Tick(), Instant(life.now + 1))
    assert (given.shelf, given.shelves) == (catalogue.EMPTY, {})


def test_an_event_that_only_names_products_gets_what_is_known_of_them_and_no_proposals(look):
    life = a_life()
    shelf = look(life.state, said(life, events.ProductAdded(product_id="phone"))).shelf
    assert list(shelf.known) == ["phone"]
    assert proposed(shelf) == {}


def test_what_the_catalogue_does_not_know_is_not_on_the_shelf(look):
    life = a_life()
    shelf = look(life.state, said(life, events.ProductViewed(product_id="unheard-of"))).shelf
    assert shelf == catalogue.EMPTY


# What an order asks for.


def test_the_products_of_an_order_are_what_is_proposed_for(look):
    # Another purchase, long ago, has nothing to say in this one's confirmation.
    life = a_life().tell(ordered("o1", "camera"))
    shelf = look(life.state, said(life, paid("o2", "phone", "book"))).shelf
    assert {*shelf.known} == {"phone", "book"}
    assert proposed(shelf) == {
        "complements": ["case"],
        "services": ["warranty"],
        "same_creator": ["novel"],
        "affinity": ["novel"],
    }


def test_an_order_that_is_not_paid_yet_asks_for_no_confirmations_shelf(look):
    life = a_life()
    found = proposed(look(life.state, said(life, ordered("o1", "phone", "book"))).shelf)
    assert found == {"same_creator": ["novel"], "affinity": ["novel"]}


def test_what_the_person_has_is_not_proposed(look):
    life = a_life().tell(ordered("o1", "case"))
    event = paid("o2", "phone")
    assert "complements" not in proposed(look(life.state, said(life, event)).shelf)


def test_a_report_on_a_confirmation_is_what_the_cross_selling_begins_with(look):
    life = a_life()
    life.tell(paid("o1", "phone"))
    [(mail_id, waiting)] = life.state.waiting.items()
    assert waiting.kind == "k11"
    found = proposed(look(life.state, messages.Report(mail_id, "accepted"), life.now).shelf)
    assert found == {"complements": ["case"]}
    strange = look(life.state, messages.Report("of another life", "accepted"), life.now)
    assert strange.shelf == catalogue.EMPTY


def test_an_announcement_asks_for_what_the_newsletter_shows(look):
    life = a_life().tell(ordered("o1", "book"))
    told = messages.Announce("campaign/c", matters.Campaign("c", "news"))
    assert proposed(look(life.state, told, life.now).shelf) == {
        "affinity": ["novel"],
        "same_creator": ["novel"],
    }


def test_a_release_asks_for_nothing_as_its_mail_shows_but_itself(look):
    life = a_life().tell(ordered("o1", "book"))
    told = messages.Announce("release/novel", matters.Release("novel", "hugo"))
    assert look(life.state, told, life.now).shelf == catalogue.EMPTY


# What a due stay asks for.


def _two_orders():
    """A phone and, two days later, a camera: each has a stay in the cross-selling."""
    life = a_life()
    for order_id, product in (("o1", "phone"), ("o2", "camera")):
        life.tell(paid(order_id, product))
        life.reports("accepted")
        life.sleeps(2 * DAY)
    return life


def test_a_due_stay_is_given_what_goes_with_its_own_order(look):
    life = _two_orders()
    dues = {key: due for key, due in life.state.timers.items() if key.startswith("cross-sell/")}
    assert sorted(dues) == ["cross-sell/o1", "cross-sell/o2"]
    first = look(life.state, messages.Tick(), dues["cross-sell/o1"])
    assert {*first.shelves} & {*dues} == {"cross-sell/o1"}
    assert proposed(first.shelves["cross-sell/o1"])["complements"] == ["case"]
    both = look(life.state, messages.Tick(), max(dues.values()))
    assert proposed(both.shelves["cross-sell/o1"])["complements"] == ["case"]
    assert proposed(both.shelves["cross-sell/o2"])["complements"] == ["tripod"]


def test_a_due_stay_that_proposes_nothing_has_no_shelf(look):
    life = a_life().tell(events.ProductAdded(product_id="phone"))
    [due] = life.state.timers.values()
    assert look(life.state, messages.Tick(), due).shelves == {}


def test_a_due_stay_has_its_shelf_also_in_the_turn_of_an_event(look):
    life = _two_orders()
    due = life.state.timers["cross-sell/o1"]
    given = look(life.state, said(life, events.SignedUp()), due)
    assert "cross-sell/o1" in given.shelves
    assert given.shelf == catalogue.EMPTY


# The books.


def test_a_turn_sees_what_the_coupons_have_cost_and_the_cuts(look, ledger):
    life = a_life()
    spent, cuts = {"reward": 100}, ledger.cuts
    ledger.spent(LATER).update(spent)
    given = look(life.state, messages.Tick())
    assert (given.spent, given.cuts) == (spent, cuts)


def test_equal_surroundings_are_equal_values(look):
    life = a_life().tell(ordered("o1", "phone"))
    event = said(life, paid("o2", "book"))
    assert look(life.state, event) == look(life.state, event)
    assert isinstance(event, envelope.Message)
