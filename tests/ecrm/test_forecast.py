"""A forecast is what then really happens, mail for mail and instant for instant."""

from __future__ import annotations

import os

import pytest

from ecrm import facts, state
from ecrm.forecast import Moved, forecast
from ecrm.moment import DAY, HOUR, CustomerId, Duration, Instant, days
from ecrm.rules import Rules
from proto import events
from tests.fortunes import fork, lived, passes
from tests.lives import Life, shop

# A thousand of them: `ECRM_LIVES=1000 pytest tests/ecrm/test_forecast.py`
LIVES = int(os.environ.get("ECRM_LIVES", "150"))
SPAN = days(180)


def foreseen(life, span=SPAN, **more):
    near = life.around
    return forecast(life.rules, life.state, life.now, span=span, around=lambda *_: near, **more)


def test_what_is_foreseen_for_any_life_is_what_happens():
    mails = unsent = moved = 0
    for number in range(LIVES):
        life = lived(number)
        said = foreseen(life)
        real = fork(life)
        while real.state.waiting:
            real.reports("accepted")
        passes(real, SPAN)
        assert [one.mail for one in said.mails] == real.sent, number
        withheld = [
            (one.key, one.step, one.kind, one.reason, one.detail)
            for one in real.of(facts.MailWithheld, facts.Left)
            if one.kind
        ]
        told = [(one.key, one.step, one.kind, one.reason, one.detail) for one in said.unsent]
        assert told == withheld, number
        assert state.encode(said.after) == state.encode(real.state), number
        mails += len(said.mails)
        unsent += len(said.unsent)
        moved += sum(bool(one.moved) for one in said.mails)
    # The lives are worth their time.
    assert min(mails, unsent, moved) >= LIVES // 5


def test_a_forecast_changes_nothing():
    life = lived(3)
    before = state.encode(life.state)
    foreseen(life)
    assert state.encode(life.state) == before


def left_cart(start="2026-03-02 10:00"):
    life = Life(only=("cart", "confirmation", "preparation"), start=start).identify().consents()
    return life.tell(events.ProductAdded(product_id="cup", price=10))


def test_a_mail_says_what_would_cancel_it_and_what_it_needs():
    said = foreseen(left_cart())
    first = said.mails[0]
    assert (first.mail.kind, first.mail.step) == ("k07", "reminder")
    assert first.cancels == ("Cart Emptied",)
    assert first.needs == "cart.lines > 0"
    assert first.moved == ()


def test_a_mail_that_the_night_moves_says_from_when_to_when_and_why():
    life = left_cart("2026-03-02 23:30")
    said = foreseen(life)
    (offer,) = [one for one in said.mails if one.mail.step == "offer"]
    due, goes = life.instant("2026-03-04 23:30"), life.instant("2026-03-05 08:00")
    assert (offer.due, offer.at) == (due, goes)
    assert offer.moved == (Moved(due, goes, "quiet_hours", "21:00-08:00 in Europe/Paris"),)


def test_a_mail_that_was_put_off_before_still_says_so():
    life = left_cart("2026-03-02 23:30")
    passes(life, Duration(2 * DAY + HOUR))
    (offer, *_) = foreseen(life).mails
    assert [one.reason for one in offer.moved] == [""]
    (told, *_) = foreseen(life, past=life.facts).mails
    assert [one.reason for one in told.moved] == ["quiet_hours"]
    assert told.moved[0].since == told.due


def test_what_will_be_withheld_has_its_reason():
    life = Life(only=("cart",)).identify().tell(events.ProductAdded(product_id="cup"))
    said = foreseen(life)
    assert said.mails == ()
    assert {one.reason for one in said.unsent} == {"consent"}
    assert [one.step for one in said.unsent] == ["reminder", "offer", "last-call"]


def test_what_if_an_order_came_first():
    life = left_cart()
    paid = events.OrderPaid(
        order_id="o1", total=10, currency="EUR", products=(events.Product(product_id="cup"),)
    )
    said = foreseen(life, first=[life.message("track", "Order Paid", paid)])
    assert [one.mail.kind for one in said.mails] == ["k11"]
    assert [(one.kind, one.reason) for one in said.unsent] == [("k07", "stop_condition")]


def test_a_forecast_is_bounded_in_days():
    life = left_cart()
    assert [one.mail.step for one in foreseen(life, days(1)).mails] == ["reminder"]
    assert [one.mail.step for one in foreseen(life, Duration(0)).mails] == []


def test_a_forecast_is_bounded_in_turns_and_says_so():
    said = foreseen(left_cart(), steps=1)
    assert (said.turns, said.ends) == (1, "bounded")
    assert foreseen(left_cart()).ends == ""


def test_what_waits_in_the_queue_is_named_and_not_foreseen_again():
    life = left_cart()
    life.sleeps(Duration(HOUR))
    (waiting,) = life.state.waiting
    said = foreseen(life)
    assert said.queued == (waiting,)
    assert waiting not in [one.mail.mail_id for one in said.mails]
    assert said.after.waiting == {}


def test_a_life_that_ends_ends_its_forecast():
    life = left_cart()
    gone = life.message("track", "Account Deleted", events.AccountDeleted())
    said = foreseen(life, first=[gone])
    assert (said.ends, said.mails) == ("erased", ())


def test_a_programme_that_was_taken_away_is_foreseen_to_end():
    life = left_cart()
    life.rules = Rules(shop(), of=())
    said = foreseen(life)
    assert [(one.step, one.reason) for one in said.unsent] == [("reminder", "switched_off")]


def test_nobody_is_foreseen_nothing():
    nobody = state.State(customer_id=CustomerId("c9"))
    said = forecast(Rules(shop()), nobody, Instant(5))
    assert (said.mails, said.unsent, said.turns) == ((), (), 0)


@pytest.mark.parametrize("at", ["2026-03-27 20:00", "2026-10-24 22:00"])
def test_the_night_on_which_the_clock_changes_is_foreseen_too(at):
    life = left_cart(at)
    said = foreseen(life)
    real = passes(fork(life), SPAN)
    assert [one.at for one in said.mails] == [one.at for one in real.sent]
