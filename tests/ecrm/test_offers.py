"""Coupons: how their codes read, how long they last, what they may cost, how they are used."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ecrm import effects, facts, offers, programmes
from ecrm.around import Around
from ecrm.moment import days, format_instant, hours, parse_instant
from ecrm.offers import Offer
from ecrm.rules import Rules
from proto import events, notices
from tests.lives import Life, Withheld, shop

PARIS = ZoneInfo("Europe/Paris")
CAUSES = st.text(max_size=20)
REVIEWED = events.ProductReviewed(product_id="tea", rating=5)


# Codes


def test_a_code_is_ten_letters_that_cannot_be_mistaken():
    codes = [offers.code_for(f"mail-{n}") for n in range(2_000)]
    assert len(set(codes)) == 2_000
    for code in codes:
        left, dash, right = code.partition("-")
        assert (len(left), dash, len(right)) == (5, "-", 5)
        assert not set(left + right) & set("01IO")


def test_the_same_mail_always_has_the_same_code():
    # Printed in mails that are out: it must never change.
    assert offers.code_for("mail") == "XMMZU-NXVEG"


@given(CAUSES)
def test_every_code_is_read_as_it_was_written(cause):
    code = offers.code_for(cause)
    assert offers.read(code) == code


@pytest.mark.parametrize(
    "typed",
    [
        "XMMZU-NXVEG",
        "xmmzu-nxveg",
        " XMMZUNXVEG ",
        "x m m z u n x v e g",
        "XMMZU\u2011NXVEG",
        "XMMZU \u2013 NXVEG",
        "XMMZU\u00a0NXVEG",
    ],
)
def test_small_letters_spaces_and_another_dash_are_forgiven(typed):
    assert offers.read(typed) == "XMMZU-NXVEG"


@given(CAUSES, st.integers(0, 9), st.sampled_from(offers.ALPHABET))
def test_any_one_wrong_letter_shows(cause, place, letter):
    letters = offers.code_for(cause).replace("-", "")
    wrong = letters[:place] + letter + letters[place + 1 :]
    assert (offers.read(wrong) == "") == (wrong != letters)


@pytest.mark.parametrize(
    "typed", ["", "-", "XMMZU", "XMMZU-NXVEGG", "XMMZU-NXVE0", "WELCOME10", "ßßßßß-ßßßßß", "X" * 99]
)
def test_what_is_none_of_ours_reads_as_nothing(typed):
    assert offers.read(typed) == ""


@given(st.text(max_size=12))
def test_whatever_is_typed_is_read_or_reads_as_nothing(typed):
    found = offers.read(typed)
    assert found == "" or offers.read(found) == found


# How long they last


@pytest.mark.parametrize(
    ("valid", "now", "until"),
    [
        (0, "2026-06-01T10:00:00+02:00", "2026-06-01T21:59:59.999Z"),
        (0, "2026-06-01T23:59:59.999+02:00", "2026-06-01T21:59:59.999Z"),
        (14, "2026-06-01T10:00:00+02:00", "2026-06-15T21:59:59.999Z"),
        # The day of 23 hours and the day of 25.
        (0, "2026-03-29T01:00:00+01:00", "2026-03-29T21:59:59.999Z"),
        (0, "2026-10-25T01:00:00+02:00", "2026-10-25T22:59:59.999Z"),
        (2, "2026-10-24T10:00:00+02:00", "2026-10-26T22:59:59.999Z"),
    ],
)
def test_a_coupon_ends_with_a_local_day(valid, now, until):
    offer = Offer(percent=10, valid=days(valid))
    assert format_instant(offer.until(parse_instant(now), PARIS)) == until


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (Offer(percent=10), "10 % for the day"),
        (Offer(percent=20, valid=days(2)), "20 % for 2d"),
        (Offer(amount=550, valid=days(30)), "5.50 for 30d"),
    ],
)
def test_an_offer_can_be_printed(offer, words):
    assert str(offer) == words


# In a life


def house(**changes) -> Rules:
    """The reward alone, with another offer or a budget."""
    reward = next(one for one in programmes.ALL if one.name == "reward")
    if "offer" in changes:
        changes["steps"] = (replace(reward.steps[0], offer=changes.pop("offer")),)
    return Rules(shop(), of=(replace(reward, **changes),))


def reviewer(**changes) -> Life:
    """Who has bought what is reviewed."""
    lines = (events.Product(product_id="tea"), events.Product(product_id="cup"))
    first = events.OrderPaid(order_id="o0", total=40, currency="EUR", products=lines)
    return Life(start="2026-06-01 10:00", rules=house(**changes)).identify().tell(first)


def rewarded(**changes) -> Life:
    return reviewer(**changes).tell(REVIEWED).reports("accepted")


def code_of(life: Life) -> str:
    return life.of(facts.OfferMade)[-1].code


def test_a_coupon_belongs_to_the_mail_that_promises_it():
    life = rewarded()
    (mail,) = life.sent
    assert mail.values.offer.code == code_of(life) == offers.code_for(mail.mail_id)


def test_a_coupon_of_an_amount_is_in_the_shops_currency():
    offer = Offer(amount=500, minimum=4_000, valid=days(3))
    (made,) = rewarded(offer=offer).of(facts.OfferMade)
    assert (made.percent, made.amount, made.minimum, made.currency) == (0, 500, 4_000, "EUR")


def test_the_shop_is_told_all_there_is_to_know_of_a_coupon():
    life = rewarded(offer=Offer(amount=500, minimum=4_000))
    (told,) = [
        one.notice
        for one in life.effects
        if isinstance(one, effects.Notify) and isinstance(one.notice, notices.CouponIssued)
    ]
    assert (told.code, told.amount, told.minimum, told.currency, told.programme) == (
        code_of(life), 500, 4_000, "EUR", "reward",
    )  # fmt: skip


def test_a_mail_with_a_coupon_does_not_leave_after_it_ended():
    (mail,) = rewarded(offer=Offer(percent=10)).sent
    assert (mail.values.offer.today, mail.not_after) == (True, mail.values.offer.until)


def test_a_coupon_of_many_days_is_not_of_today():
    (mail,) = rewarded().sent
    assert (mail.values.offer.today, mail.values.offer.percent) == (False, 10)


def test_who_has_a_live_coupon_is_shown_that_one():
    life = rewarded().sleeps(days(30)).tell(events.ProductReviewed(product_id="cup"))
    first, second = [mail.values.offer for mail in life.sent]
    assert (second.code, second.until) == (first.code, first.until)
    assert len(life.of(facts.OfferMade)) == 1


def test_who_has_one_that_ended_gets_another():
    life = rewarded().sleeps(days(31)).tell(events.ProductReviewed(product_id="cup"))
    first, second = [mail.values.offer.code for mail in life.sent]
    assert first != second
    assert [one.code for one in life.state.offers] == [second]


# Used


def paid(coupon: str, order_id: str = "o1", **more) -> events.OrderPaid:
    lines = (events.Product(product_id="p1", price=20, quantity=2),)
    return events.OrderPaid(
        order_id=order_id, total=40, currency="EUR", coupon=coupon, products=lines, **more
    )


def used(life: Life) -> list[tuple[str, str, int]]:
    return [(one.order_id, one.programme, one.cost) for one in life.of(facts.OfferUsed)]


def test_a_coupon_that_an_order_names_is_used_and_gone():
    life = rewarded()
    life.tell(paid(code_of(life).lower().replace("-", " ")))
    assert used(life) == [("o1", "reward", 400)]
    assert life.state.offers == ()


def test_a_coupon_is_used_once():
    life = rewarded()
    life.tell(paid(code_of(life))).tell(paid(code_of(life), "o2"))
    assert used(life) == [("o1", "reward", 400)]


def test_an_order_that_is_told_twice_uses_its_coupon_once():
    life = rewarded()
    placed = events.OrderCompleted(order_id="o1", total=36, coupon=code_of(life), discount=4)
    life.tell(placed).tell(paid(code_of(life)))
    assert used(life) == [("o1", "reward", 400)]


def test_a_coupon_that_only_the_payment_names_is_used_as_well():
    life = rewarded()
    life.tell(events.OrderCompleted(order_id="o1", total=40)).tell(paid(code_of(life)))
    assert used(life) == [("o1", "reward", 400)]


def test_a_coupon_costs_what_the_shop_says_it_took_off():
    life = rewarded()
    life.tell(paid(code_of(life), discount=3.5))
    assert used(life) == [("o1", "reward", 350)]


def test_a_coupon_of_an_amount_costs_that_amount():
    life = rewarded(offer=Offer(amount=500))
    life.tell(paid(code_of(life)))
    assert used(life) == [("o1", "reward", 500)]


@pytest.mark.parametrize("coupon", ["WELCOME10", "", "XMMZU-NXVEG"])
def test_a_coupon_of_somebody_else_is_none_of_this_persons(coupon):
    life = rewarded().tell(paid(coupon))
    assert used(life) == []
    assert len(life.state.offers) == 1


def test_after_a_coupon_was_used_the_next_review_earns_another():
    life = rewarded()
    life.tell(paid(code_of(life))).tell(events.ProductReviewed(product_id="cup", rating=4))
    first, second = [mail.values.offer.code for mail in life.sent]
    assert first != second


# What they may cost


def test_a_programme_that_has_given_away_its_budget_gives_no_more():
    life = reviewer(budget=1_000)
    life.around = Around(spent={"reward": 1_000})
    life.tell(REVIEWED)
    assert life.withheld == [Withheld("reward/reward", "budget")]
    assert life.of(facts.MailWithheld)[0].detail == (
        "the coupons of reward have cost 1000 this month, at most 1000"
    )
    assert life.of(facts.OfferMade) == []


@pytest.mark.parametrize(
    "spent", [{"reward": 999}, {"cart": 5_000}, {}], ids=["less", "of another", "nothing"]
)
def test_a_programme_with_something_left_gives(spent):
    life = reviewer(budget=1_000)
    life.around = Around(spent=spent)
    assert life.tell(REVIEWED).kinds == ["k20"]


def test_a_coupon_that_was_given_already_is_shown_again_whatever_was_spent_since():
    life = rewarded(budget=1_000)
    life.around = Around(spent={"reward": 2_000})
    life.sleeps(hours(1)).tell(events.ProductReviewed(product_id="cup"))
    assert life.kinds == ["k20", "k20"]
    assert len(life.of(facts.OfferMade)) == 1


def test_without_a_budget_there_is_no_end():
    life = reviewer()
    life.around = Around(spent={"reward": 10**9})
    assert life.tell(REVIEWED).kinds == ["k20"]
