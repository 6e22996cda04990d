from __future__ import annotations

import pytest

from ecrm import facts
from ecrm.moment import days, hours
from proto import events
from tests.lives import Life, Withheld

ONLY = ("welcome", "confirmation")
PAID = events.OrderPaid(order_id="o1", total=10, currency="EUR")


def newcomer() -> Life:
    return Life(start="2026-06-01 10:00", only=ONLY).identify().signs_up()


def test_an_address_that_is_registered_is_greeted_at_once():
    life = newcomer()
    assert life.mails == [("k01", "welcome/hello", "2026-06-01 10:00")]


def test_the_first_month_has_one_mail_a_week():
    life = newcomer().consents().sleeps(days(60))
    assert life.mails == [
        ("k01", "welcome/hello", "2026-06-01 10:00"),
        ("k02", "welcome/week-1", "2026-06-08 10:00"),
        ("k03", "welcome/week-2", "2026-06-15 10:00"),
        ("k04", "welcome/week-3", "2026-06-22 10:00"),
        ("k05", "welcome/week-4", "2026-06-29 10:00"),
    ]


def test_who_has_not_ordered_after_thirty_days_graduates():
    life = newcomer().consents().sleeps(days(30))
    assert life.state.marks == {"graduated": life.instant("2026-07-01 10:00")}
    assert life.alarm is None


def test_who_has_not_ordered_a_moment_before_thirty_days_waits_for_it():
    life = newcomer().consents().at("2026-07-01 09:59")
    assert life.state.marks == {}
    assert life.alarm == "2026-07-01 10:00"


@pytest.mark.parametrize("event", [PAID, events.OrderCompleted(order_id="o1")])
def test_the_first_order_ends_the_welcome(event):
    life = newcomer().consents().sleeps(days(8)).tell(event).sleeps(days(60))
    assert [kind for kind in life.kinds if kind != "k11"] == ["k01", "k02"]
    assert life.withheld == [Withheld("welcome/week-2", "stop_condition")]
    assert life.state.marks == {}


def test_an_order_after_the_last_mail_still_prevents_the_graduation():
    life = newcomer().consents().sleeps(days(29)).tell(PAID).sleeps(days(60))
    (left,) = life.of(facts.Left)
    assert (left.step, left.kind) == ("graduated", "")
    assert life.state.marks == {}


def test_the_first_order_takes_back_a_weekly_mail_that_still_waits_in_the_queue():
    life = newcomer().consents().sleeps(days(7)).tell(PAID)
    assert life.retracted == [("k02", "Order Paid o1")]


def test_a_weekly_mail_that_was_sent_is_not_taken_back():
    life = newcomer().consents().sleeps(days(7)).reports("accepted").tell(PAID)
    assert life.retracted == []


def test_without_consent_the_greeting_goes_and_nothing_else():
    life = newcomer().sleeps(days(60))
    assert life.kinds == ["k01"]
    weeks = [Withheld(f"welcome/week-{n}", "consent") for n in (1, 2, 3, 4)]
    assert life.withheld == weeks


def test_a_consent_that_is_withdrawn_ends_the_weekly_mails():
    life = newcomer().consents().sleeps(days(10)).consents(given=False).sleeps(days(60))
    assert life.kinds == ["k01", "k02"]


def test_a_consent_that_comes_later_starts_the_weekly_mails_from_there():
    life = newcomer().sleeps(days(10)).consents().sleeps(days(60))
    assert life.kinds == ["k01", "k03", "k04", "k05"]


def test_an_account_without_an_address_is_greeted_when_the_address_comes():
    life = Life(start="2026-06-01 10:00", only=ONLY).signs_up().sleeps(days(2)).identify()
    assert life.mails == [("k01", "welcome/hello", "2026-06-03 10:00")]


def test_an_address_that_comes_by_a_change_of_address_counts_as_well():
    life = Life(only=ONLY).signs_up()
    life.tell(events.EmailChanged(old_email="a@b.example", new_email="c@d.example"))
    assert [fact.mail.to for fact in life.of(facts.MailRequested)] == ["c@d.example"]


def test_a_sign_up_that_tells_the_address_is_greeted_at_once():
    life = Life(only=ONLY).tell(events.SignedUp(email="ana@post.example"))
    assert life.kinds == ["k01"]


def test_an_address_without_an_account_is_not_greeted():
    assert Life(only=ONLY).identify().consents().sleeps(days(60)).mails == []


def test_nobody_is_welcomed_twice():
    life = newcomer().consents().sleeps(days(60)).signs_up().identify(first_name="Anna")
    life.tell(events.EmailChanged(old_email="a@b.example", new_email="c@d.example"))
    assert life.sleeps(days(60)).kinds == ["k01", "k02", "k03", "k04", "k05"]


def test_a_weekly_mail_is_dropped_where_the_service_was_down_for_too_long():
    life = newcomer().consents().sleeps(days(6)).skips(days(7)).sleeps(hours(1))
    assert life.kinds == ["k01"]
    assert life.withheld == [Withheld("welcome/week-1", "deadline")]


def test_a_weekly_mail_still_goes_where_the_service_was_down_for_less():
    life = newcomer().consents().sleeps(days(6)).skips(days(6)).sleeps(hours(1))
    assert life.mails[-1] == ("k02", "welcome/week-1", "2026-06-13 10:00")


def test_a_week_that_ends_at_night_waits_for_the_morning():
    life = (
        Life(start="2026-06-01 23:30", only=ONLY).identify().signs_up().consents().sleeps(days(8))
    )
    assert life.mails == [
        ("k01", "welcome/hello", "2026-06-01 23:30"),
        ("k02", "welcome/week-1", "2026-06-09 08:00"),
    ]


def test_a_week_over_the_night_of_the_summer_time_is_still_seven_days():
    life = (
        Life(start="2026-03-27 10:00", only=ONLY).identify().signs_up().consents().sleeps(days(8))
    )
    assert life.mails[-1] == ("k02", "welcome/week-1", "2026-04-03 11:00")


def test_the_morning_is_that_of_the_person():
    life = Life(zone="Europe/Paris", start="2026-06-01 15:00", only=ONLY)
    life.identify(timezone="Asia/Kolkata").signs_up().consents().sleeps(days(8))
    # 15:00 in Paris is 18:30 in Kolkata; a week later it is too.
    assert life.mails[-1].at == "2026-06-08 15:00"
    late = Life(zone="Europe/Paris", start="2026-06-01 18:00", only=ONLY)
    late.identify(timezone="Asia/Kolkata").signs_up().consents().sleeps(days(8))
    # 21:30 in Kolkata: quiet until 08:00 there, 04:30 in Paris.
    assert late.mails[-1].at == "2026-06-09 04:30"


def test_a_mail_names_the_zone_that_came_with_the_very_event_it_answers():
    life = Life(only=ONLY).signs_up().identify(timezone="Asia/Kolkata")
    assert [fact.mail.zone for fact in life.of(facts.MailRequested)] == ["Asia/Kolkata"]


def test_a_zone_that_does_not_exist_leaves_the_shops_own():
    life = Life(only=ONLY).signs_up().identify(timezone="Mars/Olympus")
    assert [fact.mail.zone for fact in life.of(facts.MailRequested)] == ["Europe/Paris"]
