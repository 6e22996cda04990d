"""Why not: the first thing that failed, the value seen, and a smallest change that is enough."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import get_args

import msgspec
import pytest

from ecrm import apply, facts, messages, programmes, state
from ecrm.explain import answers, remedies, words
from ecrm.explain.why_not import why_not
from ecrm.matters import Campaign
from ecrm.moment import DAY, HOUR, MINUTE, Duration
from ecrm.rules import Rules
from proto import events
from tests.fortunes import fork, lived, passes
from tests.lives import Life

LIVES = int(os.environ.get("ECRM_LIVES", "50"))


def asked(life, programme, at=None):
    near = life.around
    return why_not(life.rules, life.state, life.facts, programme, at or life.now, lambda *_: near)


# The property.


def before(life, answer):
    """The customer right before the fact that withheld that mail."""
    past, found = state.State(customer_id=life.state.customer_id), None
    for fact in life.facts:
        here = isinstance(fact, facts.MailWithheld) and (fact.key, fact.step) == (
            answer.key,
            answer.step,
        )
        found = past if here else found
        past = apply.apply(past, fact)
    return found


def changed(twin, change, refs, *, alone):
    """Bring the change about as it comes about in life, where it is the only one: the turn of an
    event looks at what is due, and would withhold it for the next reason.
    """
    match change.kind:
        case "consent" if alone:
            twin.tell(events.ConsentUpdated(purpose=change.name, state="granted"))
        case "address" if alone:
            twin.identify()
        case "sooner":
            twin.now = change.at
            twin.state = msgspec.structs.replace(twin.state, now=change.at)
        case _:
            made = remedies.applied(twin.state, change, refs)
            assert made is not None
            twin.state = made


def test_with_the_smallest_change_the_mail_appears():
    tried = Counter()
    for number in range(LIVES):
        life = lived(number)
        for one in programmes.ALL:
            said = asked(life, one.name)
            if not said.tried or said.answer.outcome not in ("withheld", "not_due", "deferred"):
                continue
            twin = fork(life)
            if said.answer.outcome == "withheld":
                twin.state, twin.now = before(life, said.answer), said.answer.at
            stay = twin.state.enrolments[said.answer.key]
            does = [change for change in said.changes if change.kind != "wait"]
            for change in does:
                changed(twin, change, stay.refs, alone=len(does) == 1)
            by_event = len(does) == 1 and does[0].kind in ("consent", "address")
            # Who consents or registers sets off more, which may take a turn first.
            more = Duration(8 * DAY if by_event else 0)
            passes(twin, Duration(max(0, said.goes_at - twin.now) + more))
            got = [(one.programme, one.step, one.at) for one in twin.sent]
            if by_event:
                got = [(name, step, said.goes_at) for name, step, _ in got]
            assert (one.name, said.answer.step, said.goes_at) in got, (number, said, got)
            tried[said.answer.outcome, said.answer.reason] += 1
            tried.update(change.kind for change in said.changes)
    # The lives are worth their time, and the changes are of every kind.
    assert tried["not_due", ""] > LIVES // 5
    kinds = ("wait", "consent", "address", "without", "frequency", "make", "topic")
    assert [kind for kind in kinds if not tried[kind]] == []


def test_every_mail_that_was_withheld_has_an_answer_with_its_values():
    seen = 0
    for number in range(LIVES):
        life = lived(number)
        for one in programmes.ALL:
            said = asked(life, one.name)
            story = [line for line in said.story if line.outcome == "withheld"]
            facts_ = [
                fact
                for fact in life.of(facts.MailWithheld)
                if fact.key.partition("/")[0] == one.name
            ]
            assert [(line.step, line.reason, line.detail) for line in story] == [
                (fact.step, fact.reason, fact.detail) for fact in facts_
            ]
            for line in story:
                assert (line.failed is not None) == (line.reason == "condition")
                assert line.failed is None or str(line.failed) in line.detail
            seen += len(story)
            for language in words.LANGUAGES:
                text = words.say(said, language)
                assert text
                assert "{" not in text
    assert seen > LIVES // 2


# One by one.


def cart(**told):
    life = Life(only=("cart", "confirmation", "preparation")).identify(**told)
    return life.tell(events.ProductAdded(product_id="cup", price=10))


PAID = {
    "order_id": "o1",
    "total": 10,
    "currency": "EUR",
    "products": (events.Product(product_id="cup", price=10),),
}


def test_nothing_was_heard_that_opens_the_programme():
    life = Life(only=("cart",)).identify()
    said = asked(life, "cart")
    assert said.answer.outcome == "no_trigger"
    assert [(change.kind, change.name) for change in said.changes] == [
        ("tell", "Product Added"),
        ("consent", "email_marketing"),
    ]
    assert words.say(said) == (
        "Nothing was heard that opens cart: Product Added or Checkout Started. "
        "It takes: the event Product Added and consent to email_marketing."
    )


def test_a_mail_that_is_not_due_says_when_it_is():
    life = cart().consents()
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.step) == ("not_due", "reminder")
    assert said.goes_at == life.instant("2026-03-02 11:00")
    assert words.say(said, "fr") == (
        "Le mail k07 reminder de cart n'est pas dû avant le 02/03/2026 11:00 (Europe/Paris). "
        "Il part le 02/03/2026 11:00 (Europe/Paris)."
    )


def test_a_mail_that_is_not_due_and_will_not_be_sent_says_so_before():
    said = asked(cart(), "cart")
    assert (said.answer.outcome, said.answer.reason) == ("not_due", "consent")
    assert [change.kind for change in said.changes] == ["consent", "wait"]
    assert "will not be sent: no legal basis" in words.say(said)


def test_a_mail_that_was_withheld_says_what_was_missing():
    life = cart()
    life.sleeps(Duration(HOUR))
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.reason) == ("withheld", "consent")
    assert [change.kind for change in said.changes] == ["consent"]
    assert said.goes_at == life.now


def test_several_things_that_are_missing_are_all_named():
    life = Life(only=("cart",), customer_id="visitor:v")
    life.tell(events.ProductAdded(product_id="cup")).sleeps(Duration(HOUR))
    said = asked(life, "cart")
    assert [change.kind for change in said.changes] == ["consent", "address"]
    assert said.tried


def test_an_address_that_is_not_written_to_is_named():
    life = cart().consents()
    life.take(messages.Returned("m0", "ana@post.example", "hard", "no such user"))
    life.sleeps(Duration(HOUR))
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.reason) == ("withheld", "suppression")
    assert said.changes == (answers.Change("free", "ana@post.example"),)
    assert (said.tried, said.goes_at) == (True, life.now)


def test_what_came_too_late_says_by_when_it_would_have_gone():
    life = cart().consents()
    life.skips(Duration(9 * HOUR)).ticks()
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.reason) == ("withheld", "deadline")
    (change,) = said.changes
    assert (change.kind, change.at) == ("sooner", life.instant("2026-03-02 13:00"))
    assert said.goes_at == change.at


def test_who_wants_a_digest_is_told_apart_from_who_wants_nothing():
    for digest, reason in (("weekly", "digest"), ("off", "preference")):
        life = Life(only=("comment", "digest")).identify()
        life.tell(events.PreferenceUpdated(digest={"comment": digest}))
        life.tell(events.CommentPosted(subject_id="s1"))
        said = asked(life, "comment")
        assert (said.answer.outcome, said.answer.reason) == ("withheld", reason)
        assert said.changes == (answers.Change("topic", "comment"),)
        assert said.goes_at == life.now


def test_a_step_that_is_gone_by_the_time_it_is_due_says_so():
    life = cart().consents()
    shortened = msgspec.structs.replace(
        life.rules.programmes["cart"], steps=life.rules.programmes["cart"].steps[1:]
    )
    life.rules = Rules(life.rules.shop, of=(shortened,))
    life.sleeps(Duration(HOUR))
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.reason) == ("left", "switched_off")
    assert said.changes == (answers.Change("enable", "cart"),)


def test_who_has_left_is_told_by_what_and_when():
    life = cart().consents()
    life.sleeps(Duration(HOUR // 2))
    life.tell(events.OrderPaid(**PAID))
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.at) == ("left", life.now)
    assert said.answer.detail == "Cart Emptied by Order Paid o1"
    assert words.say(said) == (
        "cart ended on 2026-03-02 10:30 (Europe/Paris), before its mail k07 reminder was due: "
        "Cart Emptied by Order Paid o1. It takes: that this had not happened: Cart Emptied by "
        "Order Paid o1."
    )


def test_of_one_instant_it_tells_what_ended_or_was_put_off_then():
    life = Life(only=("nursing", "confirmation")).identify().consents()
    for order in ("o1", "o2"):
        passes(life, Duration(MINUTE)).tell(events.OrderPaid(**{**PAID, "order_id": order}))
    said = asked(life, "nursing")
    # The second order ended one stay, and began none for itself.
    assert (said.answer.outcome, said.answer.key) == ("left", "nursing/o1")
    assert {(line.outcome, line.key) for line in said.story} == {
        ("left", "nursing/o1"),
        ("not_admitted", "nursing/o2"),
    }


def test_of_several_stays_it_tells_of_the_one_that_was_put_off_now():
    life = Life(only=("parcel",)).identify().consents()
    for order in ("o1", "o2", "o3"):
        life.tell(events.OrderPaid(**{**PAID, "order_id": order}))
        passes(life, Duration(MINUTE)).tell(events.OrderFulfilled(order_id=order))
    due = {key: life.state.timers[key] for key in ("parcel/o1", "parcel/o2", "parcel/o3")}
    passes(life, Duration(due["parcel/o2"] - life.now))
    (put_off,) = life.of(facts.MailDeferred)
    said = asked(life, "parcel")
    # The third is awaited sooner, and nothing was decided about it.
    assert life.now < due["parcel/o3"] < put_off.until
    assert (said.answer.key, said.answer.until) == ("parcel/o2", put_off.until)


def test_a_trigger_that_opened_nothing_says_what_barred_it_with_the_value():
    life = Life(only=("nursing", "confirmation")).identify().consents()
    for order in ("o1", "o2", "o3"):
        # A minute later, for of one instant what ended then is told first.
        passes(life, Duration(MINUTE)).tell(events.OrderPaid(**{**PAID, "order_id": order}))
    said = asked(life, "nursing")
    assert said.answer.outcome == "not_admitted"
    assert said.answer.reason == "once"
    assert words.say(said).startswith("Order Paid o3 came on 2026-03-02 10:03 (Europe/Paris), and")
    life = Life(only=("parcel",)).identify().consents()
    life.tell(events.OrderPaid(**PAID)).tell(events.OrderCancelled(order_id="o1"))
    life.tell(events.OrderFulfilled(order_id="o1"))
    said = asked(life, "parcel")
    failed = said.answer.failed
    assert (failed.reading, failed.saw, failed.operator, failed.value) == (
        "order.cancelled",
        True,
        "!=",
        True,
    )
    assert [change.kind for change in said.changes][:1] == ["make"]
    assert said.tried


def test_a_mail_that_the_cap_has_put_off_says_until_when():
    life = Life(only=("cart", "newsletter")).identify().consents()
    life.tell(events.ProductAdded(product_id="cup")).sleeps(Duration(HOUR)).reports("accepted")
    life.is_told_of(Campaign(campaign_id="c1", name="newsletter/news", segment=""))
    said = asked(life, "newsletter")
    assert (said.answer.outcome, said.answer.reason) == ("deferred", "cap")
    assert said.goes_at == life.instant("2026-03-03 08:00")


@pytest.mark.parametrize("outcome", ["expired", "cancelled", "suppressed", "dead"])
def test_a_mail_that_ended_in_the_queue_says_as_what(outcome):
    life = cart().consents()
    life.sleeps(Duration(HOUR))
    (mail_id,) = life.state.waiting
    assert asked(life, "cart").answer.outcome == "queued"
    life.take(messages.Report(mail_id, outcome, "550 no"))
    said = asked(life, "cart")
    assert (said.answer.outcome, said.answer.reason) == ("unsent", outcome)
    assert "550 no" in words.say(said)


def test_a_mail_that_was_taken_back_says_by_what():
    life = cart().consents()
    life.sleeps(Duration(HOUR)).tell(events.OrderPaid(**PAID))
    life.reports("cancelled", "k07")
    assert {line.outcome for line in asked(life, "cart").story} == {"retracted", "left"}


def test_a_mail_that_was_sent_has_no_why_not():
    life = Life(only=("confirmation",)).identify().tell(events.OrderPaid(**PAID))
    life.reports("accepted")
    said = asked(life, "confirmation")
    assert (said.answer.outcome, said.changes) == ("sent", ())


def test_a_programme_that_is_switched_off_says_so():
    said = asked(Life(only=("cart",)), "review")
    assert said.answer.outcome == "switched_off"
    assert words.say(said, "fr").startswith("Le programme review est désactivé.")


def test_a_life_that_goes_on_elsewhere_says_where():
    visitor, person = Life(only=("cart",), customer_id="visitor:v"), Life(only=("cart",))
    visitor.becomes(person)
    said = asked(visitor, "cart")
    assert (said.answer.outcome, said.answer.detail) == ("elsewhere", "c1")


def test_a_programme_that_nobody_has_written_is_refused():
    with pytest.raises(LookupError):
        asked(Life(), "birthday")


def test_both_languages_say_the_same_things():
    en, fr = words.TABLES["en"], words.TABLES["fr"]
    assert en.keys() == fr.keys()
    for name in en:
        assert set(re.findall(r"\{(\w+)", en[name])) == set(re.findall(r"\{(\w+)", fr[name])), name
    for kind in (*get_args(answers.Outcome), *get_args(answers.Kind)):
        assert kind in en
    for reason in get_args(facts.Reason):
        assert f"{reason}_reason" in en
