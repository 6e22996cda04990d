"""Rules and the vocabulary of programmes: what is refused at start, and what is said of it."""

from __future__ import annotations

import pytest

from ecrm import programmes
from ecrm.delays import after, before, cycle, due_of, earliest, gathered, latest
from ecrm.errors import Misconfigured
from ecrm.mail import MARKETING
from ecrm.moment import Duration, Instant, days, hours, minutes
from ecrm.programme import (
    LANE_AGE,
    Late,
    MailStep,
    again,
    local,
    mail,
    mark,
    on,
    once,
    programme,
    send,
    skip,
    templates_of,
    variant,
)
from ecrm.rules import Rules
from tests.lives import shop

BEGAN = Instant(1_000)
FIRST, SECOND = after(hours(1), since="Knock"), after(minutes(10), since="Bell")


def one(*steps, **more):
    return programme(
        "one", doc="", enrol=on("Knock"), steps=steps, basis="consent", mail_class=MARKETING, **more
    )


# When a step is due


def test_a_step_counts_from_the_beginning_unless_it_says_otherwise():
    assert due_of(after(hours(1)), BEGAN, {"Knock": Instant(9)}) == BEGAN + hours(1)


def test_a_step_that_names_a_clock_counts_from_it():
    assert due_of(FIRST, BEGAN, {"Knock": Instant(9_000)}) == 9_000 + hours(1)


def test_a_clock_that_never_started_counts_from_the_beginning():
    assert due_of(FIRST, BEGAN, {}) == BEGAN + hours(1)


@pytest.mark.parametrize(
    ("clocks", "first", "last"),
    [
        ({"Knock": 0, "Bell": 0}, minutes(10), hours(1)),
        ({"Knock": 0, "Bell": hours(2)}, hours(1), hours(2) + minutes(10)),
        ({"Knock": 5}, 5 + hours(1), 5 + hours(1)),
        ({"Bell": 5}, 5 + minutes(10), 5 + minutes(10)),
        ({"Door": 5}, BEGAN + hours(1), BEGAN + hours(1)),
    ],
)
def test_of_several_clocks_the_first_or_the_last_counts_of_those_that_started(clocks, first, last):
    assert due_of(earliest(FIRST, SECOND), BEGAN, clocks) == first
    assert due_of(latest(FIRST, SECOND), BEGAN, clocks) == last


def test_a_beginning_among_the_clocks_always_counts():
    delay = latest(after(hours(3)), FIRST)
    assert due_of(delay, BEGAN, {}) == BEGAN + hours(3)


def test_the_clocks_of_a_programme_are_those_its_steps_count_from():
    steps = (mail("a", kind="k", after=earliest(FIRST, SECOND)), mail("b", kind="k", after=days(1)))
    assert one(*steps).clocks() == {"Knock", "Bell"}


# How it reads


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (after(hours(1)), "1h after the beginning"),
        (after(Duration(0)), "at the beginning"),
        (FIRST, "1h after Knock"),
        (after(Duration(0), since="Knock"), "at Knock"),
        (earliest(FIRST, SECOND), "the earliest of 1h after Knock, 10min after Bell"),
        (latest(FIRST, SECOND), "the latest of 1h after Knock, 10min after Bell"),
        (send(), "always sent"),
        (skip(after=days(2)), "skipped 2d late"),
        (once(), "once in a lifetime"),
        (again(), "whenever the last stay has ended"),
        (again(days(7)), "again 7d after the last stay"),
        (local("09:30"), "09:30"),
        (before(days(1)), "1d before it begins"),
        (cycle(days(30), least=days(7)), "after the product's cycle, usually 30d"),
        (
            cycle(days(30), least=days(7), more=days(21)),
            "21d after the product's cycle, usually 30d",
        ),
        (gathered("08:00"), "at 08:00 of the day, Monday or first of the month"),
    ],
)
def test_a_programme_can_be_printed(said, words):
    assert str(said) == words


def test_a_programme_finds_its_steps_by_name():
    found = one(mail("a", kind="k"), mark("b", after=days(1)))
    assert found.step("b").name == "b"
    assert found.step("c") is None
    assert found.after("a").name == "b"
    assert found.after("b") is None
    assert found.after("gone") is None


