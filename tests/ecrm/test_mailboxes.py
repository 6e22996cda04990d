"""What follows from what came back: who is not written to, how long, and what it takes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import effects, facts, mailboxes, messages
from ecrm.moment import NEVER, days, hours
from proto import events, notices
from tests.lives import Life

ANA = "ana@post.example"
TWO_DAYS = days(2)
VERDICTS = (
    "delivered", "deferred", "hard", "soft", "block",
    "auto_reply", "complaint", "unsubscribed", "unknown",
)  # fmt: skip


def reader(**more):
    """Somebody who agreed to marketing and has an account."""
    return Life(**more).identify().signs_up().consents()


def comes_back(life, verdict, mail_id="m1", address=ANA, **more):
    return life.take(messages.Returned(mail_id, address, verdict, "why", source="mail", **more))


def bounces(life, times, every=TWO_DAYS):
    """So many soft bounces, of a mail each."""
    for n in range(times):
        comes_back(life, "soft", f"soft {life.now} {n}")
        life.sleeps(every)
    return life


def banned(life):
    return [(f.address, f.scope, f.reason, f.until) for f in life.of(facts.AddressSuppressed)]


def pays(life, order_id="o1"):
    return life.tell(events.OrderPaid(order_id=order_id, total=9, currency="EUR"))


def confirmed(life):
    return [mail.refs["order"] for mail in life.of(facts.MailRequested) if mail.mail.kind == "k11"]


# Hard.


def test_a_hard_bounce_ends_all_mails_to_the_address():
    life = reader()
    comes_back(life, "hard")
    pays(life).sleeps(days(1))
    assert banned(life) == [(ANA, "all", "hard_bounce", NEVER)]
    assert confirmed(life) == []
    [withheld] = [fact for fact in life.of(facts.MailWithheld) if fact.kind == "k11"]
    assert withheld.reason == "suppression"
    assert withheld.detail == f"{ANA} is not written to: hard_bounce"


def test_a_hard_bounce_goes_on_the_list_and_is_told_to_the_shop():
    life = reader()
    comes_back(life, "hard", kind="k01", programme="welcome", response="550 no")
    assert effects.Suppress(ANA, "all", "hard_bounce", NEVER) in life.effects
    [told] = [one.notice for one in life.effects if isinstance(one, effects.Notify)]
    assert told == notices.EmailBounced(
        customer_id="c1",
        at=life.now,
        mail_id="m1",
        kind="k01",
        programme="welcome",
        permanent=True,
        response="550 no",
    )


def test_a_new_address_starts_anew_and_the_old_one_stays_what_it_was():
    life = reader()
    comes_back(life, "hard", address=ANA.upper())
    life.tell(events.EmailChanged(old_email=ANA, new_email="ana@new.example"))
    pays(life, "o1").sleeps(hours(1))
    life.tell(events.EmailChanged(old_email="ana@new.example", new_email=ANA))
    pays(life, "o2").sleeps(hours(1))
    assert confirmed(life) == ["o1"]


def test_of_several_addresses_the_good_ones_are_written_to():
    life = Life(only=("address",)).identify()
    comes_back(life, "hard")
    life.tell(events.EmailChanged(old_email=ANA, new_email="ana@new.example"))
    assert [mail.to for mail in life.sent] == ["ana@new.example"]


def test_the_same_news_twice_is_news_once():
    life = reader()
    comes_back(life, "hard", "m1")
    assert [type(fact) for fact in comes_back(life, "hard", "m2")] == [facts.Returned]


# Soft.


def test_five_soft_bounces_over_a_week_pause_the_address_for_thirty_days():
    life = bounces(reader(), 4)
    pays(life, "before")
    since = life.now
    bounces(life, 1, hours(1))
    assert banned(life) == [(ANA, "all", "soft_bounces", since + days(30))]
    pays(life, "during").sleeps(days(29))
    life.sleeps(days(1))
    pays(life, "after")
    assert confirmed(life) == ["before", "after"]


def test_five_soft_bounces_within_a_week_change_nothing():
    life = bounces(reader(), 5, hours(24))
    assert banned(life) == []


@pytest.mark.parametrize("good", ["delivered", "complaint"])
def test_a_mail_that_arrived_ends_the_row(good):
    life = bounces(reader(), 4)
    comes_back(life, good)
    bounces(life, 4)
    assert [ban for ban in banned(life) if ban[1] == "all"] == []


def test_a_delivery_is_written_down_where_it_changes_anything():
    life = reader()
    assert comes_back(life, "delivered") == ()
    bounces(life, 1)
    assert [type(fact) for fact in comes_back(life, "delivered", "m2")] == [
        facts.Returned,
        facts.AddressJudged,
    ]
    assert life.state.mailboxes == {}


def accepts(life, order_id):
    """A confirmation is asked for, and a server takes it; the id of the mail."""
    pays(life, order_id)
    mail_id = life.sent[-1].mail_id
    life.take(messages.Report(mail_id, "accepted", "250 fine"))
    return mail_id


def test_a_mail_that_was_taken_and_stayed_away_ends_the_row():
    life = bounces(Life(only=("confirmation",)).identify(), 4)
    accepts(life, "o1")
    life.sleeps(days(5))
    bounces(life, 1)
    assert banned(life) == []
    assert life.state.mailboxes[ANA].record.soft == 1


def test_a_mail_that_was_taken_and_came_back_after_all_does_not():
    life = bounces(Life(only=("confirmation",)).identify(), 4)
    mail_id = accepts(life, "o1")
    life.sleeps(days(5))
    comes_back(life, "soft", mail_id)
    assert [ban[2] for ban in banned(life)] == ["soft_bounces"]


def test_a_mail_that_was_taken_lately_proves_nothing_yet():
    life = bounces(Life(only=("confirmation",)).identify(), 4)
    accepts(life, "o1")
    life.sleeps(days(4))
    bounces(life, 1)
    assert [ban[2] for ban in banned(life)] == ["soft_bounces"]


# Complaints.


@pytest.mark.parametrize("verdict", ["complaint", "unsubscribed"])
def test_who_complains_gets_no_more_marketing_and_is_still_owed(verdict):
    life = reader()
    comes_back(life, verdict, marketing=True)
    [said] = [fact for fact in life.of(facts.ConsentChanged) if not fact.granted]
    assert (said.purpose, said.source) == ("email_marketing", f"{verdict}/mail")
    assert banned(life) == [(ANA, "marketing", verdict, NEVER)]
    before = len(life.sent)
    pays(life).sleeps(days(60))
    assert confirmed(life) == ["o1"]
    assert {mail.mail_class for mail in life.sent[before:]} <= {"transactional", "notification"}


def test_a_complaint_takes_back_the_marketing_that_waits():
    life = reader().sleeps(days(7))
    waiting = [kind for kind, one in kinds_waiting(life) if one.mail_class == "marketing"]
    assert waiting
    comes_back(life, "complaint", marketing=True)
    assert [kind for kind, _ in life.retracted] == waiting


def kinds_waiting(life):
    return [(one.kind, one) for _, one in sorted(life.state.waiting.items())]


def test_a_complaint_about_what_was_owed_is_one_about_us_all_the_same():
    life = reader()
    comes_back(life, "complaint")
    assert not life.state.consents["email_marketing"].granted


def test_a_stranger_who_complains_speaks_for_the_own_address_alone():
    life = reader()
    comes_back(life, "complaint", address="bob@post.example")
    assert life.state.consents["email_marketing"].granted
    assert banned(life) == [("bob@post.example", "marketing", "complaint", NEVER)]


def test_a_complaint_during_a_pause_outlives_it():
    life = bounces(reader(), 5)
    comes_back(life, "complaint", address=ANA)
    life.consents().sleeps(days(40))
    assert mailboxes.objection(life.state, ANA, "marketing", life.now)
    assert mailboxes.objection(life.state, ANA, "transactional", life.now) == ""


# What changes nothing.


@pytest.mark.parametrize("verdict", ["block", "unknown"])
def test_what_is_about_us_is_written_down_and_changes_nothing(verdict):
    life = reader()
    before = life.state
    assert [type(fact) for fact in comes_back(life, verdict)] == [facts.Returned]
    assert life.state.mailboxes == before.mailboxes == {}
    assert life.state.consents == before.consents


@pytest.mark.parametrize("verdict", ["auto_reply", "deferred"])
def test_what_says_nothing_is_not_even_written_down(verdict):
    assert comes_back(reader(), verdict) == ()


@pytest.mark.parametrize("verdict", ["hard", "soft", "complaint", "unsubscribed"])
def test_a_claim_is_written_down_and_has_no_consequence(verdict):
    life = reader()
    before = life.state
    [came] = comes_back(life, verdict, proved=False, marketing=True)
    assert (came.verdict, came.proved) == (verdict, False)
    assert life.state.mailboxes == {}
    assert life.state.consents == before.consents
    assert not any(isinstance(one, effects.Notify) for one in life.effects)


# Refusals at the other server's door.

REFUSED = [
    ("dead", "hard", "rcpt: 550 5.1.1 user unknown", "hard"),
    ("dead", "hard", "postmark: 406 ErrorCode=406; Message=spam complaint, or bounce", "hard"),
    ("dead", "", "rcpt: 550 Cette adresse n'existe pas", "hard"),
    ("dead", "block", "data: 550 5.7.1 blocked using spamhaus", "block"),
    ("dead", "soft", "rcpt: 452 4.2.2 mailbox full", "soft"),
    ("expired", "soft", "rcpt: 450 4.2.0 greylisted", "soft"),
    ("dead", "hard", "rcpt: 550 5.1.1 rejected, listed in spamhaus", "block"),
    ("expired", "", "rcpt: 450 4.3.0 try later", ""),
    ("expired", "", "connect: cannot be reached", ""),
    ("dead", "", "not built: invalid address", ""),
    ("dead", "", "brevo: 400 code=invalid_parameter; message=sender address invalid", ""),
    ("cancelled", "hard", "rcpt: 550 5.1.1 user unknown", ""),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "bounce", "response", "meaning"), REFUSED)
def test_a_refusal_means_what_a_bounce_with_its_words_would(outcome, bounce, response, meaning):
    life = reader()
    life.take(messages.Report("m1", outcome, response, bounce, ANA))
    heard = life.of(facts.Heard)[-1]
    assert heard.bounce == meaning
    assert heard.address == (ANA if meaning else "")
    row = life.state.mailboxes.get(ANA)
    assert (row is not None and "all" in row.bans) == (meaning == "hard")
    assert (row is not None and row.record.soft == 1) == (meaning == "soft")


def test_refusals_and_bounces_make_one_row():
    life = bounces(reader(), 4)
    life.take(messages.Report("m5", "expired", "rcpt: 452 4.2.2 full", "soft", ANA))
    assert [ban[2] for ban in banned(life)] == ["soft_bounces"]


# The operator.


def test_an_operator_lets_an_address_be_written_to_again():
    life = reader()
    comes_back(life, "hard")
    life.take(messages.Free(ANA, "a typo of theirs"))
    pays(life)
    assert confirmed(life) == ["o1"]
    assert effects.Free(ANA) in life.effects
    assert life.state.mailboxes == {}


# Two ids of one person.


def test_who_goes_on_as_somebody_else_takes_the_address_along():
    guest, person = Life(customer_id="guest").identify(), reader(customer_id="person")
    comes_back(guest, "hard")
    bounces(person, 2)
    guest.until(person.now).becomes(person)
    box = person.state.mailboxes[ANA]
    assert (set(box.bans), box.record.soft) == ({"all"}, 2)
    assert guest.state.mailboxes == {}
    pays(person)
    assert confirmed(person) == []


# Laws.


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.integers(0, 6), st.booleans()), max_size=9))
def test_only_what_was_proved_and_named_by_the_rules_costs_an_address(news):
    life = Life(only=("confirmation",)).identify().consents()
    for n, (verdict, wait, proved) in enumerate(news):
        comes_back(life, verdict, f"m{n}", proved=proved)
        life.sleeps(days(wait))
    proven = [verdict for verdict, _, proved in news if proved]
    reasons = {reason for _, _, reason, _ in banned(life)}
    assert ("hard_bounce" in reasons) == ("hard" in proven)
    said = {"complaint", "unsubscribed"}
    assert bool(said & reasons) == bool(said & set(proven))
    assert "soft_bounces" not in reasons or proven.count("soft") >= 5
    assert life.state.consents["email_marketing"].granted == (
        not {"complaint", "unsubscribed"} & set(proven)
    )


@given(st.integers(1, 60))
def test_what_is_known_of_addresses_is_bounded(count):
    life = Life(only=("confirmation",)).identify()
    for n in range(count):
        comes_back(life, "hard", f"m{n}", f"{n}@post.example")
        life.skips(days(1))
    newest = {f"{n}@post.example" for n in range(max(0, count - 16), count)}
    assert set(life.state.mailboxes) == newest
