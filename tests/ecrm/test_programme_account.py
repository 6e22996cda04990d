"""Codes, logins, changed addresses, the end of an account, invitations: what an account owes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from ecrm import customer, effects, facts, messages, request
from ecrm.matters import Code
from ecrm.moment import SECOND, Duration, Instant, days, hours, minutes, moment_of
from ecrm.state import Enrolment
from proto import events
from tests.lives import Life, Withheld

LOGIN = events.LoginAttempted(success=False, ip="203.0.113.9", user_agent="Firefox")
DELETED = events.AccountDeleted()
MOVED = events.EmailChanged(old_email="ana@post.example", new_email="ana@new.example")
PAID = events.OrderPaid(order_id="o1", total=10, currency="EUR")


def living(*only: str) -> Life:
    """It is the first of June, ten in the morning in Paris, eight in UTC."""
    return Life(start="2026-06-01 10:00", only=only).identify()


def sends(life: Life) -> list[effects.Send]:
    return [one for one in life.effects if isinstance(one, effects.Send)]


# Verification code (k29) and password reset (k30)


def code(secret: str = "481-516", *, expires: str = "08:05") -> events.VerificationCodeRequested:
    hour, minute = map(int, expires.split(":"))
    at = datetime(2026, 6, 1, hour, minute, tzinfo=UTC)
    return events.VerificationCodeRequested(code=secret, expires_at=at, purpose="sign-in")


def reset(secret: str = "https://shop.example/reset/481516") -> events.PasswordResetRequested:
    at = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
    return events.PasswordResetRequested(reset_url=secret, expires_at=at)


SECRETS = pytest.mark.parametrize(
    ("asked", "kind", "secret"),
    [(code(), "k29", "481-516"), (reset(), "k30", "https://shop.example/reset/481516")],
    ids=["code", "reset"],
)


@SECRETS
def test_what_is_asked_for_is_sent_at_once_in_the_fast_lane(asked, kind, secret):
    life = living("verification", "reset").consents(given=False).tell(asked)
    (mail,) = life.sent
    assert (mail.kind, life.wall(mail.at), mail.lane) == (kind, "2026-06-01 10:00", 0)


@SECRETS
def test_a_secret_is_in_the_mail_for_the_queue_and_nowhere_else(asked, kind, secret):
    life = living("verification", "reset").tell(asked)
    (sent,) = sends(life)
    in_clear, kept = sent.mail.values, sent.kept.values
    assert secret in (getattr(in_clear.code, "code", ""), getattr(in_clear.reset, "url", ""))
    assert "•••" in (getattr(kept.code, "code", ""), getattr(kept.reset, "url", ""))
    assert sent.kept == life.sent[0]
    assert secret.encode() not in facts.encode(tuple(life.facts))


def test_a_code_is_not_handed_over_after_it_ended():
    (mail,) = living("verification").tell(code(expires="08:05")).sent
    assert mail.not_after == mail.at + minutes(5)


def test_a_code_does_not_wait_longer_than_its_lane_however_long_it_lives():
    (mail,) = living("verification").tell(code(expires="20:00")).sent
    assert mail.not_after == mail.at + minutes(10)


def test_a_code_heard_of_in_its_last_millisecond_is_sent():
    life = living("verification").tell(code(expires="08:00"))
    assert life.kinds == ["k29"]


def test_a_code_that_ended_before_it_was_heard_of_is_not_sent():
    life = living("verification").skips(Duration(1)).tell(code(expires="08:00"))
    assert life.withheld == [Withheld("verification/code", "deadline")]
    assert life.of(facts.MailWithheld)[0].detail == "made sense until 2026-06-01T08:00:00Z"


def test_every_code_that_is_asked_for_is_sent():
    life = living("verification").tell(code("first-1")).tell(code("second-2"))
    assert [one.mail.values.code.code for one in sends(life)] == ["first-1", "second-2"]
    assert len({mail.mail_id for mail in life.sent}) == 2


def test_a_code_for_nobody_waits_for_no_address():
    life = Life(start="2026-06-01 10:00", only=("verification",)).tell(code())
    assert life.withheld == [Withheld("verification/code", "missing_data")]
    assert life.alarm is None
    assert life.identify().mails == []


def test_a_secret_that_was_not_told_in_this_very_turn_is_not_guessed():
    life = living("verification")
    matter = Code("•••", Instant(life.now + minutes(5)))
    stay = Enrolment("verification", life.now, "", {}, {}, "code", life.now, 0, matter)
    life.state = replace(
        life.state, enrolments={"verification": stay}, timers={"verification": life.now}
    )
    moment = moment_of(life.state.customer_id, life.state.seq, life.now)
    decided = customer.decide(life.rules, life.state, messages.Tick(), moment)
    (withheld,) = [fact for fact in decided if isinstance(fact, facts.MailWithheld)]
    assert (withheld.reason, withheld.detail) == ("missing_data", request.FORGOTTEN)


# Login (k33)


def test_a_login_attempt_is_told_at_once_with_what_is_known_of_it():
    (mail,) = living("login").consents(given=False).tell(LOGIN).sent
    shown = mail.values.login
    assert (mail.kind, mail.lane) == ("k33", 0)
    assert (shown.success, shown.at, shown.ip, shown.device) == (
        False, mail.at, "203.0.113.9", "Firefox",
    )  # fmt: skip


def test_a_thousand_attempts_within_the_hour_are_told_once():
    life = living("login")
    for _ in range(19):
        life.tell(LOGIN).sleeps(minutes(3))
    assert life.mails == [("k33", "login/attempt", "2026-06-01 10:00")]


def test_an_hour_later_the_next_one_is_told():
    life = living("login").tell(LOGIN).sleeps(Duration(hours(1) - 1)).tell(LOGIN)
    life.sleeps(Duration(1)).tell(LOGIN)
    assert life.mails == [
        ("k33", "login/attempt", "2026-06-01 10:00"),
        ("k33", "login/attempt", "2026-06-01 11:00"),
    ]


def test_an_attempt_heard_of_a_day_later_is_no_alarm_any_more():
    life = living("login").sleeps(Duration(days(1) + 1)).tell(LOGIN, occurred="2026-06-01 10:00")
    assert life.withheld == [Withheld("login/attempt", "deadline")]


# Changes (k32)


def test_a_new_address_is_told_to_the_old_one_and_to_the_new():
    life = living("address").sleeps(hours(1)).tell(MOVED)
    assert life.mails == [("k32", "address/changed", "2026-06-01 11:00")] * 2
    assert [mail.to for mail in life.sent] == ["ana@post.example", "ana@new.example"]
    shown = life.sent[0].values.address
    assert (shown.old_email, shown.new_email) == ("ana@post.example", "ana@new.example")


def test_the_two_mails_of_a_change_are_two_mails():
    life = living("address").tell(MOVED)
    assert len({mail.mail_id for mail in life.sent}) == 2
    assert set(life.state.waiting) == {mail.mail_id for mail in life.sent}


def test_where_only_one_of_the_addresses_can_be_written_to_that_one_is():
    life = living("address").tell(
        events.EmailChanged(old_email="ana@not_a_host", new_email="ana@new.example")
    )
    assert [mail.to for mail in life.sent] == ["ana@new.example"]


def test_an_address_that_is_changed_to_itself_is_told_once():
    same = events.EmailChanged(old_email="ana@post.example", new_email="ana@post.example")
    assert [mail.to for mail in living("address").tell(same).sent] == ["ana@post.example"]


def test_a_change_of_the_account_is_told_with_what_was_changed():
    life = living("account").tell(events.AccountUpdated(fields=("password", "phone")))
    (mail,) = life.sent
    assert (mail.kind, mail.template, mail.to) == ("k32", "account/updated", "ana@post.example")
    assert mail.values.account.fields == ("password", "phone")


# The end of an account (k31)


def test_the_end_of_an_account_is_confirmed_and_then_everything_is_erased():
    life = living("farewell").tell(DELETED)
    assert life.mails == [("k31", "farewell/deleted", "2026-06-01 10:00")]
    assert not life.is_erased
    life.sleeps(minutes(2)).reports("accepted")
    assert life.is_erased
    assert life.facts[-1].at == life.instant("2026-06-01 10:02")
    assert life.effects[-1] == effects.Erase(("c1",))


@pytest.mark.parametrize("outcome", ["dead", "suppressed", "expired", "accepted_unknown"])
def test_whatever_becomes_of_the_farewell_the_life_is_erased(outcome):
    assert living("farewell").tell(DELETED).reports(outcome).is_erased


def test_who_has_no_address_is_waited_for_three_days_and_erased():
    life = Life(start="2026-06-01 10:00", only=("farewell",)).tell(DELETED)
    life.sleeps(Duration(hours(72) - 1))
    assert not life.is_erased
    life.sleeps(Duration(1))
    assert life.is_erased
    assert life.withheld == [Withheld("farewell/deleted", "missing_data")]


def test_an_account_is_deleted_once():
    life = living("farewell").tell(DELETED).sleeps(Duration(SECOND)).tell(DELETED)
    assert life.kinds == ["k31"]
    assert len(life.of(facts.AccountClosed)) == 1


def test_every_other_programme_ends_with_the_account():
    life = Life(start="2026-06-01 10:00").identify().signs_up().consents().tell(PAID)
    life.sleeps(minutes(1)).tell(events.ProductAdded(product_id="p1")).reports("accepted")
    stays = set(life.state.enrolments)
    life.tell(DELETED)
    assert stays == {"affinity", "cart", "cross-sell/o1", "nursing/o1", "thanks"}
    assert life.state.enrolments == {}
    left = [fact for fact in life.of(facts.Left) if fact.detail == "the account was deleted"]
    assert {fact.key for fact in left} == stays


def test_a_marketing_mail_in_the_queue_is_taken_back_and_what_is_owed_is_not():
    life = living("farewell", "cart", "confirmation").consents().tell(PAID).sleeps(minutes(1))
    life.tell(events.ProductAdded(product_id="p1")).sleeps(hours(1)).tell(DELETED)
    assert life.retracted == [("k07", "the account was deleted")]
    assert life.reports("cancelled", "k07").reports("accepted", "k31").is_erased is False
    assert life.reports("accepted", "k11").is_erased


@pytest.mark.parametrize(
    "event",
    [
        events.ProductAdded(product_id="p1"),
        events.OrderFulfilled(order_id="o1", fulfillment_id="a"),
        events.CommentPosted(subject_id="s1"),
        events.SignedUp(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_nothing_optional_begins_while_the_farewell_is_on_its_way(event):
    life = Life(start="2026-06-01 10:00").identify().consents().tell(DELETED).tell(event)
    assert set(life.kinds) <= {"k31", "k14"}
    assert life.reports("accepted").is_erased


def test_what_is_owed_of_an_order_is_still_told_while_the_farewell_is_on_its_way():
    life = Life(start="2026-06-01 10:00").identify().consents().tell(DELETED).tell(PAID)
    life.reports("accepted").sleeps(days(1))
    assert life.kinds == ["k31", "k11", "k12"]
    assert not life.is_erased
    assert life.reports("accepted").is_erased


def test_the_visitors_a_person_was_are_erased_with_them():
    guest = Life(customer_id="visitor:v", start="2026-06-01 10:00", only=("farewell",))
    life = guest.tell(events.ProductAdded(product_id="p1")).becomes(living("farewell"))
    life.tell(DELETED).reports("accepted")
    assert life.effects[-1] == effects.Erase(("c1", "visitor:v"))


def test_who_was_erased_and_comes_back_is_nobody_yet():
    life = living("farewell", "welcome").signs_up().tell(DELETED).reports("accepted")
    life.sleeps(days(1)).signs_up()
    assert life.kinds == ["k01", "k31"]
    assert life.identify().kinds == ["k01", "k31", "k01"]


# Invitations (k41)


def invite(name: str = "bob") -> events.InviteSent:
    return events.InviteSent(invitee_email=f"{name}@post.example", invitee_first_name="Bob")


def test_an_invitation_goes_to_who_is_invited_in_the_customers_name():
    (mail,) = living("invitation").consents(given=False).tell(invite()).sent
    assert (mail.kind, mail.to, mail.stranger) == ("k41", "bob@post.example", True)
    assert mail.values.person.first_name == "Ana"
    assert mail.values.invitation.first_name == "Bob"


def test_an_address_is_invited_once_ever():
    life = living("invitation").tell(invite()).sleeps(days(400)).tell(invite()).tell(invite("BOB"))
    assert life.kinds == ["k41"]
    assert life.withheld == [Withheld("invitation/invitation", "condition")] * 2


def test_an_invited_address_is_not_kept():
    life = living("invitation").tell(invite()).reports("accepted").sleeps(days(1))
    assert "bob" not in str(life.state).casefold()
    assert len(life.state.invited) == 1


def test_ten_a_day_are_invited_and_the_next_ten_tomorrow():
    life = living("invitation")
    for n in range(12):
        life.tell(invite(f"friend-{n}"))
    assert len(life.kinds) == 10
    assert [fact.detail for fact in life.of(facts.MailWithheld)] == [
        "invitations.today was 10, needs < 10"
    ] * 2
    life.sleeps(days(1)).tell(invite("friend-11"))
    assert [mail.to for mail in life.sent[10:]] == ["friend-11@post.example"]


def test_the_day_of_invitations_is_the_persons_own():
    life = Life(start="2026-06-01 20:25", only=("invitation",)).identify(timezone="Asia/Kolkata")
    for n in range(10):
        life.tell(invite(f"friend-{n}"))
    # 23:59 in Kolkata, then midnight.
    life.at("2026-06-01 20:29").tell(invite("late"))
    assert len(life.kinds) == 10
    life.at("2026-06-01 20:30").tell(invite("early"))
    assert life.sent[10].to == "early@post.example"


def test_an_invitation_without_an_address_invites_nobody():
    assert living("invitation").tell(events.InviteSent(invitee_first_name="Bob")).mails == []