def test_a_step_takes_class_and_ground_from_its_programme_unless_it_has_its_own():
    own = mail("a", kind="k", mail_class="transactional", basis="contract")
    first, second = one(own, mail("b", kind="k")).steps
    assert (first.mail_class, first.basis, first.lane) == ("transactional", "contract", 1)
    assert (second.mail_class, second.basis, second.lane) == ("marketing", "consent", 2)


def test_the_templates_of_a_programme_are_those_of_its_mails_and_their_variants():
    found = one(
        mail("a", kind="k", variants=(variant("x", kind="k", when="cart.browsed"),)),
        mark("b", after=days(1)),
    )
    assert templates_of(found) == ("one/a", "one/a-x")


def test_a_programme_without_words_has_none():
    assert (
        programme("x", doc=None, enrol=(), steps=(), basis="consent", mail_class=MARKETING).doc
        == ""
    )


# What is refused


def test_a_reading_that_does_not_exist_is_refused_and_its_place_is_told():
    wrong = one(mail("a", kind="k", when="order.counts == 1"))
    with pytest.raises(Misconfigured, match=r"programme one/a: 'order.counts' is no reading"):
        Rules(shop(), of=(wrong,))


def test_a_reading_that_does_not_exist_is_refused_in_the_programmes_own_condition():
    with pytest.raises(Misconfigured, match="programme one: 'nothing' is no reading"):
        Rules(shop(), of=(one(mail("a", kind="k"), when="nothing"),))


def test_a_reading_that_does_not_exist_is_refused_in_a_variant():
    wrong = one(mail("a", kind="k", variants=(variant("x", kind="k", when="nothing"),)))
    with pytest.raises(Misconfigured, match=r"programme one/a \(x\): 'nothing' is no reading"):
        Rules(shop(), of=(wrong,))


def test_two_steps_of_one_name_are_refused():
    with pytest.raises(Misconfigured, match="names a step twice"):
        Rules(shop(), of=(one(mail("a", kind="k"), mail("a", kind="l")),))


def test_a_shop_in_no_time_zone_is_refused():
    with pytest.raises(Misconfigured, match="'Mars/Olympus' is no time zone"):
        Rules(shop("Mars/Olympus"))


def test_a_trigger_is_heard_by_all_who_listen_in_order_of_priority():
    rules = Rules(shop())
    assert [one.name for one in rules.enrolling["Order Fulfilled"]] == [
        "shipment",
        "parcel",
        "review",
    ]
    assert [one.name for one in rules.leaving["Order Paid"]] == ["payment", "welcome"]
    assert [one.name for one in rules.counting["Product Added"]] == ["cart"]


def test_what_a_turn_may_propose_is_of_what_begins_by_it_and_of_what_is_due():
    rules = Rules(shop())
    assert rules.relations(["Order Paid"], []) >= {"services", "complements"}
    assert rules.relations(["Login Attempted"], ["affinity"]) == {
        "affinity", "bought_with", "same_creator",
    }  # fmt: skip
    assert rules.relations(["Login Attempted", "Doorbell"], ["login", "gone"]) == set()


# The programmes of the house


@pytest.mark.parametrize("found", programmes.ALL, ids=lambda found: found.name)
def test_every_programme_of_the_house_says_what_it_is_for(found):
    assert found.doc.endswith(".")
    assert found.steps


@pytest.mark.parametrize("found", programmes.ALL, ids=lambda found: found.name)
def test_every_optional_mail_of_the_house_loses_its_sense_some_day(found):
    """Otherwise the cap could hold it back for ever, and the stay with it."""
    optional = [s for s in found.steps if isinstance(s, MailStep) and s.mail_class == "marketing"]
    assert all(step.late != Late(None) for step in optional)


@pytest.mark.parametrize("found", programmes.ALL, ids=lambda found: found.name)
def test_only_a_cart_reminder_may_go_by_night(found):
    by_night = [f"{found.name}/{s.name}" for s in found.steps if getattr(s, "by_night", False)]
    assert by_night == (["cart/reminder"] if found.name == "cart" else [])


def test_every_lane_has_its_patience():
    assert set(LANE_AGE) == {0, 1, 2, 3}


def test_no_two_programmes_of_the_house_share_a_name():
    names = [found.name for found in programmes.ALL]
    assert len(set(names)) == len(names)
